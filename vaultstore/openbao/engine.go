package openbao

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/openbao/openbao/api/v2"

	"github.com/sallyport-host/sallyport/vaultstore"
	"github.com/sallyport-host/sallyport/vaultstore/remote"
)

// readers is how many items a listing reads at once.
const readers = 8

// field is the one member of an item's data.
const field = "sealed"

// engine is a KV v2 engine.
type engine struct {
	login         *login
	mount, prefix string
	soft          bool
}

var _ remote.Items = (*engine)(nil)

func (e *engine) kv(ctx context.Context) (*api.KVv2, error) {
	if err := e.login.ensure(ctx); err != nil {
		return nil, err
	}
	return e.login.client.KVv2(e.mount), nil
}

func (e *engine) path(shelf, name string) string { return e.prefix + "/" + shelf + "/" + name }

// Read implements remote.Items.
func (e *engine) Read(ctx context.Context, shelf, name string) (remote.Item, error) {
	kv, err := e.kv(ctx)
	if err != nil {
		return remote.Item{}, err
	}
	secret, err := kv.Get(ctx, e.path(shelf, name))
	switch {
	case errors.Is(err, api.ErrSecretNotFound):
		return e.absent(ctx, kv, shelf, name)
	case err != nil:
		return remote.Item{}, explain(err)
	case secret.VersionMetadata == nil:
		return remote.Item{}, fmt.Errorf("%w: the engine is not KV v2", vaultstore.ErrInvalid)
	}
	item := remote.Item{Name: name, Revision: uint64(secret.VersionMetadata.Version)}
	if secret.Data == nil {
		return item, takenAway(item.Revision)
	}
	text, _ := secret.Data[field].(string)
	if item.Data, err = base64.StdEncoding.DecodeString(text); err != nil {
		item.Data = nil // the seal will say that it is none of ours
	}
	return item, nil
}

// absent tells an item that never was from one whose newest version somebody
// deleted.
func (e *engine) absent(ctx context.Context, kv *api.KVv2, shelf, name string) (remote.Item, error) {
	meta, err := kv.GetMetadata(ctx, e.path(shelf, name))
	switch {
	case errors.Is(err, api.ErrSecretNotFound):
		return remote.Item{}, vaultstore.ErrNotFound
	case err != nil:
		return remote.Item{}, explain(err)
	case meta.CurrentVersion == 0:
		return remote.Item{}, vaultstore.ErrNotFound
	}
	newest := meta.Versions[strconv.Itoa(meta.CurrentVersion)]
	if !newest.Destroyed && newest.DeletionTime.IsZero() {
		return e.Read(ctx, shelf, name) // another writer made it between the two
	}
	revision := uint64(meta.CurrentVersion)
	return remote.Item{Name: name, Revision: revision}, takenAway(revision)
}

func takenAway(revision uint64) error {
	return fmt.Errorf("%w: version %d was deleted at the server by someone else; undelete it there, or delete the credential here", vaultstore.ErrMissing, revision)
}

// Write implements remote.Items.
func (e *engine) Write(ctx context.Context, shelf, name string, data []byte, revision uint64) error {
	kv, err := e.kv(ctx)
	if err != nil {
		return err
	}
	body := map[string]any{field: base64.StdEncoding.EncodeToString(data)}
	_, err = kv.Put(ctx, e.path(shelf, name), body, api.WithCheckAndSet(int(revision)))
	var response *api.ResponseError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &response) || response.StatusCode >= 500 && response.StatusCode != http.StatusServiceUnavailable:
		return fmt.Errorf("%w: %w", vaultstore.ErrUnknownOutcome, explain(err))
	case response.StatusCode == http.StatusBadRequest && strings.Contains(strings.Join(response.Errors, " "), "check-and-set"):
		return vaultstore.ErrConflict
	}
	return explain(err)
}

// Forget implements remote.Items.
func (e *engine) Forget(ctx context.Context, shelf, name string, revision uint64) error {
	kv, err := e.kv(ctx)
	if err != nil {
		return err
	}
	meta, err := kv.GetMetadata(ctx, e.path(shelf, name))
	if err != nil {
		return explain(err)
	}
	var old []int
	for _, v := range meta.Versions {
		if uint64(v.Version) < revision && !v.Destroyed {
			old = append(old, v.Version)
		}
	}
	if len(old) == 0 {
		return nil
	}
	if e.soft {
		err = kv.DeleteVersions(ctx, e.path(shelf, name), old)
	} else {
		err = kv.Destroy(ctx, e.path(shelf, name), old)
	}
	if err != nil {
		return explain(err)
	}
	return nil
}

// All implements remote.Items.
func (e *engine) All(ctx context.Context, shelf string) ([]remote.Item, error) {
	if err := e.login.ensure(ctx); err != nil {
		return nil, err
	}
	list, err := e.login.client.Logical().ListWithContext(ctx, e.mount+"/metadata/"+e.prefix+"/"+shelf)
	if err != nil {
		return nil, explain(err)
	}
	if list == nil {
		return nil, nil
	}
	keys, _ := list.Data["keys"].([]any)
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		items []remote.Item
		first error
		slots = make(chan struct{}, readers)
	)
	for _, key := range keys {
		name, _ := key.(string)
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			item, err := e.Read(ctx, shelf, name)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				items = append(items, item)
			case first == nil && !errors.Is(err, vaultstore.ErrNotFound):
				first = err
			}
		})
	}
	wg.Wait()
	return items, first
}

// Close implements remote.Items.
func (e *engine) Close() error {
	e.login.client.ClearToken()
	return nil
}
