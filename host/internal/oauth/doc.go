// Package oauth obtains and renews OAuth 2.0 tokens on the host, so that
// neither an access token nor a refresh token is ever a connector's.
//
// # Promise
//
// A refresh token is spent once: [Renewals.Renew] has one refresh under way
// for a credential, however many goroutines and processes want one, and
// returns only when what the source gave is durable. Rotating refresh tokens
// (RFC 9700 section 4.14.2) are therefore not lost, save in the one window
// that no client can close: between the source's answer and its durable
// write. That window holds one write and nothing else, no cancellation
// reaches into it, and a mark made before it lets the next process say what
// happened.
//
// No error holds a token, a code, a client's secret, a URL, or a word of the
// source's own: what an endpoint says beyond the codes of RFC 6749 and RFC
// 8628 is not passed on. Answers are read strictly and within bounds, and no
// redirect is followed. Secrets are vaultstore.Secret, which prints as
// "[redacted]".
//
// # Limits
//
// Whom a transport may reach, and that the calls of a manifest are approved,
// is decided by the caller: every request goes through the [Client]'s
// RoundTripper. The loopback redirect (RFC 8252 section 7.3) trusts whoever
// holds the owner's browser. What is stored, and where, is the caller's.
//
// The package golang.org/x/oauth2 was not taken: its errors carry the body of
// the answer, it has no answer to a lost rotation, and its source of tokens
// is not shared by processes.
//
// # Concurrency
//
// Everything is safe for concurrent use.
package oauth

import "time"

// The bounds of what an authorization server may say.
const (
	MaxAnswerBytes = 128 << 10 // of a token answer
	MaxTokenBytes  = 64 << 10  // of one token
	MaxCodeBytes   = 8 << 10   // of an authorization code
	MaxURLBytes    = 8 << 10   // of an address shown to the owner
	MaxUserCode    = 64        // characters of a user code
	MaxScopes      = 256       // in an answer

	// MaxLifetime is what a longer expires_in is read as.
	MaxLifetime = 10 * 365 * 24 * time.Hour
	// MaxRetryAfter is what a longer Retry-After is read as.
	MaxRetryAfter = 24 * time.Hour
)

// The times that a call takes at most.
const (
	// RequestTimeout bounds one request to an endpoint, its answer included.
	RequestTimeout = 30 * time.Second
	// AuthorizeTimeout bounds the owner's way through the browser.
	AuthorizeTimeout = 10 * time.Minute
	// MaxDeviceTime bounds the owner's way through another device; what the
	// source allows may be shorter.
	MaxDeviceTime = 30 * time.Minute
)
