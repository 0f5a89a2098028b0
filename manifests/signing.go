package manifests

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/sallyport-host/sallyport/internal/strictjson"
)

// The algorithms of a [SignTemplate].
const (
	AlgHMACSHA1   = "HMAC-SHA1"
	AlgHMACSHA256 = "HMAC-SHA256"
	AlgHMACSHA512 = "HMAC-SHA512"
	AlgRS256      = "RS256"            // RFC 7518 section 3.3
	AlgES256      = "ES256"            // RFC 7518 section 3.4
	AlgEdDSA      = "EdDSA"            // RFC 8037, with Ed25519
	AlgAWS4       = "AWS4-HMAC-SHA256" // AWS Signature Version 4
)

// The bounds of signing.
const (
	MaxSignTemplates = 16             // on one credential
	MaxMACBytes      = 1 << 20        // that max_bytes may allow
	DefaultMACBytes  = 64 << 10       // where max_bytes is left out
	MaxTokenLifetime = 24 * time.Hour // of a JWT
	MaxTokenBackdate = 5 * time.Minute
	MaxHoleBytes     = 1024     // that a hole's max_length may allow
	DefaultHoleBytes = 256      // where max_length is left out
	MaxHolesBytes    = 64 << 10 // of the JSON that fills a template's holes
)

// ErrSignData is wrapped where what the connector gave does not fit the
// template. The error names the hole and the rule, never the text.
var ErrSignData = errors.New("the data does not fit the template")

// SignTemplate is one way in which the host signs with a credential: its
// value is the key. Exactly one of MAC, JWT and AWS is there. A template of a
// [Bound] has no options left in it, and only such a one signs.
type SignTemplate struct {
	Name string
	Alg  string // one of the Alg constants
	MAC  *MACTemplate
	JWT  *JWTTemplate
	AWS  *AWSTemplate
}

// MACTemplate computes a message authentication code over whatever the
// connector gives (RFC 2104).
type MACTemplate struct {
	Encoding    string // of the code: "hex", "base64" or "base64url", without padding
	KeyEncoding string // of the value: "text" (its bytes are the key), "hex" or "base64"
	MaxBytes    int    // of the data
}

// AWSTemplate signs the requests that the host sends.
type AWSTemplate struct {
	Region       string
	Service      string // "s3"
	AccessKeyID  string // the name of an identity or of a credential
	SessionToken string // the name of a credential, "" when there is none
	region       signText
}

// JWTTemplate makes a token (RFC 7519) of which the manifest says all but
// what it leaves open by name.
type JWTTemplate struct {
	Lifetime time.Duration
	Backdate time.Duration // how long before now the token says it was made
	header   map[string]signValue
	claims   map[string]signValue
	holes    map[string]Hole
}

// Hole is a claim that the connector fills in, with a text.
type Hole struct {
	Pattern  string // RE2, of the whole text
	MaxBytes int
	Optional bool // the claim is left out when the connector says nothing
	whole    *regexp.Regexp
}

// Holes returns the claims that the connector fills in.
func (t *JWTTemplate) Holes() map[string]Hole { return maps.Clone(t.holes) }

// Render returns the token's header, without alg, and its claims, ready for
// encoding/json. data is what the connector gave: a JSON object with a text
// for each hole, or nothing. nonce takes the place of ${random}: pass a fresh
// one of at least 128 random bits. Its errors wrap [ErrSignData].
func (t *JWTTemplate) Render(now time.Time, nonce string, data []byte) (header, claims map[string]any, err error) {
	filled, err := t.fill(data)
	if err != nil {
		return nil, nil, err
	}
	made := now.Add(-t.Backdate).Unix()
	v := signValues{now: made, exp: made + int64(t.Lifetime/time.Second), random: nonce}
	header, claims = map[string]any{"typ": "JWT"}, map[string]any{}
	for name, value := range t.header {
		header[name] = value.render(v)
	}
	for name, value := range t.claims {
		claims[name] = value.render(v)
	}
	for name, text := range filled {
		claims[name] = text
	}
	return header, claims, nil
}

// fill reads the connector's texts, each held to its hole.
func (t *JWTTemplate) fill(data []byte) (map[string]string, error) {
	given := map[string]any{}
	if len(data) > 0 {
		v, err := strictjson.Parse(data, strictjson.Limits{MaxBytes: MaxHolesBytes, MaxDepth: 1})
		members, ok := v.(map[string]any)
		if err != nil || !ok {
			return nil, signDataError("it is not a JSON object with a text for each claim")
		}
		given = members
	}
	filled := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		hole, ok := t.holes[name]
		if !ok {
			return nil, signDataError("it fills a claim that the template does not leave open")
		}
		text, ok := given[name].(string)
		if !ok || len(text) > hole.MaxBytes || !hole.whole.MatchString(text) {
			return nil, signDataError("the text for the claim " + quoted(name) + " is not what its pattern and max_length allow")
		}
		filled[name] = text
	}
	for _, name := range slices.Sorted(maps.Keys(t.holes)) {
		if _, ok := filled[name]; !ok && !t.holes[name].Optional {
			return nil, signDataError("the claim " + quoted(name) + " is not filled in")
		}
	}
	return filled, nil
}

type signDataError string

func (e signDataError) Error() string        { return string(e) }
func (e signDataError) Is(target error) bool { return target == ErrSignData }

// SignNames returns the names of the credential's templates, ordered.
func (c *Credential) SignNames() []string { return slices.Sorted(maps.Keys(c.Sign)) }

// Describe says in one line what the template lets the connector have signed,
// for an owner to read. What the author wrote stands in quotes, and is cut.
func (t SignTemplate) Describe() string {
	by := "by " + quoted(t.Name) + " Sallyport "
	switch {
	case t.MAC != nil:
		return by + fmt.Sprintf("signs whatever the connector gives it, up to %d bytes (%s)", t.MAC.MaxBytes, t.Alg)
	case t.AWS != nil:
		return by + "signs requests to the AWS service " + quoted(t.AWS.Service) + " in " + quoted(t.AWS.Region) + " (" + t.Alg + ")"
	case t.JWT != nil:
		return by + "signs a token that is good for " + durationWords(t.JWT.Lifetime) + " (" + t.Alg + "), " + t.JWT.describe()
	}
	return by + "signs nothing"
}

func (t *JWTTemplate) describe() string {
	var said, open []string
	for _, name := range slices.Sorted(maps.Keys(t.claims)) {
		if v := t.claims[name]; !v.moves() {
			said = append(said, quoted(name)+" "+quoted(v.String()))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.holes)) {
		open = append(open, quoted(name))
	}
	line := "that says " + join(said, "and")
	if len(said) == 0 {
		line = "that says nothing of its own"
	}
	if len(open) > 0 {
		line += "; the connector chooses " + join(open, "and")
	}
	return line
}

// Pin names all that the template allows: two templates with the same pin
// sign the same things. An approval that keeps it notices every change, also
// of what [SignTemplate.Describe] cuts. It has no stable form across versions
// of this package; one that differs needs a new approval.
func (t SignTemplate) Pin() string {
	view := map[string]any{"name": t.Name, "alg": t.Alg}
	switch {
	case t.MAC != nil:
		view["mac"] = *t.MAC
	case t.AWS != nil:
		view["aws"] = *t.AWS
	case t.JWT != nil:
		view["jwt"] = map[string]any{
			"lifetime": t.JWT.Lifetime, "backdate": t.JWT.Backdate, "holes": t.JWT.holes,
			"header": pinned(t.JWT.header), "claims": pinned(t.JWT.claims),
		}
	}
	text, err := json.Marshal(view)
	if err != nil {
		return "" // unreachable: texts, numbers and flags
	}
	sum := sha256.Sum256(text)
	return t.Name + " " + t.Alg + " sha256:" + hex.EncodeToString(sum[:])
}

func pinned(values map[string]signValue) map[string]any {
	out := map[string]any{}
	for name, v := range values {
		out[name] = v.pin()
	}
	return out
}

// durationWords writes a duration of whole seconds.
func durationWords(d time.Duration) string {
	unit, name := time.Second, "second"
	switch {
	case d%time.Hour == 0:
		unit, name = time.Hour, "hour"
	case d%time.Minute == 0:
		unit, name = time.Minute, "minute"
	}
	if d == unit {
		return "one " + name
	}
	return fmt.Sprintf("%d %ss", d/unit, name)
}
