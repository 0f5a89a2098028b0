package custody

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// CredentialsEnv is the variable in which a service manager says where it put
// a service's credentials.
const CredentialsEnv = "CREDENTIALS_DIRECTORY"

const maxIdentityFile = 4 << 10

// ServiceCredentials takes identities from the folder of credentials that
// systemd gives a service: "sallyport-keys", and "sallyport-passwords" for
// class 3. Its operator makes them (age-keygen | systemd-creds encrypt) and
// they stay the operator's. Whether what the service manager hands out rests
// under a TPM or as a plain file, this program cannot tell.
type ServiceCredentials struct {
	// Getenv is os.Getenv when nil.
	Getenv func(string) string
}

var _ Custody = ServiceCredentials{}

// CredentialName is how the service manager has to call a slot's identity.
func CredentialName(slot Slot) string { return "sallyport-" + string(slot) }

// Kind implements Custody.
func (ServiceCredentials) Kind() Kind { return Credentials }

// Make implements Custody: it takes the identity that is there.
func (c ServiceCredentials) Make(ctx context.Context, ref Ref) (vaultstore.Secret, []byte, error) {
	id, err := c.Load(ctx, ref, nil)
	return id, nil, err
}

// Load implements Custody.
func (c ServiceCredentials) Load(ctx context.Context, ref Ref, _ []byte) (vaultstore.Secret, error) {
	if err := ctx.Err(); err != nil {
		return vaultstore.Secret{}, err
	}
	fail := func(err error, remedy string) (vaultstore.Secret, error) {
		return vaultstore.Secret{}, &Error{Kind: Credentials, Slot: ref.Slot, Err: err, Remedy: remedy}
	}
	name := CredentialName(ref.Slot)
	getenv := c.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	dir := getenv(CredentialsEnv)
	if !filepath.IsAbs(dir) {
		return fail(fmt.Errorf("%w: $%s is not set, so no service manager started this", ErrUnavailable, CredentialsEnv),
			"run it as the service, whose unit has LoadCredentialEncrypted="+name)
	}
	data, err := readCredential(filepath.Join(dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(fmt.Errorf("%w: $%s has no %s", ErrAbsent, CredentialsEnv, name),
			fmt.Sprintf("make one with: age-keygen | systemd-creds encrypt --name=%s - %s.cred, and name it in the unit: LoadCredentialEncrypted=%s:%s.cred", name, name, name, name))
	case err != nil:
		return fail(fmt.Errorf("%w: %w", ErrUnavailable, err), "check who may read it")
	}
	defer clear(data)
	id, err := parseIdentity(data)
	if err != nil {
		return fail(fmt.Errorf("%s: %w", name, err), "bring the identity that this vault was made with")
	}
	return id, nil
}

func readCredential(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIdentityFile+1))
	if err == nil && len(data) > maxIdentityFile {
		err = errors.New("it is too long for an identity")
	}
	return data, err
}
