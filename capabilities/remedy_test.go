package capabilities

import (
	"testing"

	"github.com/sallyport-host/sallyport/vaultstore"
)

func TestCommands(t *testing.T) {
	usual := Scope{Owner: DefaultOwner, Connector: "contacts", Instance: vaultstore.DefaultInstance, Grant: vaultstore.SelfGrant}
	odd := Scope{Owner: "it's me", Connector: "-x", Instance: "a\nb", Grant: "https://as.example/g?1"}
	for got, want := range map[string]string{
		ApproveCommand(usual):          "sallyport grant approve contacts",
		SetCommand(usual, "PASSWORD"):  "sallyport vault set contacts PASSWORD",
		RemoveCommand(usual, "A B"):    "sallyport vault rm contacts 'A B'",
		ApproveCommand(odd):            `sallyport grant approve '-x' --owner 'it'\''s me' --instance 'a?b' --grant 'https://as.example/g?1'`,
		SetCommand(testScope, ""):      "sallyport vault set contacts '' --owner ann --instance work",
		RemoveCommand(otherGrant, "P"): "sallyport vault rm contacts P --owner ann --instance work --grant g-2",
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestScopeAddress(t *testing.T) {
	want := vaultstore.Address{Owner: "ann", Connector: "contacts", Instance: "work", Grant: "self", Name: "N"}
	if got := testScope.Address("N"); got != want {
		t.Errorf("got %+v", got)
	}
}
