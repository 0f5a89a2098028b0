package abi_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/abi"
)

// shapes maps a message's type to the Go type that states its shape.
var shapes = map[abi.MessageType]any{
	abi.TypeStart: abi.Start{}, abi.TypeInteractionResponse: abi.InteractionResponse{},
	abi.TypeRecord: abi.Record{}, abi.TypeState: abi.State{}, abi.TypeSkipResult: abi.SkipResult{},
	abi.TypeDetailCoverage: abi.DetailCoverage{}, abi.TypeDetailGap: abi.DetailGap{},
	abi.TypeProgress: abi.Progress{}, abi.TypeInteraction: abi.Interaction{}, abi.TypeDone: abi.Done{},
}

// strict decodes raw into a new value like shape, unknown members refused.
func strict(t *testing.T, raw []byte, shape any) any {
	t.Helper()
	v := reflect.New(reflect.TypeOf(shape))
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v.Interface()); err != nil {
		t.Fatalf("decoding %s: %v", raw, err)
	}
	return v.Interface()
}

func encode(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

type messageVector struct {
	Name string
	In   json.RawMessage // as a peer may write it
	Out  json.RawMessage // as this package writes it; absent when like In
}

// TestMessageVectors holds the wire form of every message: the file is
// frozen, a failure here is a break of the ABI.
func TestMessageVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/messages.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []messageVector
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	seen := map[abi.MessageType]bool{}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			var head struct{ Type abi.MessageType }
			if err := json.Unmarshal(v.In, &head); err != nil {
				t.Fatal(err)
			}
			seen[head.Type] = true
			shape, ok := shapes[head.Type]
			if !ok {
				t.Fatalf("no shape for type %q", head.Type)
			}
			want := v.Out
			if want == nil {
				want = v.In
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, want); err != nil {
				t.Fatal(err)
			}
			first := encode(t, strict(t, v.In, shape))
			if first != compact.String() {
				t.Errorf("wrote %s\nwant  %s", first, &compact)
			}
			if again := encode(t, strict(t, []byte(first), shape)); again != first {
				t.Errorf("a second round trip changed %s\nto %s", first, again)
			}
		})
	}
	for kind := range shapes {
		if !seen[kind] {
			t.Errorf("testdata/messages.json has no %s", kind)
		}
	}
}

// TestRefusedMessages holds what the package's own decoders refuse.
func TestRefusedMessages(t *testing.T) {
	keys := []string{`null`, `1`, `[]`, `{}`, `[null]`, `["a",null]`, `["a",1]`, `[["a"]]`, `true`}
	for _, in := range keys {
		k := abi.Key{"kept"}
		if err := json.Unmarshal([]byte(in), &k); err == nil && in != `null` {
			t.Errorf("key %s was taken as %q", in, k)
		} else if in == `null` && k.UnmarshalJSON([]byte(in)) == nil {
			t.Errorf("key null was taken as %q", k)
		}
	}
	hints := []string{`""`, `"retry"`, `1`, `[]`, `{}`, `{"retryable":true}`, `{"action":null}`, `{"ACTION":"unknown"}`,
		`{"action":"unknown","retryable":null}`, `{"action":"unknown","retryable":"yes"}`, `{"action":"unknown","more":1}`}
	for _, in := range hints {
		var h abi.RecoveryHint
		if err := json.Unmarshal([]byte(in), &h); err == nil {
			t.Errorf("hint %s was taken as %+v", in, h)
		} else if strings.Contains(err.Error(), "more") || strings.Contains(err.Error(), "yes") {
			t.Errorf("hint %s: the error quotes the input: %v", in, err)
		}
	}
	if b, err := json.Marshal(abi.Record{}); err == nil {
		t.Errorf("a record without a key was written: %s", b)
	}
}

func TestKeyCanonical(t *testing.T) {
	for want, key := range map[string]abi.Key{
		"":                nil,
		"a b":             {"a b"},
		`["a","b<&>\""]`:  {"a", `b<&>"`},
		`["","\u2028 é"]`: {"", "\u2028 é"},
	} {
		if got := key.Canonical(); got != want {
			t.Errorf("Canonical of %q is %s, want %s", []string(key), got, want)
		}
	}
}

// TestResultVectors reads the worked examples of ABI.md, and packs and unpacks
// them.
func TestResultVectors(t *testing.T) {
	want := []struct {
		bits   uint64
		status abi.Status
		n      uint32
		ticket uint32
	}{
		{0x0000000000000000, abi.StatusOK, 0, 0},
		{0x0000000000000028, abi.StatusOK, abi.SurrogateLen, 0},
		{0x0000000000000040, abi.StatusOK, abi.FirstHandle, 0},
		{0x0000000300001388, abi.StatusOK, 5000, 3},
		{0x7fffffffffffffff, abi.StatusOK, 0xffff_ffff, 0x7fff_ffff},
		{0xffffffffffffffff, abi.StatusDenied, 0, 0},
		{0xfffffffffffffff3, abi.StatusAgain, 0, 0},
		{0xfffffffffffffff2, abi.StatusRejected, 0, 0},
	}
	lines := strings.Split(strings.TrimSpace(block(t, "results")), "\n")
	if len(lines) != len(want) {
		t.Fatalf("ABI.md has %d worked results, the test %d", len(lines), len(want))
	}
	for i, w := range want {
		bits, err := strconv.ParseUint(lines[i][:16], 16, 64)
		if err != nil || bits != w.bits {
			t.Errorf("line %q of ABI.md: want %016x", lines[i], w.bits)
		}
		r := abi.Result(bits)
		if r.Status() != w.status || r.Len() != w.n || r.Ticket() != w.ticket {
			t.Errorf("%016x is %v, length %d, ticket %d; want %v, %d, %d",
				bits, r.Status(), r.Len(), r.Ticket(), w.status, w.n, w.ticket)
		}
		if packed := abi.OK(w.n, w.ticket); w.status == abi.StatusOK && packed != r {
			t.Errorf("OK(%d, %d) is %016x, want %016x", w.n, w.ticket, uint64(packed), bits)
		}
	}
	if r := abi.OK(1, 1<<31); r < 0 || r.Ticket() != 0 {
		t.Errorf("a ticket of 32 bits makes %016x", uint64(r))
	}
}

// TestDocumentExamples decodes each JSON example of ABI.md into the type that
// states its shape.
func TestDocumentExamples(t *testing.T) {
	examples := regexp.MustCompile("(?s)```json\n(.*?)\n```").FindAllStringSubmatch(document(t), -1)
	if len(examples) < 12 {
		t.Fatalf("ABI.md has %d JSON examples", len(examples))
	}
	for _, m := range examples {
		raw := []byte(m[1])
		var head struct{ Type abi.MessageType }
		_ = json.Unmarshal(raw, &head) // an array has no type
		switch shape, ok := shapes[head.Type]; {
		case ok:
			strict(t, raw, shape)
		case bytes.HasPrefix(raw, []byte(`{"method"`)):
			strict(t, raw, abi.RequestHead{})
		case bytes.HasPrefix(raw, []byte(`[{"handle"`)):
			strict(t, raw, []abi.Ready{})
		case bytes.HasPrefix(raw, []byte(`{"class"`)):
			strict(t, raw, abi.CredentialStatus{})
		default:
			t.Errorf("no shape for the example %s", raw)
		}
	}
}

// TestDocumentModule reads the header of the whole guest in ABI.md; that it
// runs is for the host's tests and e2e to see.
func TestDocumentModule(t *testing.T) {
	var module []byte
	for line := range strings.Lines(block(t, "module")) {
		text, _, _ := strings.Cut(line, "  ")
		b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), " ", ""))
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		module = append(module, b...)
	}
	for _, part := range []string{"\x00asm\x01\x00\x00\x00", abi.ModuleRun, abi.ExportMemory, abi.ExportABI, abi.ExportRun} {
		if !bytes.Contains(module, []byte(part)) {
			t.Errorf("the module does not hold %q", part)
		}
	}
	done := module[bytes.IndexByte(module, '{'):]
	if d := strict(t, done, abi.Done{}).(*abi.Done); d.Status != abi.Succeeded || !bytes.Contains(module, []byte{0x41, byte(len(done))}) {
		t.Errorf("the module's data is %s, and its length is not what it emits", done)
	}
}

// block returns the one fenced block of ABI.md with the given label.
func block(t *testing.T, label string) string {
	t.Helper()
	_, rest, ok := strings.Cut(document(t), "```"+label+"\n")
	text, _, end := strings.Cut(rest, "```")
	if !ok || !end {
		t.Fatalf("ABI.md has no block %q", label)
	}
	return text
}
