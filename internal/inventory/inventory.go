// Package inventory knows the secrets of the reference implementation's
// connectors by the names that they have in environment files.
//
// # Promise
//
// inventory.json was written by reading each manifest, and the code where a
// manifest declares nothing. It classes every secret, and names those that
// older installations have and no manifest declares any more. It holds no
// values. docs/inventory.md is made of it, and a test holds the two equal.
//
// # Limits
//
// It is a help for taking in what an owner has, no authority: what a connector
// may use is in its manifest and its approval.
package inventory

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/abi"
)

//go:embed inventory.json
var text []byte

// Connector is one of the reference implementation's.
type Connector struct {
	Key         string       `json:"key"`
	Title       string       `json:"title"`
	Credentials []Credential `json:"credentials"`
	Options     []Option     `json:"options"`
	Sites       []string     `json:"sites"` // the domains whose cookies make its session
	Note        string       `json:"note"`
}

// Credential is a secret, or the account name beside one.
type Credential struct {
	Name       string    `json:"name"`
	Class      abi.Class `json:"class"` // abi.ClassNone for an identity
	Identity   bool      `json:"identity"`
	Aliases    []string  `json:"aliases"`    // as declared
	Also       []string  `json:"also"`       // in older installations
	Undeclared bool      `json:"undeclared"` // no manifest declares it
}

// Option is a setting that is no secret.
type Option struct {
	Name       string   `json:"name"`
	Aliases    []string `json:"aliases"`
	Undeclared bool     `json:"undeclared"`
}

// Read returns the connectors, ordered by title.
func Read() ([]Connector, error) {
	var doc struct {
		Connectors []Connector `json:"connectors"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("inventory.json: %w", err)
	}
	slices.SortStableFunc(doc.Connectors, func(a, b Connector) int {
		return strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title))
	})
	return doc.Connectors, nil
}

// Number is the class as the owner is told it: 1, 2 or 3, and 0 for what is no
// secret.
func Number(c abi.Class) int {
	return slices.Index([]abi.Class{abi.ClassNone, abi.ClassToken, abi.ClassSession, abi.ClassPassword}, c)
}

// Markdown is docs/inventory.md.
func Markdown(connectors []Connector) string {
	var b strings.Builder
	b.WriteString(head)
	for _, c := range connectors {
		var classes [4][]string
		for _, cred := range c.Credentials {
			n := Number(cred.Class)
			classes[n] = append(classes[n], cred.markdown())
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", c.Key, cell(classes[1]), cell(classes[2]), cell(classes[3]), cell(classes[0]), c.settings())
	}
	return b.String()
}

const head = `# What the reference implementation's connectors need

Made from internal/inventory/inventory.json (` + "`go test ./internal/inventory -update`" + `). Class 1 is a long-lived token, class 2
a session, class 3 a password. An account name is no secret. In brackets stand other names for the same; those after
"once" are of older installations. A star marks what no manifest declares, but installations have.

| connector | class 1 | class 2 | class 3 | account name | settings |
|---|---|---|---|---|---|
`

func (c Credential) markdown() string {
	s := "`" + c.Name + "`"
	if c.Undeclared {
		s += "*"
	}
	names := join(c.Aliases)
	if len(c.Also) > 0 {
		names = strings.TrimPrefix(names+", once "+join(c.Also), ", ")
	}
	if names != "" {
		s += " (" + names + ")"
	}
	return s
}

func (c Connector) settings() string {
	var list []string
	for _, o := range c.Options {
		s := "`" + o.Name + "`"
		if o.Undeclared {
			s += "*"
		}
		list = append(list, s)
	}
	if c.Note != "" {
		list = append(list, c.Note)
	}
	return cell(list)
}

func join(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = "`" + n + "`"
	}
	return strings.Join(quoted, ", ")
}

func cell(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, "; ")
}
