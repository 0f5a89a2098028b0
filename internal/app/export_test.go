package app

import (
	"slices"
	"testing"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// TestExportNames: no value hides another, whatever they are called.
func TestExportNames(t *testing.T) {
	at := func(connector, name string) vaultstore.Entry {
		return vaultstore.Entry{Address: vaultstore.Address{Owner: "owner", Connector: connector, Instance: "default", Grant: "self", Name: name}}
	}
	for _, c := range []struct {
		entries []vaultstore.Entry
		want    []string
	}{
		{[]vaultstore.Entry{at("github", "TOKEN"), at("ynab", "PAT")}, []string{"TOKEN", "PAT"}},
		{[]vaultstore.Entry{at("a-b", "TOKEN"), at("a_b", "TOKEN")}, []string{"A_B_DEFAULT_SELF_TOKEN", "A_B_DEFAULT_SELF_TOKEN_2"}},
		{[]vaultstore.Entry{at("x", "A_DEFAULT_SELF_T"), at("a", "T"), at("b", "T")}, []string{"A_DEFAULT_SELF_T", "A_DEFAULT_SELF_T_2", "B_DEFAULT_SELF_T"}},
		{[]vaultstore.Entry{at("x", "A.B"), at("y", "A-B")}, []string{"X_DEFAULT_SELF_A_B", "Y_DEFAULT_SELF_A_B"}},
		{[]vaultstore.Entry{at("1pass", "T"), at("2pass", "T")}, []string{"_1PASS_DEFAULT_SELF_T", "_2PASS_DEFAULT_SELF_T"}},
	} {
		if got := exportNames(c.entries); !slices.Equal(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
