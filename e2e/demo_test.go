package e2e_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sallyport-host/sallyport/e2e/internal/demo"
)

// TestDemo: the demo, which fails when a step of it ends otherwise than it
// says, tells its story, and paints only where it is told to.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := demo.Run(t.Context(), &out, false, built); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	text := out.String()
	for _, want := range []string{
		"$ sallyport init", "$ sallyport vault set contacts APP_PASSWORD --stdin < password.txt", "$ sallyport disclose contacts",
		"$ sallyport grant approve contacts", "$ sallyport run contacts", "Ada Lovelace", "$ sallyport grant revoke contacts", "exit code 3",
		"$ sallyport run nosy", "read the environment", "$ sallyport audit verify", "What you saw",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("the demo paints where nobody looks")
	}
	if t.Failed() {
		t.Log(text)
	}
}
