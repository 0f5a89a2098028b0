// Command ynab is a Sallyport connector that collects the owner's budgets from
// YNAB, with their accounts, categories, payees and transactions.
//
// It authenticates with a personal access token that it never sees. After the
// first run it asks for each kind of thing only what has changed since
// (server_knowledge), deletions among it. Amounts are in milliunits: 1000 are
// one of the budget's currency.
package main

import (
	"context"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"

	"github.com/sallyport-host/sallyport/examples/internal/rest"
)

// The names in the manifest.
const (
	tokenName = "YNAB_PERSONAL_ACCESS_TOKEN"

	budgetsStream      = "budgets"
	accountsStream     = "accounts"
	categoriesStream   = "categories"
	payeesStream       = "payees"
	transactionsStream = "transactions"
)

const origin = "https://api.ynab.com"

func main() { sallyport.Main(collect) }

func collect(ctx context.Context, run *sallyport.Run) error {
	token, err := run.Credential(tokenName)
	if err != nil {
		return err
	}
	api := rest.New(run, rest.API{Name: "YNAB", Origin: origin, Header: sallyport.Header{"Authorization": {sallyport.Bearer(token)}}})
	budgets, err := collectBudgets(ctx, run, api)
	if err != nil {
		return err
	}
	for _, collect := range []func() error{
		func() error { return deltas(ctx, run, api, budgets, accounts) },
		func() error { return deltas(ctx, run, api, budgets, categories) },
		func() error { return deltas(ctx, run, api, budgets, payees) },
		func() error { return deltas(ctx, run, api, budgets, transactions) },
	} {
		if err := collect(); err != nil {
			return err
		}
	}
	return nil
}

// collectBudgets brings the stream of budgets up to date, and returns their
// ids, which the other streams need.
func collectBudgets(ctx context.Context, run *sallyport.Run, api *rest.Client) (ids []string, err error) {
	all, err := rest.NewInventory(run, budgetsStream, func(b budget) string { return b.ID }, nil, "id", "name")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Budgets []apiBudget `json:"budgets"`
		} `json:"data"`
	}
	if _, err := api.Get(ctx, "/v1/budgets", &answer); err != nil {
		return nil, err
	}
	for _, raw := range answer.Data.Budgets {
		ids = append(ids, raw.ID)
		if err := all.Take(raw.record()); err != nil {
			return nil, err
		}
	}
	return ids, all.Finish("")
}
