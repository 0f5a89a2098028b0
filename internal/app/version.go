package app

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/abi"
)

// Version is what the program was built from.
type Version struct {
	next
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	ABI      int    `json:"abi"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Text writes one line.
func (v Version) Text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "sallyport %s (abi %d, %s, %s)\n", v.Version, v.ABI, v.Go, v.Platform)
	return err
}

// ReadVersion asks the binary.
func ReadVersion() Version {
	v := Version{Version: "devel", ABI: abi.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if m := strings.Trim(info.Main.Version, "()"); m != "" {
		v.Version = m
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}

// ParseSpan reads a time to come as --expires takes it: Go's durations, and
// days and weeks, as in 30d or 2w.
func ParseSpan(s string) (time.Duration, error) {
	const day = 24 * time.Hour
	for suffix, unit := range map[string]time.Duration{"d": day, "w": 7 * day} {
		digits, ok := strings.CutSuffix(s, suffix)
		if !ok {
			continue
		}
		var n int64
		if _, err := fmt.Sscanf(digits, "%d", &n); err == nil && fmt.Sprint(n) == digits && n > 0 && n < maxDays {
			return time.Duration(n) * unit, nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return d, nil
	}
	return 0, usage("--expires %s: write a time to come like 12h, 30d or 2w", s)
}

// maxDays keeps weeks inside of what a duration holds.
const maxDays = 10_000
