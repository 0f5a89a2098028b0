package manifests

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var errDuration = errors.New("not a duration such as P365D, PT15M or P1DT2H")

// maxDuration bounds every duration of a manifest.
const maxDuration = 100 * 365 * 24 * time.Hour

// parseDuration reads an ISO 8601 duration of whole weeks, days, hours,
// minutes and seconds; a day is 24 hours. Years and months have no fixed
// length and are refused, and so are fractions, a sign and zero.
func parseDuration(s string) (time.Duration, error) {
	rest, ok := strings.CutPrefix(s, "P")
	if !ok {
		return 0, errDuration
	}
	date, clock, hasClock := strings.Cut(rest, "T")
	days, err := sumUnits(date, "WD", []time.Duration{7 * 24 * time.Hour, 24 * time.Hour})
	if err != nil {
		return 0, err
	}
	hours, err := sumUnits(clock, "HMS", []time.Duration{time.Hour, time.Minute, time.Second})
	if err != nil || hasClock && clock == "" {
		return 0, errDuration
	}
	if total := days + hours; total > 0 && total <= maxDuration {
		return total, nil
	}
	return 0, errDuration
}

// sumUnits reads numbers, each followed by its letter, in the order of
// letters and each letter at most once.
func sumUnits(s, letters string, units []time.Duration) (total time.Duration, err error) {
	for s != "" {
		end := strings.IndexAny(s, letters)
		if end <= 0 {
			return 0, errDuration
		}
		unit := strings.IndexByte(letters, s[end])
		n, err := strconv.ParseUint(s[:end], 10, 32)
		if err != nil || time.Duration(n) > maxDuration/units[unit] {
			return 0, errDuration
		}
		if total += time.Duration(n) * units[unit]; total > maxDuration {
			return 0, errDuration
		}
		s, letters, units = s[end+1:], letters[unit+1:], units[unit+1:]
	}
	return total, nil
}
