package cookies

import (
	"encoding/json"
	"slices"
	"time"
)

// Merge returns what is stored now with what the source has set in j since j
// was loaded, and whether that makes a difference. stored may have been changed
// meanwhile by another jar that was loaded with the same state, last at
// storedAt: a cookie that both have changed is the one that was set later, and
// all else is kept. at is when the newest of what was taken over was set.
//
// A session without a cookie is over: it is no difference.
func (j *Jar) Merge(stored State, storedAt time.Time) (text []byte, at time.Time, differs bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	base, ours, theirs := byKey(j.base.Cookies), byKey(j.all), byKey(stored.Cookies)
	merged := slices.Clone(stored.Cookies)
	for k, when := range j.changes {
		mine, kept := ours[k]
		there, was := theirs[k]
		before, had := base[k]
		untouched := was == had && there == before
		switch {
		case kept == was && (!kept || mine == there): // there is no difference
			continue
		case !untouched && !when.After(storedAt):
			continue
		}
		differs = true
		if when.After(at) {
			at = when
		}
		merged = slices.DeleteFunc(merged, func(c Cookie) bool { return c.key() == k })
		if kept {
			merged = append(merged, mine)
		}
	}
	if !differs || len(merged) == 0 || len(merged) > MaxCookies {
		return nil, time.Time{}, false
	}
	next := State{Cookies: merged, Origins: stored.Origins}
	if next.Origins == nil {
		next.Origins = []json.RawMessage{}
	}
	text, err := json.Marshal(next)
	return text, at, err == nil
}

func byKey(all []Cookie) map[key]Cookie {
	m := make(map[key]Cookie, len(all))
	for _, c := range all {
		m[c.key()] = c
	}
	return m
}
