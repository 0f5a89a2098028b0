// Package host runs connectors: untrusted WebAssembly guests that may use an
// owner's credentials and never hold them.
//
// # Promise
//
// A guest reaches nothing but what its manifest declares, its role allows and
// the owner's approval covers. It has no environment, no files and no
// sockets. Where it needs a secret it holds a surrogate, and the host puts the
// value in on the way out, only where the approval says. What is refused is
// refused by default, audited before it takes effect, and told to the owner
// with its reason and remedy; the guest learns no more than a status.
//
// # Limits
//
// A source that gets a secret can do with it what it likes. A guest can waste
// the time and memory it is given. Whoever runs code as the host's own user,
// or can write to its compile cache, is on this side of the wall.
//
// # Concurrency
//
// A [Host], and what [Host.Load] returns, are safe for concurrent use, and
// many runs may go on at once. Two hosts in one process share nothing.
package host

import "errors"

// The errors a caller can act on. What is returned wraps one of them.
var (
	ErrDeclined   = errors.New("the owner declined")
	ErrUnattended = errors.New("nobody is there to answer")
)
