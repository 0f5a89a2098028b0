package main

// The records of the manifest's streams, and what YNAB's API says of each.

// data is what an answer about a budget holds, one of the lists.
type data struct {
	Accounts       []account     `json:"accounts"`
	CategoryGroups []group       `json:"category_groups"`
	Payees         []payee       `json:"payees"`
	Transactions   []transaction `json:"transactions"`
	Knowledge      int64         `json:"server_knowledge"`
}

type budget struct {
	ID               string  `json:"id"`
	Name             string  `json:"name"`
	LastModified     *string `json:"last_modified_on"`
	FirstMonth       *string `json:"first_month"`
	LastMonth        *string `json:"last_month"`
	CurrencyISO      *string `json:"currency_iso_code"`
	CurrencySymbol   *string `json:"currency_symbol"`
	SymbolFirst      *bool   `json:"currency_symbol_first"`
	DecimalDigits    *int    `json:"currency_decimal_digits"`
	DecimalSeparator *string `json:"currency_decimal_separator"`
	GroupSeparator   *string `json:"currency_group_separator"`
	DateFormat       *string `json:"date_format_string"`
}

type apiBudget struct {
	budget
	Date *struct {
		Format *string `json:"format"`
	} `json:"date_format"`
	Currency *struct {
		ISO              *string `json:"iso_code"`
		Symbol           *string `json:"currency_symbol"`
		SymbolFirst      *bool   `json:"symbol_first"`
		DecimalDigits    *int    `json:"decimal_digits"`
		DecimalSeparator *string `json:"decimal_separator"`
		GroupSeparator   *string `json:"group_separator"`
	} `json:"currency_format"`
}

func (a apiBudget) record() budget {
	b := a.budget
	if a.Date != nil {
		b.DateFormat = a.Date.Format
	}
	if c := a.Currency; c != nil {
		b.CurrencyISO, b.CurrencySymbol, b.SymbolFirst = c.ISO, c.Symbol, c.SymbolFirst
		b.DecimalDigits, b.DecimalSeparator, b.GroupSeparator = c.DecimalDigits, c.DecimalSeparator, c.GroupSeparator
	}
	return b
}

type account struct {
	ID             string           `json:"id"`
	BudgetID       string           `json:"budget_id"`
	Name           string           `json:"name"`
	Type           string           `json:"type"`
	OnBudget       bool             `json:"on_budget"`
	Closed         bool             `json:"closed"`
	Balance        int64            `json:"balance"`
	Cleared        int64            `json:"cleared_balance"`
	Uncleared      int64            `json:"uncleared_balance"`
	TransferPayee  *string          `json:"transfer_payee_id"`
	ImportLinked   *bool            `json:"direct_import_linked"`
	ImportInError  *bool            `json:"direct_import_in_error"`
	LastReconciled *string          `json:"last_reconciled_at"`
	Note           *string          `json:"note"`
	DebtRates      map[string]int64 `json:"debt_interest_rates"`
	DebtPayments   map[string]int64 `json:"debt_minimum_payments"`
	DebtEscrow     map[string]int64 `json:"debt_escrow_amounts"`
	Deleted        bool             `json:"deleted"`
}

var accounts = kind[account]{
	stream: accountsStream, path: "accounts", keep: []string{"id", "budget_id", "name", "type"},
	id:   func(a account) string { return a.ID },
	gone: func(a account) bool { return a.Deleted },
	items: func(budget string, d data) []account {
		for i := range d.Accounts {
			d.Accounts[i].BudgetID = budget
		}
		return d.Accounts
	},
}

type group struct {
	Name       string     `json:"name"`
	Deleted    bool       `json:"deleted"`
	Categories []category `json:"categories"`
}

type category struct {
	ID                string  `json:"id"`
	BudgetID          string  `json:"budget_id"`
	GroupID           string  `json:"category_group_id"`
	GroupName         *string `json:"category_group_name"`
	Name              string  `json:"name"`
	Hidden            bool    `json:"hidden"`
	Budgeted          int64   `json:"budgeted"`
	Activity          int64   `json:"activity"`
	Balance           int64   `json:"balance"`
	Note              *string `json:"note"`
	GoalType          *string `json:"goal_type"`
	GoalWhole         *bool   `json:"goal_needs_whole_amount"`
	GoalDay           *int    `json:"goal_day"`
	GoalCadence       *int    `json:"goal_cadence"`
	GoalFrequency     *int    `json:"goal_cadence_frequency"`
	GoalCreation      *string `json:"goal_creation_month"`
	GoalTarget        *int64  `json:"goal_target"`
	GoalTargetDate    *string `json:"goal_target_date"`
	GoalPercent       *int    `json:"goal_percentage_complete"`
	GoalMonths        *int    `json:"goal_months_to_budget"`
	GoalUnderFunded   *int64  `json:"goal_under_funded"`
	GoalOverallFunded *int64  `json:"goal_overall_funded"`
	GoalOverallLeft   *int64  `json:"goal_overall_left"`
	GoalSnoozed       *string `json:"goal_snoozed_at"`
	Deleted           bool    `json:"deleted"`
}

var categories = kind[category]{
	stream: categoriesStream, path: "categories", keep: []string{"id", "budget_id", "name"},
	id:   func(c category) string { return c.ID },
	gone: func(c category) bool { return c.Deleted },
	items: func(budget string, d data) (all []category) {
		for _, g := range d.CategoryGroups {
			for _, c := range g.Categories {
				c.BudgetID, c.GroupName, c.Deleted = budget, &g.Name, c.Deleted || g.Deleted
				all = append(all, c)
			}
		}
		return all
	},
}

type payee struct {
	ID              string  `json:"id"`
	BudgetID        string  `json:"budget_id"`
	Name            string  `json:"name"`
	TransferAccount *string `json:"transfer_account_id"`
	Deleted         bool    `json:"deleted"`
}

var payees = kind[payee]{
	stream: payeesStream, path: "payees", keep: []string{"id", "budget_id", "name"},
	id:   func(p payee) string { return p.ID },
	gone: func(p payee) bool { return p.Deleted },
	items: func(budget string, d data) []payee {
		for i := range d.Payees {
			d.Payees[i].BudgetID = budget
		}
		return d.Payees
	},
}

type transaction struct {
	ID                  string  `json:"id"`
	BudgetID            string  `json:"budget_id"`
	AccountID           string  `json:"account_id"`
	AccountName         *string `json:"account_name"`
	Date                string  `json:"date"`
	Amount              int64   `json:"amount"`
	PayeeID             *string `json:"payee_id"`
	PayeeName           *string `json:"payee_name"`
	CategoryID          *string `json:"category_id"`
	CategoryName        *string `json:"category_name"`
	Memo                *string `json:"memo"`
	Cleared             string  `json:"cleared"`
	Approved            bool    `json:"approved"`
	FlagColor           *string `json:"flag_color"`
	FlagName            *string `json:"flag_name"`
	TransferAccount     *string `json:"transfer_account_id"`
	TransferTransaction *string `json:"transfer_transaction_id"`
	Matched             *string `json:"matched_transaction_id"`
	ImportID            *string `json:"import_id"`
	ImportPayee         *string `json:"import_payee_name"`
	ImportPayeeOriginal *string `json:"import_payee_name_original"`
	DebtType            *string `json:"debt_transaction_type"`
	IsSplit             bool    `json:"is_split"`
	Parts               []part  `json:"subtransactions"`
	Deleted             bool    `json:"deleted"`
}

// part is a part of a split transaction.
type part struct {
	ID              string  `json:"id"`
	Amount          int64   `json:"amount"`
	Memo            *string `json:"memo"`
	PayeeID         *string `json:"payee_id"`
	PayeeName       *string `json:"payee_name"`
	CategoryID      *string `json:"category_id"`
	CategoryName    *string `json:"category_name"`
	TransferAccount *string `json:"transfer_account_id"`
	Deleted         bool    `json:"deleted"`
}

var transactions = kind[transaction]{
	stream: transactionsStream, path: "transactions", keep: []string{"id", "budget_id", "account_id", "date", "amount"},
	id:   func(t transaction) string { return t.ID },
	gone: func(t transaction) bool { return t.Deleted },
	day:  func(t transaction) string { return t.Date },
	items: func(budget string, d data) []transaction {
		for i := range d.Transactions {
			t := &d.Transactions[i]
			left := make([]part, 0, len(t.Parts))
			for _, p := range t.Parts {
				if !p.Deleted {
					left = append(left, p)
				}
			}
			t.BudgetID, t.Parts, t.IsSplit = budget, left, len(left) > 0
		}
		return d.Transactions
	},
}
