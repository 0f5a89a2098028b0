package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-host/sallyport/internal/app"
	"github.com/sallyport-host/sallyport/internal/chromium"
)

// readProfile is how vault import reads a browser's profile.
func readProfile(ctx context.Context, dir string) (app.Profile, error) {
	c, err := chromium.Read(ctx, dir)
	if errors.Is(err, chromium.ErrNoProfile) || errors.Is(err, chromium.ErrDatabase) {
		return app.Profile{}, app.UsageError("import %s: %w", dir, err)
	}
	var unread []string
	for _, why := range slices.Sorted(maps.Keys(c.Unread)) {
		unread = append(unread, fmt.Sprintf("%d %s", c.Unread[why], why))
	}
	p := app.Profile{State: c.State}
	if len(unread) > 0 {
		p.Unread = "not readable: " + strings.Join(unread, ", ") + "; log in from the connector's own browser instead"
	}
	return p, err
}
