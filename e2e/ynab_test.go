package e2e_test

import (
	"slices"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/host"
	"github.com/sallyport-host/sallyport/vaultstore"
)

const ynabToken = "YNAB_PERSONAL_ACCESS_TOKEN"

// TestYNAB collects all, then asks only for what came after.
func TestYNAB(t *testing.T) {
	s, api := ynabOf(t)
	for _, r := range s.expect("in the first run", "budgets b-home", "accounts a-1", "categories c-1", "payees p-1", "transactions t-1", "transactions t-2") {
		switch r.short() {
		case "accounts a-1":
			if r.Data["balance"] != 12340. || r.Data["budget_id"] != "b-home" {
				t.Errorf("the account is %v", r.Data)
			}
		case "categories c-1":
			if r.Data["category_group_name"] != "Joy" || r.Data["activity"] != -19990. {
				t.Errorf("the category is %v", r.Data)
			}
		case "transactions t-2":
			if r.Data["amount"] != -5000. || r.Data["is_split"] != true || len(r.Data["subtransactions"].([]any)) != 2 {
				t.Errorf("the transaction is %v", r.Data)
			}
		}
	}

	s.expect("after nothing changed")
	if want := []string{"accounts 6", "categories 6", "payees 6", "transactions 6"}; !slices.Equal(api.since, want) {
		t.Errorf("asked for what came after %q, want %q", api.since, want)
	}

	api.put("b-home", "transactions", object{"id": "t-3", "account_id": "a-1", "date": "2026-01-04", "amount": 100000, "cleared": "cleared", "approved": false, "deleted": false},
		object{"id": "t-1", "account_id": "a-1", "date": "2026-01-02", "amount": -19990, "cleared": "cleared", "deleted": true})
	api.put("b-home", "payees", object{"id": "p-1", "name": "The bookshop", "deleted": false})
	api.put("b-new", "accounts", object{"id": "a-9", "name": "Chest", "type": "savings", "deleted": false})
	api.change(func() { api.budgets = append(api.budgets, object{"id": "b-new", "name": "New"}) })
	s.expect("after changes", "budgets b-new", "accounts a-9", "transactions t-3", "-transactions t-1", "payees p-1")

	api.change(func() { api.budgets = api.budgets[:1] })
	s.expect("after a budget is gone", "-budgets b-new")
	s.expect("at the end")
}

// TestYNABRevokedToken: a token that YNAB no longer takes is tried once, until
// its owner has stored another.
func TestYNABRevokedToken(t *testing.T) {
	s, api := ynabOf(t)
	next := s.secret("the next token")
	api.change(func() { api.token = next })
	s.expectRejected(ynabToken)
	s.put(s.connector, ynabToken, next)
	account, err := s.host.Verify(t.Context(), s.connector, host.RunOptions{}, ynabToken, vaultstore.NewSecret([]byte(next)))
	if err != nil || account != "u-ada" {
		t.Errorf("the account is %q, %v", account, err)
	}
	if len(s.records()) == 0 {
		t.Error("nothing came with the new token")
	}
}

// TestYNABRateLimit: a used up hour ends the run with the time to come back.
func TestYNABRateLimit(t *testing.T) {
	s, api := ynabOf(t)
	api.change(func() { api.limited = true })
	s.expectFailure(ynabToken, abi.CodeLimitExceeded, true, "YNAB: the rate limit is used up until 20")
	if calls := s.server.calls(); len(calls) != 1 {
		t.Errorf("called %q", calls)
	}
}
