package agefile

import (
	"bytes"
	"fmt"
	"strings"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// identity holds an age identity in a closure: the type itself prints as its
// secret, whatever struct it hides in.
type identity struct {
	use func() *age.X25519Identity
}

func holdIdentity(id *age.X25519Identity) identity {
	return identity{use: func() *age.X25519Identity { return id }}
}

func generateIdentity() (identity, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return identity{}, err
	}
	return holdIdentity(id), nil
}

// parseIdentity reads an identity file: comments, blank lines and exactly one
// X25519 identity. Its errors quote nothing.
func parseIdentity(data []byte, where string) (identity, error) {
	lines := contentLines(data)
	if len(lines) != 1 {
		return identity{}, fmt.Errorf("%w: %s does not hold exactly one identity", vaultstore.ErrTampered, where)
	}
	id, err := age.ParseX25519Identity(lines[0])
	if err != nil {
		return identity{}, fmt.Errorf("%w: %s does not hold an X25519 identity", vaultstore.ErrTampered, where)
	}
	return holdIdentity(id), nil
}

// file is the text of an identity file, as age -i reads it too.
func (id identity) file(comment string) []byte {
	return []byte("# " + comment + "\n" + id.use().String() + "\n")
}

func (id identity) recipient() string { return id.use().Recipient().String() }

// parseRecipient reads one X25519 recipient. Its error quotes nothing: people
// paste the identity by mistake.
func parseRecipient(s string) (*age.X25519Recipient, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(strings.ToUpper(s), "AGE-SECRET-KEY-") {
		return nil, fmt.Errorf("%w: this is an identity, the secret half; a recipient begins with age1", vaultstore.ErrInvalid)
	}
	r, err := age.ParseX25519Recipient(s)
	if err != nil {
		return nil, fmt.Errorf("%w: not an X25519 recipient; one begins with age1 and has 62 characters", vaultstore.ErrInvalid)
	}
	return r, nil
}

// contentLines are the lines that are neither blank nor comments.
func contentLines(data []byte) []string {
	var lines []string
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			lines = append(lines, string(line))
		}
	}
	return lines
}

// GenerateRecovery makes a recovery identity for [InitOptions]: the identity,
// as the line that age -i reads, and its recipient. Write the identity where
// the owner wants it first and call [Init] with the recipient then, and a
// crash in between loses nothing.
func GenerateRecovery() (id vaultstore.Secret, recipient string, err error) {
	made, err := generateIdentity()
	if err != nil {
		return vaultstore.Secret{}, "", err
	}
	return vaultstore.NewSecret([]byte(made.use().String())), made.recipient(), nil
}
