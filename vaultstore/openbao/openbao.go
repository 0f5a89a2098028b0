// Package openbao keeps a vault in the KV v2 engine of an OpenBao or a
// HashiCorp Vault server.
//
// # Promise
//
// It is a vaultstore/remote store: the server gets ciphertext under hashed
// names. A write is one check-and-set of the engine, and an entry's generation
// is the version there. A delete leaves a sealed tombstone, for only a write
// can be compared and set, and then destroys the versions before it, or soft
// deletes them where [Options].SoftDelete is set. What somebody else deleted or
// destroyed at the server is vaultstore.ErrMissing, never "not found". A
// server that is sealed or away is an error that says so.
//
// The token is renewed before two thirds of its life are over, or the store
// logs in again. TLS is verified; plain http is for loopback only.
//
// # Limits
//
// Replaced values stay, sealed, as versions that the engine keeps
// (max_versions, 10 by default). Listing reads every item of the owner's.
package openbao

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openbao/openbao/api/v2"

	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/remote"
)

// Bounds of one value and one item: three values have room in the 1 MiB that
// the server's own storage gives an entry, in base64.
const (
	MaxValueBytes = 240 << 10
	maxItemBytes  = 740 << 10
)

// Options say which server, which engine, and who asks.
type Options struct {
	Address   string // https://vault.example.org:8200
	Namespace string
	Mount     string // of the KV v2 engine; "secret" when empty
	Prefix    string // of the paths below it; "sallyport" when empty
	Auth      Auth
	TLS       TLS
	Keys      remote.Keys
	Passwords bool // see remote.Options
	// SoftDelete hides what a delete took rather than destroying it: this
	// program has no use for it any more, but whoever runs the server can bring
	// it back, sealed.
	SoftDelete bool
	Timeout    time.Duration // of one request; 30 s when 0
}

// TLS names files in PEM; all may be empty.
type TLS struct{ CACert, ClientCert, ClientKey, ServerName string }

// Open logs in and returns the store. It makes no engine.
func Open(ctx context.Context, o Options) (*remote.Store, error) {
	fail := func(err error) (*remote.Store, error) {
		return nil, &vaultstore.Error{Op: "open openbao vault", Err: err}
	}
	client, err := newClient(o)
	if err != nil {
		return fail(err)
	}
	e := &engine{
		login: &login{client: client, auth: o.Auth, fresh: func() (*api.Client, error) { return newClient(o) }}, soft: o.SoftDelete,
		mount: orElse(o.Mount, "secret"), prefix: orElse(o.Prefix, "sallyport"),
	}
	if err := e.login.ensure(ctx); err != nil {
		return fail(err)
	}
	s, err := remote.New(ctx, e, remote.Options{
		Name: "openbao", MaxValue: MaxValueBytes, MaxItem: maxItemBytes,
		Keys: o.Keys, CompareSwap: true, Passwords: o.Passwords,
	})
	if err != nil {
		return fail(err)
	}
	return s, nil
}

// newClient takes nothing from the environment but what o says.
func newClient(o Options) (*api.Client, error) {
	u, err := url.Parse(o.Address)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%w: the address is not https://HOST:PORT", vaultstore.ErrInvalid)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && (u.Scheme != "http" || ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%w: %s is neither https nor on this machine", vaultstore.ErrInvalid, u.Host)
	}
	config := api.DefaultConfig()
	if config.Error != nil {
		return nil, config.Error
	}
	config.Address, config.Timeout = o.Address, 30*time.Second
	if o.Timeout > 0 {
		config.Timeout = o.Timeout
	}
	config.MaxRetries = 2
	config.DisableRedirects = true // a token follows no redirect
	err = config.ConfigureTLS(&api.TLSConfig{
		CACert: o.TLS.CACert, ClientCert: o.TLS.ClientCert, ClientKey: o.TLS.ClientKey, TLSServerName: o.TLS.ServerName,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: TLS: %w", vaultstore.ErrInvalid, err)
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	client.ClearToken()
	client.ClearNamespace()
	if o.Namespace != "" {
		client.SetNamespace(o.Namespace)
	}
	return client, nil
}

func orElse(s, other string) string {
	if s = strings.Trim(s, "/"); s == "" {
		return other
	}
	return s
}

// explain words what a person can do about an error of the server's. Its own
// text is left out: it may quote what was sent.
func explain(err error) error {
	var response *api.ResponseError
	if !errors.As(err, &response) {
		var network *url.Error
		if errors.As(err, &network) {
			err = network.Err // without the address, which is known
		}
		return fmt.Errorf("the server does not answer: %w", err)
	}
	switch response.StatusCode {
	case http.StatusForbidden:
		return errors.New("the server refuses (403): the token is not valid, or its policy does not allow this path")
	case http.StatusServiceUnavailable:
		return errors.New("the server is sealed or not ready (503); it has to be unsealed by whoever runs it")
	case http.StatusNotFound:
		return errors.New("the server has nothing there (404): is it a KV v2 engine, and is its mount right?")
	case http.StatusTooManyRequests:
		return errors.New("the server asks for fewer requests (429); try again later")
	}
	return fmt.Errorf("the server answers %d", response.StatusCode)
}
