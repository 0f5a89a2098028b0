package main

import (
	"errors"

	"github.com/sallyport-host/sallyport/internal/app"
	"github.com/sallyport-host/sallyport/sinks/sqlite"
)

// sinks are what --out can name beside a file.
func sinks() map[string]app.OpenSink {
	return map[string]app.OpenSink{"sqlite": openSQLite}
}

func openSQLite(path string) (app.OutSink, error) {
	s, err := sqlite.Open(path)
	switch {
	case errors.Is(err, sqlite.ErrForeign), errors.Is(err, sqlite.ErrNewer):
		return nil, app.UsageError("--out sqlite: %w", err)
	case err != nil:
		return nil, err
	}
	return s, nil
}
