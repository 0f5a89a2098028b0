package mailwire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	tokenUser = "sp1UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU"
	tokenPass = "sp1PPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPP"
	tokenOdd  = "sp1OOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOO" // a value that no quoted string holds
	tokenNUL  = "sp1NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN"
	tokenName = "sp1EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE" // a value that a GS2 header escapes
	tokenNot  = "sp1XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX" // resolves to a refusal
	forged    = "sp1ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ"
)

var values = map[string]string{
	tokenUser: "canary-account@mail.example",
	tokenPass: `canary "pass\word" of 1`,
	tokenOdd:  "canary-\u00fc\r\nA9 LOGOUT",
	tokenNUL:  "canary\x00nul",
	tokenName: "canary=a,b",
}

var (
	errDecided = errors.New("not for this origin")
	errLeaked  = errors.New("leaked")
	canary     = []byte("canary")
)

// world is the hooks of a test and what they were told.
type world struct {
	said  []bool
	given []string
}

func (w *world) hooks() Hooks {
	return Hooks{
		Live: func(token string) bool { return values[token] != "" || token == tokenNot },
		Resolve: func(token string) ([]byte, error) {
			if token == tokenNot {
				return nil, errDecided
			}
			w.given = append(w.given, token)
			return []byte(values[token]), nil
		},
		CheckOut: func(p []byte) error {
			if bytes.Contains(p, canary) {
				return errLeaked
			}
			return nil
		},
		Scrub: func(dst, p []byte) ([]byte, error) {
			if bytes.Contains(p, []byte("class3")) {
				return dst, errLeaked
			}
			text := string(p)
			for token, value := range values {
				text = strings.ReplaceAll(text, value, token)
			}
			return append(dst, text...), nil
		},
		Authenticated: func(ok bool) { w.said = append(w.said, ok) },
	}
}

// A script is lines that begin with who speaks and who hears: "g>" and "s>"
// are what guest and server say, ">s" and ">g" what the other end gets.
// Escapes are Go's, and each line ends with CR LF.
type script []string

func say(s string) string {
	r := strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00", "USER", tokenUser, "PASS", tokenPass, "ODD", tokenOdd, "NULL", tokenNUL)
	if text, found := strings.CutSuffix(s, `\c`); found { // no line's end
		return r.Replace(text)
	}
	return r.Replace(s) + "\r\n"
}

// play runs a script with pieces of at most size bytes and returns the error
// it ended with.
func play(t *testing.T, s *Session, lines script, size int) error {
	t.Helper()
	var gotServer, gotGuest, wantServer, wantGuest bytes.Buffer
	var failed error
	check := func(at string) {
		t.Helper()
		if failed == nil && (gotServer.String() != wantServer.String() || gotGuest.String() != wantGuest.String()) {
			t.Fatalf("pieces of %d, before %q:\nserver got  %q\nshould have %q\nguest got   %q\nshould have %q", size, at, gotServer.String(), wantServer.String(), gotGuest.String(), wantGuest.String())
		}
	}
	speaking := ""
	for _, l := range lines {
		who, text, _ := strings.Cut(l, " ")
		data := []byte(say(text))
		if (who == "g>" || who == "s>") && speaking != who {
			check(l)
		}
		switch speaking = who; who {
		case ">s":
			wantServer.Write(data)
		case ">g":
			wantGuest.Write(data)
		case "g>", "s>":
			for at := 0; at < len(data) && failed == nil; at += size {
				piece := data[at:min(at+size, len(data))]
				var a, b []byte
				if who == "g>" {
					a, b, failed = s.FromGuest(piece)
				} else {
					b, a, failed = s.FromServer(piece)
				}
				gotServer.Write(a)
				gotGuest.Write(b)
			}
		}
	}
	check("the end")
	return failed
}

func eachSize(t *testing.T, start func(Hooks) *Session, lines script, after func(t *testing.T, w *world, err error)) {
	t.Helper()
	longest := 1
	for _, l := range lines {
		longest = max(longest, len(say(l)))
	}
	for size := 1; size <= longest; size++ {
		w := &world{}
		after(t, w, play(t, start(w.hooks()), lines, size))
		if t.Failed() {
			t.Fatalf("with pieces of %d", size)
		}
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(say(s + `\c`))) }

func filled(s string) string {
	for token, value := range values {
		s = strings.ReplaceAll(s, token, value)
	}
	return s
}

// b64filled is what the server gets for b64.
func b64filled(s string) string {
	return base64.StdEncoding.EncodeToString([]byte(filled(say(s + `\c`))))
}

// quotedPass is the value of PASS as a quoted string.
const quotedPass = `"canary \"pass\\word\" of 1"`

func wantSaid(want ...bool) func(*testing.T, *world, error) {
	return func(t *testing.T, w *world, err error) {
		t.Helper()
		if err != nil || fmt.Sprint(w.said) != fmt.Sprint(want) {
			t.Errorf("ended with %v, and was told %v; want no error and %v", err, w.said, want)
		}
	}
}

func wantRefusal(where, reason string) func(*testing.T, *world, error) {
	return func(t *testing.T, w *world, err error) {
		t.Helper()
		var f *Refusal
		if !errors.As(err, &f) || f.Where != where || !strings.Contains(f.Reason, reason) {
			t.Errorf("ended with %v, want a refusal of %s: %s", err, where, reason)
		}
		if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "sp1")) {
			t.Errorf("the refusal quotes a value or a surrogate: %v", err)
		}
	}
}

func wantError(want error) func(*testing.T, *world, error) {
	return func(t *testing.T, w *world, err error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("ended with %v, want %v", err, want)
		}
	}
}
