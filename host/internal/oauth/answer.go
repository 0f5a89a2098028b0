package oauth

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/internal/strictjson"
	"github.com/sallyport-host/sallyport/vaultstore"
)

// maxAnswerDepth is enough for what servers add beside the standard's members.
const maxAnswerDepth = 16

func readObject(body []byte) (map[string]any, bool) {
	v, err := strictjson.Parse(body, strictjson.Limits{MaxBytes: MaxAnswerBytes, MaxDepth: maxAnswerDepth})
	object, ok := v.(map[string]any)
	return object, err == nil && ok
}

// readErrorCode returns the code of an error answer (RFC 6749 section 5.2),
// "" when there is none.
func readErrorCode(body []byte) string {
	object, _ := readObject(body)
	code, _ := object["error"].(string)
	return code
}

// readTokens reads a token answer (RFC 6749 section 5.1). Members that are
// not known are ignored, as the standard demands.
func readTokens(body []byte, began time.Time) (Tokens, error) {
	object, ok := readObject(body)
	if !ok {
		return Tokens{}, badAnswer("it is not JSON with one reading")
	}
	if code, _ := object["error"].(string); code != "" && object["access_token"] == nil {
		return Tokens{}, codeError(code) // some servers refuse with status 200
	}
	t := Tokens{ObtainedAt: began}
	if kind, there := object["token_type"]; there {
		if text, _ := kind.(string); !strings.EqualFold(text, "bearer") {
			return Tokens{}, badAnswer("its token is of another type than bearer")
		}
	}
	if t.Access, ok = readToken(object["access_token"]); !ok {
		return Tokens{}, badAnswer("it has no access token that can be sent")
	}
	if refresh := object["refresh_token"]; refresh != nil && refresh != "" {
		if t.Refresh, ok = readToken(refresh); !ok {
			return Tokens{}, badAnswer("its refresh token cannot be sent")
		}
	}
	lifetime, ok := readSeconds(object["expires_in"])
	if !ok {
		return Tokens{}, badAnswer("its expires_in is not a number of seconds")
	}
	if lifetime > 0 {
		t.ExpiresAt = began.Add(lifetime)
	}
	if t.Scopes, ok = readScopes(object["scope"]); !ok {
		return Tokens{}, badAnswer("its scope is not a list of words")
	}
	return t, nil
}

// readToken takes visible ASCII and spaces (RFC 6749 appendix A.12).
func readToken(v any) (vaultstore.Secret, bool) {
	s, _ := v.(string)
	if s == "" || len(s) > MaxTokenBytes || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return vaultstore.Secret{}, false
	}
	return vaultstore.NewSecret([]byte(s)), true
}

// readSeconds reads a lifetime: a number, or a text of one as some servers
// write it. Absent, null and 0 say nothing, which is 0.
func readSeconds(v any) (time.Duration, bool) {
	text := ""
	switch v := v.(type) {
	case nil:
		return 0, true
	case json.Number:
		text = string(v)
	case string:
		text = v
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || seconds < 0 {
		return 0, false
	}
	if seconds > MaxLifetime.Seconds() {
		return MaxLifetime, true
	}
	return time.Duration(seconds) * time.Second, true
}

// readScopes reads words with spaces between; some servers write commas, or
// a list.
func readScopes(v any) ([]string, bool) {
	var scopes []string
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		scopes = strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' })
	case []any:
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				return nil, false
			}
			scopes = append(scopes, s)
		}
	default:
		return nil, false
	}
	return scopes, len(scopes) <= MaxScopes
}
