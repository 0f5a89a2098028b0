//go:build !wasip1

package main

import (
	"context"
	"errors"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

func socket(context.Context, *sallyport.Run) (string, error) { return "", errors.ErrUnsupported }
