package openbao

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/openbao/openbao/api/v2"

	"github.com/sallyport-host/sallyport/vaultstore"
)

// Auth is a way to a token: [Token], [AppRole] or [Kubernetes].
type Auth interface {
	// token returns a fresh token and what is known of its life. The client is
	// for this login alone, and has no token.
	token(ctx context.Context, c *api.Client) (*api.SecretAuth, error)
}

// Token is a token that was made elsewhere.
type Token struct{ Token vaultstore.Secret }

// AppRole logs in with a role's id and secret.
type AppRole struct {
	Mount    string // "approle" when empty
	RoleID   string
	SecretID vaultstore.Secret
}

// Kubernetes logs in with a service account's token, which is read again each
// time, for the cluster renews it.
type Kubernetes struct {
	Mount     string // "kubernetes" when empty
	Role      string
	TokenFile string // the pod's own when empty
}

const podToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

func (t Token) token(ctx context.Context, c *api.Client) (*api.SecretAuth, error) {
	c.SetToken(string(t.Token.Reveal()))
	self, err := c.Auth().Token().LookupSelfWithContext(ctx)
	if err != nil {
		return nil, err
	}
	ttl, err := self.TokenTTL()
	if err != nil {
		return nil, errors.New("the server does not say how long the token lives")
	}
	renewable, _ := self.TokenIsRenewable()
	return &api.SecretAuth{ClientToken: c.Token(), LeaseDuration: int(ttl / time.Second), Renewable: renewable}, nil
}

func (a AppRole) token(ctx context.Context, c *api.Client) (*api.SecretAuth, error) {
	return logIn(ctx, c, orElse(a.Mount, "approle"), map[string]any{"role_id": a.RoleID, "secret_id": string(a.SecretID.Reveal())})
}

func (k Kubernetes) token(ctx context.Context, c *api.Client) (*api.SecretAuth, error) {
	file := k.TokenFile
	if file == "" {
		file = podToken
	}
	jwt, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return logIn(ctx, c, orElse(k.Mount, "kubernetes"), map[string]any{"role": k.Role, "jwt": string(jwt)})
}

func logIn(ctx context.Context, c *api.Client, mount string, with map[string]any) (*api.SecretAuth, error) {
	secret, err := c.Logical().WriteWithContext(ctx, "auth/"+mount+"/login", with)
	if err != nil {
		return nil, err
	}
	if secret == nil || secret.Auth == nil {
		return nil, errors.New("the login returned no token")
	}
	return secret.Auth, nil
}

// login keeps a client's token alive.
type login struct {
	client *api.Client
	auth   Auth
	// fresh returns a client like it, to log in by: requests that are under way
	// go on with the token that they have. A clone would follow redirects.
	fresh func() (*api.Client, error)

	mu        sync.Mutex
	in        bool
	renewable bool
	renewAt   time.Time // zero: the token has no end
}

// ensure logs in, or renews, when it is time.
func (l *login) ensure(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.in && (l.renewAt.IsZero() || time.Now().Before(l.renewAt)) {
		return nil
	}
	if l.in && l.renewable {
		if s, err := l.client.Auth().Token().RenewSelfWithContext(ctx, 0); err == nil && s != nil && s.Auth != nil {
			l.note(s.Auth)
			return nil
		}
	}
	if l.auth == nil {
		return fmt.Errorf("%w: no way to log in is given", vaultstore.ErrInvalid)
	}
	alone, err := l.fresh()
	if err != nil {
		return err
	}
	a, err := l.auth.token(ctx, alone)
	if err != nil {
		l.in = false
		return fmt.Errorf("log in: %w", explain(err))
	}
	l.client.SetToken(a.ClientToken)
	l.note(a)
	return nil
}

func (l *login) note(a *api.SecretAuth) {
	l.in, l.renewable, l.renewAt = true, a.Renewable, time.Time{}
	if a.LeaseDuration > 0 {
		l.renewAt = time.Now().Add(time.Duration(a.LeaseDuration) * time.Second * 2 / 3)
	}
}
