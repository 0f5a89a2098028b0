package mailwire

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/host/internal/guard"
)

func TestIMAPLogin(t *testing.T) {
	user := values[tokenUser]
	odd := values[tokenOdd]
	oddLiteral := "{" + strconv.Itoa(len(odd)) + "}"
	for name, c := range map[string]struct {
		lines script
		said  []bool
	}{
		"atoms":  {script{"s> * OK hi", ">g * OK hi", "g> A1 LOGIN ada PASS", `>s A1 LOGIN "ada" ` + quotedPass, "s> A1 OK in", ">g A1 OK in"}, []bool{true}},
		"quoted": {script{`g> A1 login "a\"d\\a" "PASS"`, `>s A1 LOGIN "a\"d\\a" ` + quotedPass, "s> A1 OK in", ">g A1 OK in"}, []bool{true}},
		"sync literals": {script{"g> A1 LOGIN {40}", ">g + go on", "g> USER {40}", ">g + go on", "g> PASS",
			`>s A1 LOGIN "` + user + `" ` + quotedPass, "s> A1 OK", ">g A1 OK"}, []bool{true}},
		"other literals": {script{"g> A1 LOGIN {40+}", "g> USER {40+}", "g> PASS",
			`>s A1 LOGIN "` + user + `" ` + quotedPass, "s> A1 OK in", ">g A1 OK in"}, []bool{true}},
		"a literal before an atom": {script{"g> A1 LOGIN {3+}", "g> ada PASS", `>s A1 LOGIN "ada" ` + quotedPass, "s> A1 NO no", ">g A1 NO no"}, []bool{false}},
		"a value as a literal":     {script{"g> A1 LOGIN ada ODD", `>s A1 LOGIN "ada" ` + oddLiteral, "s> + ok", ">s " + odd, "s> A1 OK in", ">g A1 OK in"}, []bool{true}},
		"refused at the literal, then right": {script{"g> A1 LOGIN ada ODD", "g> A2 LOGIN ada PASS", `>s A1 LOGIN "ada" ` + oddLiteral, "s> A1 NO no",
			">g A1 NO no", `>s A2 LOGIN "ada" ` + quotedPass, "s> A2 OK in", ">g A2 OK in"}, []bool{false, true}},
		"pipelined": {script{"g> A1 LOGIN ada PASS", "g> A2 SELECT INBOX", `>s A1 LOGIN "ada" ` + quotedPass, "s> A1 OK in",
			">g A1 OK in", ">s A2 SELECT INBOX", "s> A2 OK", ">g A2 OK"}, []bool{true}},
		"after a command without an answer": {script{"g> A1 CAPABILITY", "g> A2 LOGIN ada PASS", ">s A1 CAPABILITY", "s> * CAPABILITY IMAP4rev1", "s> A1 OK",
			">g * CAPABILITY IMAP4rev1", ">g A1 OK", `>s A2 LOGIN "ada" ` + quotedPass, "s> A2 OK", ">g A2 OK"}, []bool{true}},
		"no value":      {script{`g> A1 LOGIN ada ""`, `>s A1 LOGIN "ada" ""`, "s> A1 NO", ">g A1 NO"}, nil},
		"BAD":           {script{"g> A1 LOGIN ada PASS", `>s A1 LOGIN "ada" ` + quotedPass, "s> A1 BAD what", ">g A1 BAD what"}, nil},
		"unavailable":   {script{"g> A1 LOGIN ada PASS", `>s A1 LOGIN "ada" ` + quotedPass, "s> A1 NO [UNAVAILABLE] later", ">g A1 NO [UNAVAILABLE] later"}, nil},
		"wrong":         {script{"g> A1 LOGIN ada PASS", `>s A1 LOGIN "ada" ` + quotedPass, "s> A1 NO [AUTHENTICATIONFAILED] x", ">g A1 NO [AUTHENTICATIONFAILED] x"}, []bool{false}},
		"an echo":       {script{"g> A1 LOGIN USER PASS", `>s A1 LOGIN "` + user + `" ` + quotedPass, "s> A1 OK hello " + user, ">g A1 OK hello USER"}, []bool{true}},
		"forged":        {script{"g> A1 LOGIN ada " + forged, `>s A1 LOGIN "ada" "` + forged + `"`, "s> A1 NO", ">g A1 NO"}, nil},
		"an empty user": {script{"g> A1 LOGIN {0+}", "g>  PASS", `>s A1 LOGIN "" ` + quotedPass, "s> A1 NO", ">g A1 NO"}, []bool{false}},
	} {
		t.Run(name, func(t *testing.T) { eachSize(t, NewIMAP, c.lines, wantSaid(c.said...)) })
	}
}

func TestIMAPAuthenticate(t *testing.T) {
	const (
		plain  = `\0USER\0PASS`
		bearer = "n,a=USER,\x01host=h\x01auth=Bearer PASS\x01\x01"
		xoauth = "user=USER\x01auth=Bearer PASS\x01\x01"
	)
	for name, c := range map[string]struct {
		lines script
		said  []bool
	}{
		"at once": {script{"g> A1 AUTHENTICATE PLAIN " + b64(plain), ">s A1 AUTHENTICATE PLAIN " + b64filled(plain), "s> A1 OK", ">g A1 OK"}, []bool{true}},
		"asked": {script{"g> A1 authenticate plain", ">s A1 AUTHENTICATE PLAIN", "s> + \\c", "s> ", ">g + ", "g> " + b64(plain), ">s " + b64filled(plain),
			"s> A1 NO", ">g A1 NO"}, []bool{false}},
		"given up": {script{"g> A1 AUTHENTICATE PLAIN", ">s A1 AUTHENTICATE PLAIN", "s> + ", ">g + ", "g> *", ">s *", "s> A1 BAD", ">g A1 BAD",
			"g> A2 NOOP", ">s A2 NOOP", "s> A2 OK", ">g A2 OK"}, nil},
		"given up and again": {script{"g> A1 AUTHENTICATE PLAIN", ">s A1 AUTHENTICATE PLAIN", "s> + ", ">g + ", "g> *", "g> A2 LOGIN ada PASS", ">s *", "s> A1 BAD", ">g A1 BAD",
			`>s A2 LOGIN "ada" ` + quotedPass, "s> A2 OK", ">g A2 OK"}, []bool{true}},
		"xoauth2": {script{"g> A1 AUTHENTICATE XOAUTH2 " + b64(xoauth), ">s A1 AUTHENTICATE XOAUTH2 " + b64filled(xoauth), "s> + eyJ9", ">g + eyJ9", "g> ", ">s ", "s> A1 NO", ">g A1 NO"}, []bool{false}},
		"oauthbearer": {script{"g> A1 AUTHENTICATE OAUTHBEARER " + b64(bearer), ">s A1 AUTHENTICATE OAUTHBEARER " + b64filled(bearer), "s> + eyJ9", ">g + eyJ9", "g> AQ==", ">s AQ==",
			"s> A1 NO", ">g A1 NO"}, []bool{false}},
		"an escaped name": {script{"g> A1 AUTHENTICATE OAUTHBEARER " + b64("n,a="+tokenName+",\x01auth=Bearer PASS\x01\x01"),
			">s A1 AUTHENTICATE OAUTHBEARER " + b64filled("n,a=canary=3Da=2Cb,\x01auth=Bearer PASS\x01\x01"), "s> A1 OK", ">g A1 OK"}, []bool{true}},
		"prompts": {script{"g> A1 AUTHENTICATE LOGIN", ">s A1 AUTHENTICATE LOGIN", "s> + VXNlcm5hbWU6", ">g + VXNlcm5hbWU6", "g> " + b64("USER"), ">s " + b64filled("USER"),
			"s> + UGFzc3dvcmQ6", ">g + UGFzc3dvcmQ6", "g> " + b64("PASS"), ">s " + b64filled("PASS"), "s> A1 OK", ">g A1 OK"}, []bool{true}},
		"another mechanism": {script{"g> A1 AUTHENTICATE CRAM-MD5", ">s A1 AUTHENTICATE CRAM-MD5", "s> + PDE+", ">g + PDE+", "g> " + b64("ada 0123"), ">s " + b64("ada 0123"), "s> A1 OK", ">g A1 OK"}, nil},
		"no text":           {script{"g> A1 AUTHENTICATE EXTERNAL =", ">s A1 AUTHENTICATE EXTERNAL =", "s> A1 OK", ">g A1 OK"}, nil},
	} {
		t.Run(name, func(t *testing.T) { eachSize(t, NewIMAP, c.lines, wantSaid(c.said...)) })
	}
}

// in is a login that was accepted.
var in = script{"g> L LOGIN ada PASS", `>s L LOGIN "ada" ` + quotedPass, "s> L OK", ">g L OK"}

func TestIMAPPasses(t *testing.T) {
	for name, lines := range map[string]script{
		"a surrogate in a message": {"g> A1 APPEND INBOX {42}", ">s A1 APPEND INBOX {42}", "s> + go", ">g + go", "g> PASS", "g> ", ">s PASS", ">s ", "s> A1 OK", ">g A1 OK"},
		"a message without asking": {"g> A1 APPEND INBOX {4+}", "g> abcd (", ">s A1 APPEND INBOX {4}", "s> + go", ">s abcd (", "s> A1 OK", ">g A1 OK"},
		"literal8":                 {"g> A1 APPEND INBOX ~{4}", ">s A1 APPEND INBOX ~{4}", "s> + go", ">g + go", `g> a\0bc`, `>s a\0bc`, "s> A1 OK", ">g A1 OK"},
		"several messages": {"g> A1 APPEND INBOX {1+}", "g> a {1+}", "g> b", ">s A1 APPEND INBOX {1}", "s> + go", ">s a {1}", "s> + go", ">s b",
			"s> A1 OK", ">g A1 OK"},
		"a message that is not taken": {"g> A1 APPEND X {4}", ">s A1 APPEND X {4}", "s> A1 NO [TRYCREATE] x", ">g A1 NO [TRYCREATE] x", "g> A2 NOOP", ">s A2 NOOP", "s> A2 OK", ">g A2 OK"},
		"one that was sent anyway": {"g> A1 APPEND X {4+}", "g> abcd {2+}", "g> xy", "g> A2 NOOP", ">s A1 APPEND X {4}", "s> A1 NO x", ">g A1 NO x", ">s A2 NOOP",
			"s> A2 OK", ">g A2 OK"},
		"one that was sent anyway, then asked": {"g> A1 APPEND X {4+}", "g> abcd {2}", "g> A2 NOOP", ">s A1 APPEND X {4}", "s> A1 NO x", ">g A1 NO x", ">s A2 NOOP",
			"s> A2 OK", ">g A2 OK"},
		"a login in a message": {"g> A1 APPEND INBOX {55+}", "g> L2 LOGIN ada PASS", "g> ", ">s A1 APPEND INBOX {55}", "s> + go", ">s L2 LOGIN ada PASS", ">s ", "s> A1 OK", ">g A1 OK"},
		"idle":                 {"g> A1 IDLE", ">s A1 IDLE", "s> + idling", ">g + idling", "s> * 3 EXISTS", ">g * 3 EXISTS", "g> done", ">s done", "s> A1 OK", ">g A1 OK"},
		"idle, ended early": {"g> A1 IDLE", "g> DONE", "g> A2 NOOP", ">s A1 IDLE", "s> + idling", ">g + idling", ">s DONE", ">s A2 NOOP",
			"s> A1 OK", "s> A2 OK", ">g A1 OK", ">g A2 OK"},
		"idle, ended by the server": {"g> A1 IDLE", ">s A1 IDLE", "s> + idling", "s> A1 OK over", ">g + idling", ">g A1 OK over", "g> DONE", "g> A2 NOOP", ">s A2 NOOP", "s> A2 OK", ">g A2 OK"},
		"idle, refused":             {"g> A1 IDLE", ">s A1 IDLE", "s> A1 BAD", ">g A1 BAD", "g> A2 NOOP", ">s A2 NOOP", "s> A2 OK", ">g A2 OK"},
		"an argument":               {"g> A1 SEARCH SUBJECT {3}", ">s A1 SEARCH SUBJECT {3}", "s> + go", ">g + go", "g> abc", ">s abc", "s> * SEARCH", "s> A1 OK", ">g * SEARCH", ">g A1 OK"},
		"lines of LF":               {`g> A1 NOOP\n\c`, ">s A1 NOOP", `s> A1 OK\n\c`, `>g A1 OK\n\c`},
		"answers in another order":  {"g> A1 NOOP", "g> A2 NOOP", ">s A1 NOOP", ">s A2 NOOP", "s> A2 OK", "s> A1 OK", ">g A2 OK", ">g A1 OK", "g> A1 NOOP", ">s A1 NOOP"},
		"a whole part":              {"g> A1 UID FETCH 1:* (UID BODY.PEEK[1] BODY[HEADER.FIELDS (DATE)])", ">s A1 UID FETCH 1:* (UID BODY.PEEK[1] BODY[HEADER.FIELDS (DATE)])"},
	} {
		t.Run(name, func(t *testing.T) {
			eachSize(t, NewIMAP, append(in[:len(in):len(in)], lines...), wantSaid(true))
		})
	}
}

// A range is nothing to the host while nothing is live.
func TestIMAPRangeWithoutValue(t *testing.T) {
	eachSize(t, NewIMAP, script{"g> A1 FETCH 1 BODY[]<0.10>", ">s A1 FETCH 1 BODY[]<0.10>"}, wantSaid())
	h := (&world{}).hooks()
	h.Guarded = func() bool { return true }
	s := NewIMAP(h)
	wantRefusal("IMAP FETCH", "range")(t, nil, play(t, s, script{"g> A1 FETCH 1 BODY[]<0.10>"}, 5))
}

func TestIMAPRefuses(t *testing.T) {
	long := strings.Repeat("x", MaxGuestLine)
	const outside = "outside of a login"
	for name, c := range map[string]struct {
		lines         script
		where, reason string
	}{
		"a surrogate in SELECT":            {script{"g> A1 SELECT PASS"}, "IMAP SELECT", outside},
		"behind a decoy":                   {script{"g> A1 SELECT sp1spPASS", "g> A1 NOOP"}, "IMAP SELECT", outside},
		"in UID SEARCH":                    {script{"g> A1 UID SEARCH TEXT PASS"}, "IMAP UID SEARCH", outside},
		"in an argument's literal":         {script{"g> A1 SEARCH TEXT {40}", ">s A1 SEARCH TEXT {40}", "s> + ", ">g + ", "g> PASS"}, "IMAP SEARCH", outside},
		"after a literal":                  {script{"g> A1 APPEND X {1}", ">s A1 APPEND X {1}", "s> + ", ">g + ", "g> a (PASS"}, "IMAP APPEND", outside},
		"in APPEND's line":                 {script{"g> A1 APPEND PASS {3}"}, "IMAP APPEND", outside},
		"in a tag":                         {script{"g> PASS NOOP"}, "IMAP", outside},
		"as a command":                     {script{"g> A1 PASS"}, "IMAP", outside},
		"in another mechanism":             {script{"g> A1 AUTHENTICATE CRAM-MD5", ">s A1 AUTHENTICATE CRAM-MD5", "s> + ", ">g + ", "g> " + b64("ada PASS")}, "IMAP AUTHENTICATE", "CRAM-MD5 that takes none"},
		"in a second response":             {script{"g> A1 AUTHENTICATE PLAIN " + b64(`\0a\0b`), ">s A1 AUTHENTICATE PLAIN " + b64(`\0a\0b`), "s> + ", ">g + ", "g> " + b64(`\0a\0PASS`)}, "IMAP AUTHENTICATE", "takes none"},
		"not encoded":                      {script{"g> A1 AUTHENTICATE PLAIN PASS"}, "IMAP AUTHENTICATE", "as it is"},
		"in a mechanism":                   {script{"g> A1 AUTHENTICATE PASS"}, "IMAP AUTHENTICATE", "mechanism"},
		"in host=":                         {script{"g> A1 AUTHENTICATE OAUTHBEARER " + b64("n,,\x01host=PASS\x01\x01")}, "IMAP AUTHENTICATE", "a field"},
		"a part of a password":             {script{"g> A1 LOGIN ada xPASS"}, "IMAP LOGIN", "other text"},
		"a part in PLAIN":                  {script{"g> A1 AUTHENTICATE PLAIN " + b64(`\0a\0xPASS`)}, "IMAP AUTHENTICATE", "other text"},
		"PLAIN of two parts":               {script{"g> A1 AUTHENTICATE PLAIN " + b64(`a\0PASS`)}, "IMAP AUTHENTICATE", "three parts"},
		"one twice":                        {script{"g> A1 LOGIN PASS PASS"}, "IMAP LOGIN", "twice"},
		"one after the login":              {append(in[:len(in):len(in)], "g> A1 LOGIN ada PASS"), "IMAP LOGIN", "used again"},
		"another after the login":          {append(in[:len(in):len(in)], "g> A1 AUTHENTICATE PLAIN "+b64(`\0a\0USER`)), "IMAP AUTHENTICATE", "used again"},
		"one after PREAUTH":                {script{"s> * PREAUTH hi", ">g * PREAUTH hi", "g> A1 LOGIN ada PASS"}, "IMAP LOGIN", "used again"},
		"a value with a NUL":               {script{"g> A1 LOGIN ada NULL"}, "IMAP LOGIN", "a NUL"},
		"a value with a NUL in PLAIN":      {script{"g> A1 AUTHENTICATE PLAIN " + b64(`\0a\0NULL`)}, "IMAP AUTHENTICATE", "a NUL"},
		"a value with CR in XOAUTH2":       {script{"g> A1 AUTHENTICATE XOAUTH2 " + b64("auth=Bearer ODD\x01")}, "IMAP AUTHENTICATE", "control"},
		"STARTTLS":                         {script{"g> A1 starttls"}, "IMAP STARTTLS", "encrypted already"},
		"COMPRESS":                         {script{"g> A1 COMPRESS DEFLATE"}, "IMAP COMPRESS", "could not see"},
		"a security layer":                 {script{"g> A1 AUTHENTICATE gssapi"}, "IMAP AUTHENTICATE", "may encrypt"},
		"a range":                          {append(in[:len(in):len(in)], "g> A1 UID FETCH 1 (BODY.PEEK[1]<0.100>)"), "IMAP UID FETCH", "range"},
		"a range after a literal":          {append(in[:len(in):len(in)], "g> A1 FETCH 1 BODY[HEADER.FIELDS ({1}", ">s A1 FETCH 1 BODY[HEADER.FIELDS ({1}", "s> + ", ">g + ", "g> a)]<0.10>"), "IMAP FETCH", "range"},
		"a range of BINARY":                {append(in[:len(in):len(in)], "g> A1 FETCH 1 BINARY[1] <0.10>"), "IMAP FETCH", "range"},
		"a range in NOTIFY":                {append(in[:len(in):len(in)], "g> A1 NOTIFY SET (selected (MessageNew (BODY[]<0.9>)))"), "IMAP NOTIFY", "range"},
		"PARTIAL":                          {append(in[:len(in):len(in)], "g> A1 PARTIAL 1 BODY[] 1 10"), "IMAP PARTIAL", "range"},
		"CATENATE":                         {append(in[:len(in):len(in)], "g> A1 APPEND X CATENATE (URL \"/x\")"), "IMAP APPEND", "CATENATE"},
		"a line break in quotes":           {script{`g> A1 LOGIN "ada\nA2 LOGIN" PASS`}, "IMAP LOGIN", "cannot be read"},
		"a bare CR":                        {script{`g> A1 LOGIN "ada\rA2 NOOP" PASS`}, "IMAP", "bare CR"},
		"a bare CR at the end":             {script{`g> A1 NOOP\r\r\n\c`}, "IMAP", "bare CR"},
		"a NUL":                            {script{`g> A1 LOGIN "ada\0" PASS`}, "IMAP", "NUL"},
		"a NUL in a literal of LOGIN":      {script{"g> A1 LOGIN {3+}", `g> a\0b PASS`}, "IMAP LOGIN", "NUL"},
		"three arguments":                  {script{"g> A1 LOGIN a b PASS"}, "IMAP LOGIN", "cannot be read"},
		"one argument":                     {script{"g> A1 LOGIN PASS"}, "IMAP LOGIN", "cannot be read"},
		"two spaces":                       {script{"g> A1 LOGIN a  PASS"}, "IMAP LOGIN", "cannot be read"},
		"a quote without end":              {script{`g> A1 LOGIN a "PASS`}, "IMAP LOGIN", "cannot be read"},
		"a literal8 in LOGIN":              {script{"g> A1 LOGIN a ~{40}"}, "IMAP LOGIN", "cannot be read"},
		"glued arguments":                  {script{`g> A1 LOGIN "a"PASS`}, "IMAP LOGIN", "cannot be read"},
		"a long literal in LOGIN":          {script{"g> A1 LOGIN a {99999999999999999999999}"}, "IMAP LOGIN", "too long"},
		"a long literal":                   {script{"g> A1 APPEND x {4294967296}"}, "IMAP APPEND", "too long"},
		"a long argument":                  {script{"g> A1 SEARCH TEXT {65537}"}, "IMAP SEARCH", "too long"},
		"what may be a literal":            {script{"g> A1 SEARCH TEXT {5} "}, "IMAP SEARCH", "as if a literal"},
		"what may be a literal, by a sign": {script{"g> A1 SEARCH TEXT {-5}"}, "IMAP SEARCH", "as if a literal"},
		"a tag in use":                     {script{"g> A1 NOOP", "g> A1 APPEND x {40}"}, "IMAP APPEND", "its tag"},
		"no tag":                           {script{"g> * NOOP"}, "IMAP", "no command"},
		"an empty line":                    {script{"g> "}, "IMAP", "no command"},
		"a tab":                            {script{"g> A1\tLOGIN a PASS"}, "IMAP", "outside of a login"},
		"a long line":                      {script{"g> A1 NOOP " + long}, "IMAP", "too long"},
		"more than DONE":                   {script{"g> A1 IDLE", ">s A1 IDLE", "s> + ", ">g + ", "g> A2 LOGIN a PASS"}, "IMAP IDLE", "else than DONE"},
	} {
		t.Run(name, func(t *testing.T) {
			if len(c.lines[0]) > 1000 {
				w := &world{}
				wantRefusal(c.where, c.reason)(t, w, play(t, NewIMAP(w.hooks()), c.lines, 1000))
				return
			}
			eachSize(t, NewIMAP, c.lines, wantRefusal(c.where, c.reason))
		})
	}
}

func TestIMAPHostileServer(t *testing.T) {
	for name, lines := range map[string]script{
		"a leave unasked":            {"s> + go"},
		"a leave for NOOP":           {"g> A1 NOOP", ">s A1 NOOP", "s> + go"},
		"a leave for a quoted login": {"g> A1 LOGIN a PASS", `>s A1 LOGIN "a" ` + quotedPass, "s> + go"},
		"two leaves":                 {"g> A1 AUTHENTICATE PLAIN", ">s A1 AUTHENTICATE PLAIN", "s> + ", "s> + "},
		"an answer to nothing":       {"s> A1 OK"},
		"an answer twice":            {"g> A1 NOOP", ">s A1 NOOP", "s> A1 OK", "s> A1 OK"},
		"no status":                  {"g> A1 NOOP", ">s A1 NOOP", "s> A1 MAYBE"},
		"no response":                {"s> 220 smtp"},
		"an early answer":            {"g> A1 APPEND x {4}", ">s A1 APPEND x {4}", "s> + ", ">g + ", "g> ab\\c", "s> A1 OK"},
		"a login accepted early":     {"g> A1 LOGIN a ODD", `>s A1 LOGIN "a" {` + strconv.Itoa(len(values[tokenOdd])) + "}", "s> A1 OK"},
		"an answer to a login that is not there yet": {"g> A1 LOGIN {40}", ">g + go on", "s> A1 OK"},
		"a literal of 2^32":                          {"s> * 1 FETCH (BODY[] {4294967296}"},
		"a literal of 10^30":                         {"s> * 1 FETCH (BODY[] {1000000000000000000000000000000}"},
	} {
		t.Run(name, func(t *testing.T) { eachSize(t, NewIMAP, lines, wantError(ErrServer)) })
	}
	s := NewIMAP(Hooks{})
	var err error
	for n := 0; err == nil && n <= MaxServerLine; n += 1 << 20 {
		_, _, err = s.FromServer(bytes.Repeat([]byte{'*'}, 1<<20))
	}
	if wantError(ErrServer)(t, nil, err); s.server.len() > 0 {
		t.Error("the line is held still")
	}
}

func TestIMAPEchoes(t *testing.T) {
	value := values[tokenUser] // 27 bytes
	for name, lines := range map[string]script{
		"a line":             {"s> * 1 FETCH (ENVELOPE (\"" + value + "\"))", ">g * 1 FETCH (ENVELOPE (\"USER\"))"},
		"a literal":          {"s> * 1 FETCH (BODY[] {31}", "s> a " + value + " b FLAGS ())", ">g * 1 FETCH (BODY[] {44}", ">g a USER b FLAGS ())"},
		"two literals":       {"s> * 1 FETCH (A {27}", "s> " + value + " B ~{27}", "s> " + value + " C \"" + value + "\")", ">g * 1 FETCH (A {40}", ">g USER B ~{40}", ">g USER C \"USER\")"},
		"nothing":            {"s> * 1 FETCH (A {0}", "s>  B {2}", "s> xy)", ">g * 1 FETCH (A {0}", ">g  B {2}", ">g xy)"},
		"text like one":      {"s> * OK see {27}", "s> * NO {1}", ">g * OK see {27}", ">g * NO {1}"},
		"lines in a literal": {"s> * 1 FETCH (BODY[] {21}", "s> + go", "s> A1 OK", "s> * BYE\\c", "s> )", ">g * 1 FETCH (BODY[] {21}", ">g + go", ">g A1 OK", ">g * BYE\\c", ">g )"},
	} {
		t.Run(name, func(t *testing.T) { eachSize(t, NewIMAP, lines, wantSaid()) })
	}
	eachSize(t, NewIMAP, script{"s> * 1 FETCH (BODY[] {6}", "s> class3)"}, wantError(errLeaked))
}

// A literal that is too long to be held streams through, in constant memory,
// and an echo in it is replaced without a change of its length.
func TestIMAPLongLiteral(t *testing.T) {
	const size = 9<<20 + 17
	const value = "canary-7Jq0vZx93kLmP2-and-more-than-a-surrogate-has"
	set := guard.New([]guard.Secret{{Name: "CANARY", Value: []byte(value)}, {Name: "SHORT", Value: []byte("canary-Tok3n.9fQ2xZ")}})
	hooks := (&world{}).hooks()
	hooks.Literal = func() Filter {
		st := set.Stream(func(guard.Hit) []byte { return []byte(tokenUser) })
		st.KeepLength()
		return func(dst, piece []byte, last bool) ([]byte, error) {
			out, _ := st.Next(dst, piece)
			if last {
				out, _ = st.Rest(out)
			}
			return out, nil
		}
	}
	body := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
	const echoes = "<canary-Tok3n.9fQ2xZ>" + value + "<Y2FuYXJ5LVRvazNuLjlmUTJ4Wg==>"
	clean := "<" + strings.Repeat("*", 19) + ">" + tokenUser + strings.Repeat("*", len(value)-len(tokenUser)) + "<KioqKioqKioqKioqKioqKioqMg==>"
	for _, at := range []int{0, 49_900, size / 2, size - len(echoes)} {
		copy(body[at:], echoes)
	}
	frame := func(body []byte) []byte {
		return append(append(fmt.Appendf(nil, "* 1 FETCH (BODY[] {%d}\r\n", size), body...), ")\r\n"...)
	}
	s := NewIMAP(hooks)
	var out []byte
	held := 0
	for text := frame(body); len(text) > 0; {
		n := min(len(text), 50_000)
		got, _, err := s.FromServer(text[:n])
		if err != nil {
			t.Fatal(err)
		}
		out, text = append(out, got...), text[n:]
		held = max(held, s.server.len()+cap(got))
	}
	if want := frame(bytes.ReplaceAll(body, []byte(echoes), []byte(clean))); !bytes.Equal(out, want) {
		t.Errorf("the literal is not what it was but for its echoes: %d bytes for %d, the first %q", len(out), len(want), out[:min(len(out), 150)])
	}
	if held > 4*windowSize {
		t.Errorf("it held %d bytes", held)
	}
}

// A literal whose length was told has that length, or the stream ends.
func TestIMAPLiteralOfAnotherLength(t *testing.T) {
	for name, pass := range map[string]Filter{
		"shorter": func(dst, piece []byte, _ bool) ([]byte, error) { return append(dst, piece[1:]...), nil },
		"longer":  func(dst, piece []byte, _ bool) ([]byte, error) { return append(append(dst, piece...), '!'), nil },
		"leaking": func(dst, _ []byte, _ bool) ([]byte, error) { return dst, errLeaked },
	} {
		hooks := (&world{}).hooks()
		hooks.Literal = func() Filter { return pass }
		text := fmt.Appendf(nil, "* 1 FETCH (BODY[] {%d}\r\n", MaxScrubbed+1)
		_, _, err := NewIMAP(hooks).FromServer(append(text, make([]byte, MaxScrubbed+1)...))
		if !errors.Is(err, errLength) && !errors.Is(err, errLeaked) {
			t.Errorf("%s: it ended with %v", name, err)
		}
	}
}

func TestIMAPBounds(t *testing.T) {
	w := &world{}
	s := NewIMAP(w.hooks())
	for i := range MaxLogins {
		tag := strconv.Itoa(i)
		if err := play(t, s, script{"g> " + tag + " LOGIN a PASS", ">s " + tag + ` LOGIN "a" ` + quotedPass, "s> " + tag + " NO", ">g " + tag + " NO"}, 9); err != nil {
			t.Fatal(err)
		}
	}
	wantRefusal("IMAP LOGIN", "too many logins")(t, w, play(t, s, script{"g> x LOGIN a PASS"}, 9))
	wantRefusal("IMAP LOGIN", "too many logins")(t, w, play(t, s, script{"g> y NOOP"}, 9)) // it stays dead

	s = NewIMAP(w.hooks())
	var err error
	for i := 0; i <= MaxPipelined && err == nil; i++ {
		_, _, err = s.FromGuest([]byte(strconv.Itoa(i) + " NOOP\r\n"))
	}
	wantRefusal("IMAP NOOP", "too many commands")(t, w, err)

	s = NewIMAP(w.hooks())
	_, _, err = s.FromGuest([]byte("A1 APPEND x {60000000+}\r\n"))
	for n := 0; n <= MaxHeld && err == nil; n += 1 << 20 {
		_, _, err = s.FromGuest(make([]byte, 1<<20))
	}
	wantRefusal("IMAP", "sent ahead")(t, w, err)
}

// What the guest built is searched, a long message too.
func TestIMAPCheckOut(t *testing.T) {
	for name, text := range map[string]string{
		"a line":               "A1 SELECT canary\r\n",
		"a login":              "A1 LOGIN ada canary\r\n",
		"a literal of a login": "A1 LOGIN ada {6+}\r\ncanary\r\n",
		"a response":           "A1 AUTHENTICATE PLAIN " + b64(`\0a\0canary`) + "\r\n",
	} {
		s := NewIMAP((&world{}).hooks())
		out, _, err := s.FromGuest([]byte(text))
		if wantError(errLeaked)(t, nil, err); len(out) > 0 {
			t.Errorf("%s: sent %q", name, out)
		}
	}
	const size = 2*windowSize + 100
	body := bytes.Repeat([]byte{'.'}, size)
	for _, at := range []int{0, windowSize - Overlap - 2, windowSize - 2, size - 6} {
		s := NewIMAP((&world{}).hooks())
		must := func(p []byte, err error) []byte {
			if err != nil {
				t.Fatal(err)
			}
			return bytes.Clone(p)
		}
		a, _, err := s.FromGuest([]byte("A1 APPEND x {" + strconv.Itoa(size) + "}\r\n"))
		must(a, err)
		_, _, err = s.FromServer([]byte("+ \r\n"))
		must(nil, err)
		text := bytes.Clone(body)
		copy(text[at:], canary)
		out, _, err := s.FromGuest(text)
		if wantError(errLeaked)(t, nil, err); bytes.IndexByte(out, 'c') >= 0 {
			t.Errorf("at %d: a part of the value went out", at)
		}
	}
}
