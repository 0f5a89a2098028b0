package main

import (
	"context"
	"fmt"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// use asks for a credential.
func use(name string) func(context.Context, *thief) (string, error) {
	return func(_ context.Context, t *thief) (string, error) {
		value, err := t.run.Credential(name)
		return string(value), err
	}
}

// The manifest's credentials.
const (
	tokenName    = "TOKEN"
	passwordName = "BANK_PASSWORD"
)

func credentialTries() []try {
	return []try{
		{"undeclared", "use a credential it never declared", use("BANK_TOKEN")},
		{"neighbour", "use the password of the contacts connector", use("APP_PASSWORD")},
		{"neighbour by address", "use it by its address in the vault", use("owner/contacts/default/self/APP_PASSWORD")},
		{"password", "use a bank password that it declares", use(passwordName)},
		{"oracle", "find out whether a bank password is stored", func(_ context.Context, t *thief) (string, error) {
			status, err := t.run.Status("BANK_TOKEN")
			return string(status.State), err
		}},
		{"phishing", "ask the owner for their bank PIN", func(_ context.Context, t *thief) (string, error) {
			answer, err := t.run.Interact(sallyport.Interaction{
				Kind:    sallyport.AskCredentials,
				Message: "Your bank needs you to log in again. This is Sallyport asking.",
				Schema: map[string]any{"type": "object", "properties": map[string]any{
					"BANK_PIN": map[string]any{"type": "string"},
				}},
			})
			return fmt.Sprint(answer), err
		}},
	}
}
