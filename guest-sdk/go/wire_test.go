package sallyport

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

// jsonReady is firstReady by encoding/json alone.
func jsonReady(raw []byte) (wireReady, error) {
	var all []wireReady
	if err := json.Unmarshal(raw, &all); err != nil || len(all) == 0 {
		return wireReady{}, err
	}
	return all[0], nil
}

// As hosts write them.
const (
	plainHead = `[{"handle":64,"state":"head","status":200,"headers":[["Content-Type","application/json"],["Date","x"]]}]`
	plainErr  = `[{"handle":64,"state":"error","error":"unavailable"}]`
)

func FuzzFirstReady(f *testing.F) {
	for _, s := range []string{`[]`, plainHead, plainErr, `[{"handle":64,"state":"done","status":204}]`,
		`[{"handle":64,"state":"head","status":200,"headers":[["A","\"é\\"]]}]`,
		`[{"handle":1,"state":"body"},{"handle":2,"state":"done"}]`, `[ {"state":"head"} ]`, `null`, `[{"handle":64,"state":"head","headers":[]}]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, wantErr := jsonReady([]byte(text))
		if wantErr != nil || !utf8.ValidString(text) {
			return // no host writes it
		}
		got, err := firstReady([]byte(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if len(got.Headers) == 0 && len(want.Headers) == 0 {
			got.Headers, want.Headers = nil, nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q:\ngot  %+v\nwant %+v", text, got, want)
		}
	})
}

// TestPlainReady holds what hosts write to the way without encoding/json.
func TestPlainReady(t *testing.T) {
	for _, text := range []string{plainHead, plainErr} {
		if _, ok := plainReady(text); !ok {
			t.Errorf("left to encoding/json: %s", text)
		}
	}
}

func FuzzRequestHead(f *testing.F) {
	f.Add("GET", "https://example.com/?a=b", "Accept", "text/html", int64(0))
	f.Add("RE\"PORT", "https://example.com/\\<&>", "X-\x00", "é\xff\u2028", int64(1500))
	f.Fuzz(func(t *testing.T, method, url, name, value string, timeout int64) {
		type head struct {
			Method    string      `json:"method"`
			URL       string      `json:"url"`
			Headers   [][2]string `json:"headers,omitempty"`
			TimeoutMS int64       `json:"timeout_ms,omitempty"`
		}
		for n := range 3 {
			var headers [][2]string
			fields := Header{}
			for range n {
				headers = append(headers, [2]string{name, value})
				fields[name] = append(fields[name], value)
			}
			var got, want head
			whole, err := json.Marshal(head{method, url, headers, timeout})
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(whole, &want); err != nil {
				t.Fatal(err)
			}
			ours := appendHead(nil, method, url, fields, timeout)
			if err := json.Unmarshal(ours, &got); err != nil {
				t.Fatalf("%s: %v", ours, err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("got %+v, want %+v", got, want)
			}
		}
	})
}
