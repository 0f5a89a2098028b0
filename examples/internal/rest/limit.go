package rest

import (
	"strconv"
	"time"

	sallyport "github.com/sallyport-host/sallyport/guest-sdk/go"
)

// Limit is a rate that is used up.
type Limit struct {
	Until time.Time // when there will be some again; zero when the source does not say
}

// TooMany reads a 429 and Retry-After (RFC 9110, section 10.2.3), as most
// sources have them. What the host could wait for, it has waited for already.
func TooMany(resp *sallyport.Response) (Limit, bool) {
	if resp.StatusCode != 429 {
		return Limit{}, false
	}
	return Limit{RetryAfter(resp.Header)}, true
}

// RetryAfter returns the time that Retry-After says, zero when it says none.
func RetryAfter(h sallyport.Header) time.Time {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Now().Add(time.Duration(seconds) * time.Second)
	}
	if at, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", text); err == nil {
		return at
	}
	return time.Time{}
}

// failure ends the run: it is for the runtime to come back.
func (l Limit) failure(source string, cause error) error {
	message := source + ": the rate limit is used up"
	if !l.Until.IsZero() {
		message += " until " + l.Until.UTC().Format(time.RFC3339)
	}
	return &sallyport.Failure{Message: message, Retryable: true, Recovery: sallyport.RetryByRuntime, Err: limited{cause}}
}

// limited makes a refusal one for the rate, whatever its status was.
type limited struct{ cause error }

func (l limited) Error() string {
	if l.cause == nil {
		return sallyport.ErrRateLimited.Error()
	}
	return l.cause.Error()
}
func (l limited) Unwrap() error { return sallyport.ErrRateLimited }
