package main

import (
	"mime"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// maxParts bounds the parts of one message.
const maxParts = 1000

// part is a part of a message that is not made of others.
type part struct {
	*imap.BodyStructureSinglePart
	path []int
}

// parts lists the parts of a message. What is in an attached message is not
// taken apart.
func (f *fetched) parts() (all []part) {
	if f.structure == nil {
		return nil
	}
	f.structure.Walk(func(path []int, bs imap.BodyStructure) bool {
		if single, ok := bs.(*imap.BodyStructureSinglePart); ok && len(all) < maxParts {
			all = append(all, part{single, slices.Clone(path)})
		}
		return true
	})
	return all
}

// index is the part's number: "1.2".
func (p part) index() string {
	var numbers []string
	for _, n := range p.path {
		numbers = append(numbers, strconv.Itoa(n))
	}
	return strings.Join(numbers, ".")
}

func (p part) disposition() string {
	if d := p.Disposition(); d != nil {
		return strings.ToLower(d.Value)
	}
	return ""
}

// filename is the name that the sender gave the file, also one that is encoded
// and continued (RFC 2231).
func (p part) filename() string {
	if d := p.Disposition(); d != nil {
		if name := param(d.Params, "filename"); name != "" {
			return name
		}
	}
	return param(p.Params, "name")
}

// param returns a parameter, as it is meant.
func param(params map[string]string, name string) string {
	if plain := params[name]; plain != "" {
		return decodeWords(plain)
	}
	// What RFC 2231 says of them mime knows of a whole line.
	line := map[string]string{}
	for key, value := range params {
		if strings.HasPrefix(key, name+"*") {
			line[key] = value
		}
	}
	if len(line) == 0 {
		return ""
	}
	text := "x/x"
	for key, value := range line {
		text += "; " + key + "="
		if strings.HasSuffix(key, "*") {
			text += value
		} else {
			text += `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
		}
	}
	if _, decoded, err := mime.ParseMediaType(text); err == nil && decoded[name] != "" {
		return clean(decoded[name])
	}
	return ""
}

// isText reports whether the part is to be read rather than kept: a text that
// is neither attached nor a file.
func (p part) isText(subtype string) bool {
	return strings.EqualFold(p.Type, "text") && strings.EqualFold(p.Subtype, subtype) && p.disposition() != "attachment" && p.filename() == ""
}

// textParts returns the parts that say what the message says: in plain text, in
// HTML, each nil where there is none.
func textParts(all []part) (plain, html *part) {
	for i := range all {
		switch p := &all[i]; {
		case plain == nil && p.isText("plain"):
			plain = p
		case html == nil && p.isText("html"):
			html = p
		}
	}
	return plain, html
}

// attachment is a record of attachments: what is known of a file without it.
type attachment struct {
	ID                string  `json:"id"`
	MessageID         string  `json:"message_id"`
	Filename          *string `json:"filename"`
	ContentType       *string `json:"content_type"`
	SizeBytes         *uint32 `json:"size_bytes"`
	ContentID         *string `json:"content_id"`
	IsInline          bool    `json:"is_inline"`
	Encoding          *string `json:"encoding"`
	PartIndex         string  `json:"part_index"`
	MessageReceivedAt string  `json:"message_received_at"`
	BlobRef           *string `json:"blob_ref"`
	ContentSHA256     *string `json:"content_sha256"`
	HydrationStatus   string  `json:"hydration_status"`
	HydrationError    *string `json:"hydration_error"`
}

var attachmentRequired = []string{"id", "message_id", "part_index", "message_received_at", "hydration_status"}

// deferred says of a file that it was not fetched.
const deferred = "deferred"

// attachmentsOf lists what a message holds beside its text.
func attachmentsOf(f *fetched, id string) (list []attachment) {
	all := f.parts()
	plain, html := textParts(all)
	for i := range all {
		p := &all[i]
		if p == plain || p == html || p.isText("plain") || p.isText("html") {
			continue
		}
		size := p.Size
		contentType := strings.ToLower(p.Type + "/" + p.Subtype)
		contentID := strings.Trim(p.ID, "<>")
		list = append(list, attachment{
			ID: id + "/;SECTION=" + p.index(), MessageID: id, Filename: orNull(p.filename()), ContentType: orNull(clean(contentType)), SizeBytes: &size,
			ContentID: orNull(clean(contentID)), IsInline: p.disposition() == "inline" || contentID != "" && p.disposition() != "attachment",
			Encoding: orNull(clean(strings.ToLower(p.Encoding))), PartIndex: p.index(), MessageReceivedAt: f.receivedAt(), HydrationStatus: deferred,
		})
	}
	return list
}
