package custody

import (
	"bytes"
	"fmt"

	"filippo.io/age"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// newIdentity makes an X25519 identity, as its line.
func newIdentity() (vaultstore.Secret, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return vaultstore.Secret{}, err
	}
	return vaultstore.NewSecret([]byte(id.String())), nil
}

// parseIdentity checks a file that was brought: comments, blank lines and
// exactly one X25519 identity. Its errors quote nothing.
func parseIdentity(data []byte) (vaultstore.Secret, error) {
	var found []byte
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 || line[0] == '#':
		case found != nil:
			return vaultstore.Secret{}, fmt.Errorf("%w: it holds more than one identity", ErrWrong)
		default:
			found = line
		}
	}
	if _, err := age.ParseX25519Identity(string(found)); err != nil {
		return vaultstore.Secret{}, fmt.Errorf("%w: it holds no X25519 identity, as age-keygen makes them", ErrWrong)
	}
	return vaultstore.NewSecret(found), nil
}
