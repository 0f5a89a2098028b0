package host

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
)

// What is read by hand is read as strictjson reads it, or left to that.
func TestPlainHeadIsTheStrictOne(t *testing.T) {
	for text, plain := range map[string]bool{
		`{"method":"GET","url":"https://a.example/"}`: true,
		`{"method":"","url":""}`:                      true,
		`{"method":"GET","url":"https://a.example/","headers":[["A","b"],["C",""]],"timeout_ms":30000}`: true,
		`{"method":"GET","url":"https://a.example/","timeout_ms":0}`:                                    true,
		`{"method":"GET","url":"https://a.example/","timeout_ms":007}`:                                  false,
		`{"method":"GET","url":"https://a.example/","timeout_ms":-1}`:                                   false,
		`{"method":"GET","url":"https://a.example/","timeout_ms":1e3}`:                                  false,
		`{"method":"GET","url":"https://a.example/","timeout_ms":}`:                                     false,
		`{"method":"GET","url":"https://a.example/","timeout_ms":9223372036854775808}`:                  false,
		`{"method":"GET","url":"https://a.example/","url":"https://b.example/"}`:                        false,
		`{"method":"GET","url":"https://a.example/","headers":[["A","b"]],"headers":[["A","c"]]}`:       false,
		`{"method":"GET","url":"https://a.example/","headers":[]}`:                                      false,
		`{"method":"GET","url":"https://a.example/","headers":[["A"]]}`:                                 false,
		`{"method":"GET","url":"https://a.example/","headers":[["A","b","c"]]}`:                         false,
		`{"method":"GET","url":"https://a.example/","headers":[["A",1]]}`:                               false,
		`{"method":"GET","url":"https://a.example/\u002f"}`:                                             false,
		"{\"method\":\"GET\",\"url\":\"https://a.example/\x00\"}":                                       false,
		"{\"method\":\"GET\",\"url\":\"https://a.example/\xff\"}":                                       false,
		`{"method":"GET", "url":"https://a.example/"}`:                                                  false,
		`{"url":"https://a.example/","method":"GET"}`:                                                   false,
		`{"method":"GET","url":"https://a.example/"} `:                                                  false,
		`{"method":"GET","url":"https://a.example/"}{}`:                                                 false,
		`{"method":"GET","url":"https://a.example/","more":1}`:                                          false,
		`{"method":"GET","url":"https://a.example/`:                                                     false,
		`{"method":"GET"}`: false,
		``:                 false,
	} {
		sameHead(t, text)
		if _, ok := plainHead(text); ok != plain {
			t.Errorf("%q: plain %t", text, ok)
		}
	}
}

func sameHead(t *testing.T, text string) {
	t.Helper()
	got, ok := plainHead(text)
	if !ok {
		return
	}
	want, err := parseHead([]byte(text))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q: %+v, and strictly %+v, %v", text, got, want, err)
	}
}

func FuzzPlainHead(f *testing.F) {
	f.Add(`{"method":"GET","url":"https://a.example/","headers":[["A","b"],["C",""]],"timeout_ms":30000}`)
	f.Add(`{"method":"","url":"","headers":[["",""]],"timeout_ms":0}`)
	f.Fuzz(sameHead)
}

// What wait reports is what encoding/json would write.
func TestReadyIsJSON(t *testing.T) {
	for _, r := range []abi.Ready{
		{Handle: 64, State: abi.ReadyHead},
		{Handle: 1<<32 - 1, State: abi.ReadyBody, Status: 207, Headers: [][2]string{{"Etag", `"63"`}, {"X", `a\b`}, {"Y", "ü\x80\u2028<&>"}, {"Z", "\t\x7f"}}},
		{Handle: 65, State: abi.ReadyError, Error: "timeout"},
		{Handle: 66, State: abi.ReadyDone, Status: 200},
	} {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r); err != nil {
			t.Fatal(err)
		}
		if got := appendReady(nil, &r); string(got)+"\n" != want.String() {
			t.Errorf("%s, want %s", got, &want)
		}
	}
}
