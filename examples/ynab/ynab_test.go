package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
	"github.com/sallyport-host/sallyport/guest-sdk/go/sallyporttest"
)

const token = "CANARY-2d9a41"

// source answers each path with the data of an answer.
func source(answers map[string]string) sallyporttest.Host {
	return sallyporttest.Host{
		Streams:     []string{budgetsStream, accountsStream, categoriesStream, payeesStream, transactionsStream},
		Credentials: map[string]string{tokenName: token},
		Source: sallyporttest.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			data, ok := answers[r.URL.RequestURI()]
			switch {
			case r.Header.Get("Authorization") != "Bearer "+token:
				w.WriteHeader(http.StatusUnauthorized)
			case !ok && strings.Contains(r.URL.Path, "/b1/"):
				data = `{"server_knowledge": 1}`
			case !ok:
				w.WriteHeader(http.StatusNotFound)
			}
			fmt.Fprintf(w, `{"data": %s}`, data)
		})),
	}
}

func run(t *testing.T, h *sallyporttest.Host) *sallyporttest.Result {
	t.Helper()
	r := h.Run(collect)
	if r.Done.Status != "succeeded" || len(r.Problems) > 0 || r.Open > 0 {
		t.Fatalf("ended as %+v, problems %q, %d open", r.Done, r.Problems, r.Open)
	}
	h.State = r.State
	return r
}

// short writes records as "stream key", a minus before one that was deleted.
func short(r *sallyporttest.Result) (all []string) {
	for _, record := range r.Records {
		text := record.Stream + " " + record.Key[0]
		if record.Delete {
			text = "-" + text
		}
		all = append(all, text)
	}
	return all
}

const oneBudget = `{"budgets": [{"id": "b1", "name": "Home", "date_format": {"format": "YYYY-MM-DD"},
	"currency_format": {"iso_code": "EUR", "decimal_digits": 2, "decimal_separator": ",", "symbol_first": false, "group_separator": ".", "currency_symbol": "€"}}]}`

// TestRecords: what YNAB answers, and what becomes of it.
func TestRecords(t *testing.T) {
	h := source(map[string]string{
		"/v1/budgets":             oneBudget,
		"/v1/budgets/b1/accounts": `{"server_knowledge": 5, "accounts": [{"id": "a", "name": "Loan", "type": "mortgage", "balance": -1000000, "debt_interest_rates": {"2026-01-01": 4500}}]}`,
		"/v1/budgets/b1/categories": `{"server_knowledge": 5, "category_groups": [{"id": "g", "name": "Joy", "categories": [
			{"id": "c", "category_group_id": "g", "name": "Books", "budgeted": 50000, "goal_target": null, "goal_day": 3}]}]}`,
		"/v1/budgets/b1/payees": `{"server_knowledge": 5, "payees": [{"id": "p", "name": "Shop", "transfer_account_id": null}]}`,
		"/v1/budgets/b1/transactions": `{"server_knowledge": 5, "transactions": [{"id": "t", "account_id": "a", "date": "2026-01-02", "amount": -9007199254740993, "cleared": "cleared",
			"subtransactions": [{"id": "s", "amount": -3000}, {"id": "gone", "amount": 0, "deleted": true}]}]}`,
	})
	want := map[string]string{
		budgetsStream: `{"id":"b1","name":"Home","last_modified_on":null,"first_month":null,"last_month":null,"currency_iso_code":"EUR","currency_symbol":"€",` +
			`"currency_symbol_first":false,"currency_decimal_digits":2,"currency_decimal_separator":",","currency_group_separator":".","date_format_string":"YYYY-MM-DD"}`,
		accountsStream: `{"id":"a","budget_id":"b1","name":"Loan","type":"mortgage","on_budget":false,"closed":false,"balance":-1000000,"cleared_balance":0,` +
			`"uncleared_balance":0,"transfer_payee_id":null,"direct_import_linked":null,"direct_import_in_error":null,"last_reconciled_at":null,"note":null,` +
			`"debt_interest_rates":{"2026-01-01":4500},"debt_minimum_payments":null,"debt_escrow_amounts":null,"deleted":false}`,
		payeesStream: `{"id":"p","budget_id":"b1","name":"Shop","transfer_account_id":null,"deleted":false}`,
	}
	r := run(t, &h)
	for stream, text := range want {
		if got := r.Of(stream); len(got) != 1 || string(got[0].Data) != text {
			t.Errorf("%s:\n got %+v\nwant %s", stream, got, text)
		}
	}
	var c category
	if err := json.Unmarshal(r.Of(categoriesStream)[0].Data, &c); err != nil || c.BudgetID != "b1" || *c.GroupName != "Joy" || c.Budgeted != 50000 || *c.GoalDay != 3 {
		t.Errorf("the category is %+v, %v", c, err)
	}
	var tr transaction
	if err := json.Unmarshal(r.Of(transactionsStream)[0].Data, &tr); err != nil || tr.Amount != -9007199254740993 || !tr.IsSplit || len(tr.Parts) != 1 {
		t.Errorf("the transaction is %+v, %v", tr, err)
	}
}

// TestDeltas: what comes after a server_knowledge is asked for with it, what
// was deleted is deleted, and what was deleted before the first run never was
// there.
func TestDeltas(t *testing.T) {
	answers := map[string]string{
		"/v1/budgets": oneBudget,
		"/v1/budgets/b1/transactions": `{"server_knowledge": 9, "transactions": [{"id": "t1", "account_id": "a", "date": "2026-01-02"},
			{"id": "never", "account_id": "a", "date": "2026-01-02", "deleted": true}]}`,
	}
	h := source(answers)
	h.Streams = []string{transactionsStream}
	if got := short(run(t, &h)); !slices.Equal(got, []string{"transactions t1"}) {
		t.Errorf("at first came %q", got)
	}
	answers["/v1/budgets/b1/transactions?last_knowledge_of_server=9"] = `{"server_knowledge": 12, "transactions": [
		{"id": "t1", "account_id": "a", "date": "2026-01-02", "deleted": true}, {"id": "t2", "account_id": "a", "date": "2026-01-03"}]}`
	answers["/v1/budgets/b1/transactions?last_knowledge_of_server=12"] = `{"server_knowledge": 12, "transactions": []}`
	if got := short(run(t, &h)); !slices.Equal(got, []string{"-transactions t1", "transactions t2"}) {
		t.Errorf("then came %q", got)
	}
	if r := run(t, &h); len(r.Records) != 0 || len(r.Saved) != 0 {
		t.Errorf("after nothing changed came %q, saved %q", short(r), r.Saved)
	}
	answers["/v1/budgets"] = `{"budgets": []}`
	r := run(t, &h)
	if len(r.Records) != 0 || len(r.Skips) != 1 || !strings.Contains(string(r.Skips[0]), "deletions_unknown") {
		t.Errorf("when the budget is gone came %q, skipped %s", short(r), r.Skips)
	}
	if r := run(t, &h); len(r.Skips) != 0 {
		t.Errorf("that it is gone was said again: %s", r.Skips)
	}
}

// TestGroupIsGone: the categories of a group that was deleted are.
func TestGroupIsGone(t *testing.T) {
	const all = "/v1/budgets/b1/categories"
	answers := map[string]string{"/v1/budgets": oneBudget, all: `{"server_knowledge": 1, "category_groups": [{"name": "Joy", "categories": [{"id": "c", "name": "Books"}]}]}`}
	h := source(answers)
	h.Streams = []string{categoriesStream}
	run(t, &h)
	answers[all+"?last_knowledge_of_server=1"] = `{"server_knowledge": 2, "category_groups": [{"name": "Joy", "deleted": true, "categories": [{"id": "c", "name": "Books"}]}]}`
	if got := short(run(t, &h)); !slices.Equal(got, []string{"-categories c"}) {
		t.Errorf("came %q", got)
	}
}

// TestFailureKeepsTheKnowledge: a run that fails says so, and the next one asks
// for the same again.
func TestFailureKeepsTheKnowledge(t *testing.T) {
	answers := map[string]string{"/v1/budgets": oneBudget, "/v1/budgets/b1/payees": `{"server_knowledge": 4, "payees": []}`}
	h := source(answers)
	h.Streams = []string{payeesStream}
	run(t, &h)
	answers["/v1/budgets/b1/payees?last_knowledge_of_server=4"] = `{"server_knowledge": "many"}`
	if r := h.Run(collect); r.Done.Code != "unexpected_answer" || !slices.Equal([]string{string(r.State[payeesStream])}, []string{`{"budgets":{"b1":4}}`}) {
		t.Errorf("ended as %+v with %s", r.Done, r.State[payeesStream])
	}
}

// TestScope: transactions outside the time that is wanted are not collected.
func TestScope(t *testing.T) {
	h := source(map[string]string{"/v1/budgets": oneBudget, "/v1/budgets/b1/transactions": `{"server_knowledge": 9, "transactions": [
		{"id": "old", "account_id": "a", "date": "2025-12-31"}, {"id": "new", "account_id": "a", "date": "2026-01-01"}]}`})
	h.Streams = []string{transactionsStream}
	h.Scopes = map[string]sallyport.Scope{transactionsStream: {Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}
	r := run(t, &h)
	if got := short(r); !slices.Equal(got, []string{"transactions new"}) {
		t.Errorf("came %q", got)
	}
	if len(r.Requests) != 2 {
		t.Errorf("asked %q", r.Requests)
	}
}
