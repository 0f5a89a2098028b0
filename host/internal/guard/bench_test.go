package guard

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// tenSecrets are of usual lengths.
func tenSecrets() []Secret {
	rnd := rand.New(rand.NewPCG(7, 7))
	var out []Secret
	for i := range 10 {
		out = append(out, Secret{Name: fmt.Sprintf("S%d", i), Value: []byte(randomValue(rnd, 16+rnd.IntN(25)))})
	}
	return out
}

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func randomValue(rnd *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(alphanumeric[rnd.IntN(len(alphanumeric))])
	}
	return b.String()
}

// prose is text with words, and little else.
func prose(rnd *rand.Rand, n int) string {
	words := strings.Fields("the connector lists what changed since its cursor and writes a record for each message " +
		"that it has not seen yet 2024 inbox from sent thread 17 label attachment Größe naïve subject reply")
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(words[rnd.IntN(len(words))])
		b.WriteByte(" .,"[rnd.IntN(20)/18])
	}
	return b.String()[:n]
}

// texts are what sources send, a MiB or so of each.
func texts() map[string][]byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	const size = 1 << 20
	out := make(map[string][]byte)

	var list []map[string]any
	for i := range size / 400 {
		list = append(list, map[string]any{
			"id": i, "node_id": randomValue(rnd, 24), "url": fmt.Sprintf("https://api.example.com/repos/a/b/%d?page=%d&per_page=50", i, i),
			"title": prose(rnd, 60), "body": prose(rnd, 120) + "\n" + prose(rnd, 30), "created_at": "2024-05-01T10:11:12Z", "private": false, "score": rnd.Float64(),
		})
	}
	out["json"], _ = json.Marshal(list)
	out["json indented"], _ = json.MarshalIndent(list, "", "  ")
	var twice []byte
	twice, _ = json.Marshal(string(out["json indented"]))
	out["json in json"] = twice

	var page strings.Builder
	for page.Len() < size {
		fmt.Fprintf(&page, "<tr class=\"row odd\" id=r%d><td><a href=\"/item?a=%d&amp;b=c%%20d\">%s</a>&nbsp;</td>\n  <td>%s</td></tr>\n",
			rnd.IntN(1000), rnd.IntN(1000), prose(rnd, 40), prose(rnd, 90))
	}
	out["html"] = []byte(page.String())

	var mail strings.Builder
	for mail.Len() < size {
		fmt.Fprintf(&mail, "* 12 FETCH (UID %d BODY[] {4000}\r\nFrom: a@example.com\r\nMessage-ID: <%s@example.com>\r\nContent-Type: text/plain\r\n\r\n", rnd.IntN(9999), randomValue(rnd, 20))
		for range 20 {
			mail.WriteString(prose(rnd, 70) + "=C3=A9=20=\r\n")
		}
		raw := make([]byte, 57)
		for range 40 {
			for i := range raw {
				raw[i] = byte(rnd.Uint32())
			}
			mail.WriteString(base64.StdEncoding.EncodeToString(raw) + "\r\n")
		}
	}
	out["mail"] = []byte(mail.String())

	var zip bytes.Buffer
	w := gzip.NewWriter(&zip)
	for zip.Len() < size {
		fmt.Fprintf(w, "%s %d\n", prose(rnd, 100), rnd.Uint64())
	}
	w.Close()
	out["gzip"] = zip.Bytes()

	var wideText []byte
	for _, u := range utf16.Encode([]rune(prose(rnd, size/2))) {
		wideText = append(wideText, byte(u), byte(u>>8))
	}
	out["utf-16"] = wideText
	out["prose"] = []byte(prose(rnd, size))
	out["percent"] = []byte(each("%%%02X")(prose(rnd, size/3)))
	out["binary"] = make([]byte, size)
	for i := range out["binary"] {
		out["binary"][i] = byte(rnd.Uint32())
	}
	foreign := strings.Repeat("Съешь же ещё этих мягких французских булок. Größe naïve 鍵は秘密です ", size/400)
	out["json unicode"] = []byte(jsonU(foreign))
	out["quoted"] = []byte(wrap(75, "=\r\n", each("=%02X"))(foreign))
	out["entities"] = []byte(eachRune("&#%d;")(foreign))
	out["query"] = []byte(url.QueryEscape(strings.Repeat(foreign+prose(rnd, 400)+"&a=b/c", 8)))
	out["percent twice"] = []byte(each("%%25%02X")(prose(rnd, size/5)))
	return out
}

func BenchmarkStream(b *testing.B) {
	for name, text := range texts() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			set := New(tenSecrets())
			t := set.Stream(nil)
			dst := make([]byte, 0, 64<<10)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				for rest := text; len(rest) > 0; {
					n := min(32<<10, len(rest))
					out, stop := t.Next(dst[:0], rest[:n])
					if stop != nil {
						b.Fatal(stop.Form)
					}
					dst, rest = out, rest[n:]
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	secrets := tenSecrets()
	b.ReportAllocs()
	for b.Loop() {
		New(secrets)
	}
}

func BenchmarkWith(b *testing.B) {
	for _, n := range []int{10, 100} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			rnd := rand.New(rand.NewPCG(8, 8))
			var secrets []Secret
			for range n {
				secrets = append(secrets, Secret{Name: "S", Value: []byte(randomValue(rnd, 16+rnd.IntN(25)))})
			}
			base := New(secrets)
			set, added := base, 0
			b.ReportAllocs()
			for b.Loop() {
				if added++; added == n {
					set, added = base, 0
				}
				set = set.With(Secret{Name: "T", Value: []byte(randomValue(rnd, 40))})
			}
		})
	}
}

// BenchmarkSmall is an answer of 16 KiB, from the beginning of its stream.
func BenchmarkSmall(b *testing.B) {
	set, text := New(tenSecrets()), texts()["json"][:16<<10]
	dst := make([]byte, 0, 64<<10)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		t := set.Stream(nil)
		out, _ := t.Next(dst[:0], text)
		_, _ = t.Rest(out)
	}
}

// BenchmarkFind is a header.
func BenchmarkFind(b *testing.B) {
	set, text := New(tenSecrets()), []byte("Thu, 01 Jan 1970 00:00:00 GMT")
	b.ReportAllocs()
	for b.Loop() {
		set.Find(text)
	}
}
