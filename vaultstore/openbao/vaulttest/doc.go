// Package vaulttest tests the openbao store on a real HashiCorp Vault that
// runs in the test's own process.
//
// # Promise
//
// It is a module of its own, outside the workspace, and holds tests only:
// Vault's code, which is under the Business Source License, is never linked
// into the product, and what it depends on decides no version there.
package vaulttest
