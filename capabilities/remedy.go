package capabilities

import (
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// DefaultOwner is the owner of an installation that names none.
const DefaultOwner = "owner"

// ApproveCommand is the command by which an owner approves s.
func ApproveCommand(s Scope) string {
	return "sallyport grant approve " + quote(s.Connector) + flags(s)
}

// SetCommand is the command by which an owner stores the credential name of s.
func SetCommand(s Scope, name string) string {
	return "sallyport vault set " + quote(s.Connector) + " " + quote(name) + flags(s)
}

// AuthorizeCommand is the command by which an owner authorizes the OAuth
// credential name of s.
func AuthorizeCommand(s Scope, name string) string {
	return "sallyport auth " + quote(s.Connector) + " " + quote(name) + flags(s)
}

// RemoveCommand is the command by which an owner removes the credential name
// of s.
func RemoveCommand(s Scope, name string) string {
	return "sallyport vault rm " + quote(s.Connector) + " " + quote(name) + flags(s)
}

// flags names the parts of s that are not the default.
func flags(s Scope) string {
	text := ""
	for _, f := range [...]struct{ flag, value, usual string }{
		{"owner", s.Owner, DefaultOwner},
		{"instance", s.Instance, vaultstore.DefaultInstance},
		{"grant", s.Grant, vaultstore.SelfGrant},
	} {
		if f.value != f.usual {
			text += " --" + f.flag + " " + quote(f.value)
		}
	}
	return text
}

// quote makes s one word for a POSIX shell, and one line.
func quote(s string) string {
	plain := s != "" && s[0] != '-'
	for _, c := range s {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.ContainsRune("-_./:@", c):
		default:
			plain = false
		}
	}
	if plain {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '?'
		}
		return r
	}, s)
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func roleRemedy(class abi.Class) string {
	if class == abi.ClassPassword {
		return "use it in an auto_login module, and the session that it yields elsewhere"
	}
	return "use it in an auto_login or bootstrap module"
}

// aClass is a class in an owner's words, with its article.
func aClass(c abi.Class) string {
	switch c {
	case abi.ClassToken:
		return "a long-lived token"
	case abi.ClassSession:
		return "a session"
	case abi.ClassPassword:
		return "a password"
	case abi.ClassOneTime:
		return "a one-time code"
	case abi.ClassNone:
		return "an account name"
	}
	return "a value of unknown class"
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
