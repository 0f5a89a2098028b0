package hostile_test

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"

	"github.com/sallyport-host/sallyport/abi"
)

// surrogateRows put a surrogate where it does not belong.
func surrogateRows() (rows []row) {
	for _, r := range []struct {
		exit, code, got string
		told            audited
	}{
		{"a record", "", "1", used("TOKEN")},
		{"a record's key", abi.CodeProtocolViolation, "1", violation},
		{"a record's field name", abi.CodeProtocolViolation, "1", violation},
		{"STATE", "", "1", used("TOKEN")},
		{"PROGRESS", "", "1", used("TOKEN")},
		{"SKIP_RESULT", "", "1", used("TOKEN")},
		{"an unknown message", abi.CodeProtocolViolation, "0", violation},
		{"DONE", abi.CodeProtocolViolation, "1", violation},
		{"a log line", "", "0", used("TOKEN")},
		{"standard output", "", "0", used("TOKEN")},
		{"a question", abi.CodeConnectorFailed, "0", unattended},
		{"a credential's name", "", "-1", notAllowed("", "not_declared")},
		{"data to sign", "", "0", used("KEY")},
		{"the address of a stream", "", "-10", misplaced("TOKEN")},
		{"a header", "", "failed -1", notThere("TOKEN")},
		{"a header's name", "", "failed -10", misplaced("TOKEN")},
		{"a cookie", "", "failed -1", notThere("TOKEN")},
		{"Referer", "", "failed -1", notThere("TOKEN")},
		{"User-Agent", "", "failed -1", notThere("TOKEN")},
		{"Basic", "", "failed -1", notThere("TOKEN")},
		{"a query", "", "failed -1", notThere("TOKEN")},
		{"a path", "", "failed -1", notThere("TOKEN")},
		{"a fragment", "", "failed -10", misplaced("TOKEN")},
		{"user information", "", "failed -10", misplaced("TOKEN")},
		{"a DNS label", "", "failed -10", misplaced("TOKEN")},
		{"a label of a wildcard", "", "failed -10", misplaced("TOKEN")},
		{"a method", "", "failed -10", misplaced("TOKEN")},
		{"a body", "", "failed -10", misplaced("TOKEN")},
		{"a body in two parts", "", "write -10", misplaced("TOKEN")},
		{"a body, byte by byte", "", "write -10", misplaced("TOKEN")},
		{"a body to its own source", "", "failed -10", misplaced("TOKEN")},
		{"panic", abi.CodeConnectorCrashed, "", used("TOKEN")},
	} {
		one := row{name: "a surrogate in " + r.exit, trick: "a surrogate", exit: r.exit, code: r.code, told: r.told}
		if r.got != "" {
			one.got = []string{r.got}
		}
		if r.exit == "a record" {
			one.finds = []string{"see [redacted:TOKEN]."}
		}
		rows = append(rows, one)
	}
	return rows
}

// codedMark is how a record of a coded echo holds [redacted:TOKEN], or begins to.
var codedMark = map[string]string{
	"base64": base64.RawStdEncoding.EncodeToString([]byte("[redacted:TOKEN")),
	"hex":    hex.EncodeToString([]byte("[redacted:TOKEN]")),
	"UTF 16": "[redacted:TOKEN]", // its NULs are escapes in a record
}

// echoRows have the source write the value that it was sent into its answer.
// The guest passes on what it reads: to the drop, where a surrogate is
// refused, and as a record. In base64, hex and UTF-16 the surrogate is written
// as the value was: what the drop gets then stands for nothing there.
func echoRows() (rows []row) {
	for _, r := range []struct {
		how, got, headers string
		told              audited
	}{
		{"plain", "200 you said <TOKEN>", "", notThere("TOKEN")},
		{"split", "200 you said <TOKEN>!", "", notThere("TOKEN")},
		{"base64", "200 bWU6<coded surrogate>", "", used("TOKEN")},
		{"hex", "200 <coded surrogate>", "", used("TOKEN")},
		{"percent", "200 <TOKEN>", "", notThere("TOKEN")},
		{"HTML", "200 <TOKEN>", "", notThere("TOKEN")},
		{"JSON", `200 {"token":"<TOKEN>"}`, "", notThere("TOKEN")},
		{"UTF 16", "200 <coded surrogate>.", "", used("TOKEN")},
		{"quoted printable", "200 <TOKEN>", "", notThere("TOKEN")},
		{"header", "200 ", `["you said <TOKEN>"]`, notThere("TOKEN")},
		{"header name", "200 ", "", notThere("TOKEN")},
		{"location", "303 ", `["/?t=<TOKEN>"]`, notThere("TOKEN")},
		{"reason", "200 ", "", used("TOKEN")},
		{"status line", "failed unavailable", "", used("TOKEN")},
		{"trailer", "200 body", "", used("TOKEN")},
		{"chunk extension", "200 body", "", used("TOKEN")},
		{"early hint", "200 body", "", used("TOKEN")},
		{"HTTP 1.0", "200 you said <TOKEN>", "", notThere("TOKEN")},
		{"HTTP 0.9", "failed unavailable", "", used("TOKEN")},
		{"after the end", "200 body", "", used("TOKEN")},
		{"gzip", "200 you said <TOKEN>", "", notThere("TOKEN")},
		{"gzip twice", "failed unavailable", "", notSent("answer")},
		{"another encoding", "failed unavailable", "", notSent("answer")},
		{"part", "failed unavailable", "", notSent("answer")},
		{"cookie", "200 ", "", notThere("TOKEN")},
		{"cookie path", "200 ", "", notThere("TOKEN")},
		{"cookie name", "200 ", "", notThere("TOKEN")},
	} {
		one := row{name: "an echo: " + r.how, trick: "an echo", form: r.how, told: r.told}
		one.got = []string{r.got, "its headers: " + cmp.Or(r.headers, "null"), "to the drop: failed -1", "as a record: 1"}
		if r.told == used("TOKEN") || r.told == notSent("answer") { // nothing of it came through
			one.got[2] = "to the drop: 200 dropped"
		}
		if mark := codedMark[r.how]; mark != "" {
			one.finds = []string{mark}
		}
		if r.how == "after the end" {
			one.logged = []string{"TOKEN"} // docs/rationale.md, "The standard logger says nothing"
		}
		rows = append(rows, one)
	}
	return rows
}
