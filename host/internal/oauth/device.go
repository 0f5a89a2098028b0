package oauth

import (
	"context"
	"errors"
	"io"
	"log"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// The pace of polling, by RFC 8628 sections 3.2 and 3.5.
const (
	defaultInterval = 5 * time.Second
	slowerBy        = 5 * time.Second
	minInterval     = time.Second
	maxInterval     = 5 * time.Minute
)

// deviceAnswer is what a device authorization endpoint says.
type deviceAnswer struct {
	deviceCode      string
	userCode        string
	verificationURI string
	expires         time.Time
	interval        time.Duration
}

// Device has the owner authorize the client on another device (RFC 8628): it
// calls show with the code that the owner types in and the address where,
// and asks the source until the owner has answered. It keeps to the pace that
// the source sets. show is to return soon.
func (c *Client) Device(ctx context.Context, p Provider, show func(userCode, verificationURI string)) (Tokens, error) {
	form := url.Values{}
	if len(p.Scopes) > 0 {
		form.Set("scope", strings.Join(p.Scopes, " "))
	}
	began := c.now()
	body, err := c.post(ctx, p, p.DeviceAuthorizationURL, form)
	if err != nil {
		return Tokens{}, err
	}
	d, err := readDevice(body, began)
	if err != nil {
		return Tokens{}, err
	}
	show(d.userCode, d.verificationURI)
	return c.poll(ctx, p, d)
}

// poll asks for the tokens at the source's pace until there is an answer.
func (c *Client) poll(ctx context.Context, p Provider, d deviceAnswer) (Tokens, error) {
	for {
		if !c.now().Add(d.interval).Before(d.expires) {
			return Tokens{}, ErrExpired
		}
		if err := c.sleep(ctx, d.interval); err != nil {
			return Tokens{}, err
		}
		t, err := noRefresh(c.token(ctx, p, url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {d.deviceCode},
		}))
		if err == nil || !d.goOn(err) || ctx.Err() != nil {
			return t, err
		}
	}
}

// goOn reports whether an answer means that the owner has not answered yet,
// and sets the pace of what follows.
func (d *deviceAnswer) goOn(err error) bool {
	var code *CodeError
	var retry *RetryError
	switch {
	case errors.As(err, &code) && code.Code == codePending:
	case errors.As(err, &code) && code.Code == codeSlowDown:
		d.interval += slowerBy
	case errors.As(err, &retry): // RFC 8628 section 3.5 wants the pace halved
		d.interval = max(2*d.interval, retry.After)
	default:
		return false
	}
	d.interval = min(d.interval, maxInterval)
	return true
}

func readDevice(body []byte, began time.Time) (deviceAnswer, error) {
	object, ok := readObject(body)
	if !ok {
		return deviceAnswer{}, badAnswer("it is not JSON with one reading")
	}
	if code, _ := object["error"].(string); code != "" && object["device_code"] == nil {
		return deviceAnswer{}, codeError(code)
	}
	d := deviceAnswer{interval: defaultInterval}
	d.deviceCode, _ = object["device_code"].(string)
	d.userCode, _ = object["user_code"].(string)
	d.verificationURI, _ = object["verification_uri"].(string)
	if d.verificationURI == "" { // Google's name for it
		d.verificationURI, _ = object["verification_url"].(string)
	}
	lifetime, ok1 := readSeconds(object["expires_in"])
	interval, ok2 := readSeconds(object["interval"])
	switch {
	case d.deviceCode == "" || len(d.deviceCode) > MaxCodeBytes:
		return d, badAnswer("it has no device code")
	case !isUserCode(d.userCode):
		return d, badAnswer("it has no user code that can be shown")
	case !isShownURL(d.verificationURI):
		return d, badAnswer("it has no https address that can be shown")
	case !ok1 || !ok2 || lifetime == 0:
		return d, badAnswer("it does not say for how long it is good")
	}
	d.expires = began.Add(min(lifetime, MaxDeviceTime))
	if interval > 0 {
		d.interval = min(max(interval, minInterval), maxInterval)
	}
	return d, nil
}

// isUserCode reports whether s is a code that shows as it is, on one line.
func isUserCode(s string) bool {
	return s != "" && len(s) <= MaxUserCode && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// isShownURL reports whether s is an address that an owner can be sent to: it
// is written in visible ASCII, so that it is no other than it looks.
func isShownURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && len(s) <= MaxURLBytes &&
		!strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' || r == 0x7f })
}

// discardLog keeps what strangers send to the loopback server out of stderr.
func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
