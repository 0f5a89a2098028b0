package capabilities

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-host/sallyport/abi"
	"github.com/sallyport-host/sallyport/manifests"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// The bounds of an approval's parts, in bytes and in number.
const (
	maxPart        = vaultstore.MaxPartBytes // of a scope, an id, a name
	maxText        = 4 << 10
	maxWhat        = 64 << 10 // of the words for a way to sign: 32 claims and 32 choices, each cut
	maxCredentials = 256
	maxRules       = 256 // of send_to, of capture, of egress, of methods, of paths
)

// validate checks what every approval must be, however it came about. Origins
// and paths are not parsed: one that makes no sense matches nothing.
func (a *Approval) validate() error {
	switch {
	case a.Version != ApprovalVersion:
		return malformedf("version is %d, not %d", a.Version, ApprovalVersion)
	case !validPart(a.ApprovalID):
		return malformedf("approval_id is empty, too long or not printable")
	case a.Serial == 0 || a.Serial > MaxSerial:
		return malformedf("serial is not in 1..%d", uint64(MaxSerial))
	case !a.Scope.complete():
		return malformedf("a part of the scope is empty, too long or not printable")
	case !validDigest(a.ManifestSHA256):
		return malformedf("manifest_sha256 is not 64 lower-case hex digits")
	case !a.Mode.Valid():
		return malformedf("mode is unknown")
	case a.ApprovedAt.IsZero():
		return malformedf("approved_at is not set")
	case !a.ExpiresAt.IsZero() && !a.ExpiresAt.After(a.ApprovedAt):
		return malformedf("expires_at is not after approved_at")
	case a.Options == nil:
		return malformedf("options are not set")
	}
	if err := a.validateModules(); err != nil {
		return err
	}
	return a.validateLists()
}

func (a *Approval) validateModules() error {
	if len(a.Modules) == 0 {
		return malformedf("no module is approved")
	}
	for role, digest := range a.Modules {
		if !role.Valid() || !validDigest(digest) {
			return malformedf("modules has an unknown role or a digest that is not 64 lower-case hex digits")
		}
	}
	return nil
}

func (a *Approval) validateLists() error {
	if a.Credentials == nil || a.Egress == nil || len(a.Credentials) > maxCredentials || len(a.Egress) > maxRules {
		return malformedf("credentials or egress is not set or too long")
	}
	names := map[string]bool{}
	for i := range a.Credentials {
		c := &a.Credentials[i]
		if names[c.Name] {
			return malformedf("credential %q stands there twice", brief(c.Name))
		}
		names[c.Name] = true
		if err := c.validate(); err != nil {
			return err
		}
	}
	if len(a.Streams) > maxRules || len(a.HostCalls) > maxRules {
		return malformedf("streams or host_calls is too long")
	}
	for _, s := range a.Streams {
		if s == "" || len(s) > maxText {
			return malformedf("a stream's name is empty or too long")
		}
	}
	for _, c := range a.HostCalls {
		if c.Origin == "" || max(len(c.Credential), len(c.Origin), len(c.Method), len(c.Path)) > maxText {
			return malformedf("a host call is incomplete or too long")
		}
	}
	for _, e := range a.Egress {
		if !validRule(e.Origin, e.Methods, e.Paths) {
			return malformedf("an egress rule is incomplete or too long")
		}
	}
	return nil
}

func (c *ApprovedCredential) validate() error {
	switch {
	case !validPart(c.Name):
		return malformedf("a credential's name is empty, too long or not printable")
	case !classed(c.Class, c.Identity):
		return malformedf("credential %q needs a class, or to be an identity", c.Name)
	case len(c.Access) == 0 || len(c.Access) > len(abi.Accesses()):
		return malformedf("credential %q has no access, or too many", c.Name)
	case c.SendTo == nil || len(c.SendTo) > maxRules || len(c.Capture) > maxRules:
		return malformedf("credential %q has no send_to, or too many rules", c.Name)
	}
	if err := c.validateSign(); err != nil {
		return err
	}
	for _, access := range c.Access {
		if !access.Valid() {
			return malformedf("credential %q has an unknown access", c.Name)
		}
	}
	for _, d := range c.SendTo {
		if _, err := manifests.ParsePosition(d.As); err != nil || !validRule(d.Origin, d.Methods, d.Paths) {
			return malformedf("credential %q has a send_to that is incomplete or too long", c.Name)
		}
	}
	for _, p := range c.Capture {
		if !validRule(p.Origin, p.Methods, p.Paths) || p.From == "" || len(p.From) > maxText {
			return malformedf("credential %q has a capture that is incomplete or too long", c.Name)
		}
	}
	return nil
}

// validateSign keeps a name from standing there twice: the owner has read one
// of the two.
func (c *ApprovedCredential) validateSign() error {
	if len(c.Sign) > manifests.MaxSignTemplates {
		return malformedf("credential %q has too many ways to sign", c.Name)
	}
	names := map[string]bool{}
	for _, s := range c.Sign {
		switch {
		case s.Name == "" || s.Pin == "" || s.What == "" || max(len(s.Name), len(s.Pin)) > maxText || len(s.What) > maxWhat:
			return malformedf("credential %q has a way to sign that is incomplete or too long", c.Name)
		case names[s.Name]:
			return malformedf("credential %q has the way to sign %q twice", c.Name, brief(s.Name))
		}
		names[s.Name] = true
	}
	return nil
}

func (r *Revocation) validate() error {
	switch {
	case r.Revokes != "" && !validPart(r.Revokes):
		return malformedf("revokes is too long or not printable")
	case !r.Scope.complete():
		return malformedf("a part of the scope is empty, too long or not printable")
	case r.Serial == 0 || r.Serial > MaxSerial:
		return malformedf("serial is not in 1..%d", uint64(MaxSerial))
	case r.At.IsZero():
		return malformedf("at is not set")
	case r.Strikes < 0:
		return malformedf("strikes is below 0")
	}
	return nil
}

func (u *Use) validate() error {
	switch {
	case !validPart(u.RunID):
		return malformedf("run_id is empty, too long or not printable")
	case !u.Scope.complete():
		return malformedf("a part of the scope is empty, too long or not printable")
	case u.Serial == 0 || u.Serial > MaxSerial:
		return malformedf("serial is not in 1..%d", uint64(MaxSerial))
	case u.At.IsZero():
		return malformedf("at is not set")
	}
	return nil
}

// complete reports whether every part of s can be one.
func (s Scope) complete() bool {
	return validPart(s.Owner) && validPart(s.Connector) && validPart(s.Instance) && validPart(s.Grant)
}

func validPart(s string) bool {
	if s == "" || len(s) > maxPart {
		return false
	}
	for i := range len(s) { // the common case, without decoding
		if c := s[i]; c < 0x20 || c >= 0x7f {
			return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
		}
	}
	return true
}

func validDigest(s string) bool {
	if len(s) != 64 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}

// validRule reports whether the parts of a rule are there and within bounds.
// Methods may be empty: package manifests says what that means.
func validRule(origin string, methods, paths []string) bool {
	if origin == "" || len(origin) > maxText || methods == nil || paths == nil {
		return false
	}
	if len(methods) > maxRules || len(paths) > maxRules {
		return false
	}
	for _, list := range [...][]string{methods, paths} {
		for _, s := range list {
			if s == "" || len(s) > maxText {
				return false
			}
		}
	}
	return true
}
