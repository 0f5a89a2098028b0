package signing

import (
	"crypto/hmac"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The bounds of a one-time code.
const (
	MaxTOTPBytes  = 4 << 10 // of the stored text
	MaxTOTPKey    = 256     // bytes of the secret in it
	MaxTOTPPeriod = 10 * time.Minute
)

// What holds where the stored value does not say (RFC 6238 section 4, and
// what every authenticator assumes).
const (
	defaultDigits = 6
	defaultPeriod = 30 * time.Second
)

// totpSecret is a stored value that was read.
type totpSecret struct {
	key    []byte
	hash   string
	digits int
	period time.Duration
}

// TOTP returns the one-time code (RFC 6238) of now and when it ends. The
// value is an otpauth://totp/ address, as a QR code has it, or the base32
// secret alone, in any case, with spaces, dashes or padding as sites print it.
// The error is a [*KeyError].
func TOTP(value []byte, now time.Time) (code string, ends time.Time, err error) {
	s, err := parseTOTP(value)
	if err != nil {
		return "", time.Time{}, err
	}
	seconds := int64(s.period / time.Second)
	if now.Unix() < 0 {
		return "", time.Time{}, fmt.Errorf("%w: the clock is before 1970", ErrUse)
	}
	step := now.Unix() / seconds
	code, err = hotp(s, uint64(step))
	return code, time.Unix((step+1)*seconds, 0).UTC(), err
}

// hotp is RFC 4226 section 5.3.
func hotp(s totpSecret, counter uint64) (string, error) {
	sum, err := newHash(s.hash)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sum, s.key)
	var message [8]byte
	binary.BigEndian.PutUint64(message[:], counter)
	mac.Write(message[:])
	digest := mac.Sum(nil)
	offset := digest[len(digest)-1] & 0x0f
	number := binary.BigEndian.Uint32(digest[offset:]) & 0x7fffffff
	modulus := uint32(1)
	for range s.digits {
		modulus *= 10
	}
	return fmt.Sprintf("%0*d", s.digits, number%modulus), nil
}

func parseTOTP(value []byte) (totpSecret, error) {
	s := totpSecret{hash: "SHA1", digits: defaultDigits, period: defaultPeriod}
	text := string(trimmed(value))
	if len(text) > MaxTOTPBytes {
		return s, badKey(fmt.Sprintf("it has more than %d bytes", MaxTOTPBytes))
	}
	if len(text) >= len("otpauth:") && strings.EqualFold(text[:len("otpauth:")], "otpauth:") {
		return s.fromURI(text)
	}
	return s.withKey(text)
}

// fromURI reads the address that authenticators exchange. What it may say
// beside (issuer, label, image) changes no code.
func (s totpSecret) fromURI(text string) (totpSecret, error) {
	u, err := url.Parse(text)
	if err != nil || !strings.EqualFold(u.Host, "totp") {
		return s, badKey("it is not an otpauth://totp/ address; a code that counts (hotp) cannot be computed here")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return s, badKey("its otpauth address cannot be read; store it as the QR code has it")
	}
	for name, values := range query {
		if len(values) != 1 {
			return s, badKey("its otpauth address says something twice")
		}
		if s, err = s.with(name, values[0]); err != nil {
			return s, err
		}
	}
	return s.withKey(query.Get("secret"))
}

func (s totpSecret) with(name, value string) (totpSecret, error) {
	switch strings.ToLower(name) {
	case "algorithm":
		s.hash = strings.ReplaceAll(strings.TrimPrefix(strings.ToUpper(value), "HMAC"), "-", "")
		if _, err := newHash(s.hash); err != nil {
			return s, badKey("its algorithm is none of SHA1, SHA256 and SHA512")
		}
	case "digits":
		n, err := strconv.Atoi(value)
		if err != nil || n < 6 || n > 8 {
			return s, badKey("it wants another number of digits than 6 to 8")
		}
		s.digits = n
	case "period":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > int(MaxTOTPPeriod/time.Second) {
			return s, badKey(fmt.Sprintf("its period is not 1 to %d seconds", MaxTOTPPeriod/time.Second))
		}
		s.period = time.Duration(n) * time.Second
	}
	return s, nil
}

func (s totpSecret) withKey(text string) (totpSecret, error) {
	text = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(text))
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(text, "="))
	switch {
	case err != nil || strings.ContainsAny(text, "\r\n"):
		return s, badKey("it is neither an otpauth://totp/ address nor a base32 secret (letters and the digits 2 to 7)")
	case len(key) == 0:
		return s, badKey("there is no secret in it")
	case len(key) > MaxTOTPKey:
		return s, badKey(fmt.Sprintf("its secret has more than %d bytes", MaxTOTPKey))
	}
	s.key = key
	return s, nil
}
