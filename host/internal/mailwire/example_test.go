package mailwire_test

import (
	"fmt"

	"github.com/sallyport-host/sallyport/host/internal/mailwire"
)

// A guest logs in with a surrogate; the server gets the value, and the guest
// gets back no more than it sent.
func ExampleNewIMAP() {
	const token = "sp1AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	s := mailwire.NewIMAP(mailwire.Hooks{
		Live:          func(t string) bool { return t == token },
		Resolve:       func(string) ([]byte, error) { return []byte(`open "sesame"`), nil },
		Authenticated: func(ok bool) { fmt.Println("the password is right:", ok) },
	})
	toServer, _, err := s.FromGuest([]byte("A1 LOGIN ada " + token + "\r\n"))
	fmt.Printf("%q %v\n", toServer, err)
	toGuest, _, err := s.FromServer([]byte("A1 OK welcome\r\n"))
	fmt.Printf("%q %v\n", toGuest, err)
	_, _, err = s.FromGuest([]byte("A2 SELECT " + token + "\r\n"))
	fmt.Println(err)
	// Output:
	// "A1 LOGIN \"ada\" \"open \\\"sesame\\\"\"\r\n" <nil>
	// the password is right: true
	// "A1 OK welcome\r\n" <nil>
	// IMAP SELECT refused: a surrogate stands outside of a login; use it in LOGIN or AUTHENTICATE
}
