package sallyport

import "slices"

// Header holds header fields by canonical name. Its underlying type is
// http.Header's.
type Header map[string][]string

// Get returns the first value of a field, "" when there is none.
func (h Header) Get(name string) string {
	if v := h[canonical(name)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Values returns all values of a field. Do not change them.
func (h Header) Values(name string) []string { return h[canonical(name)] }

// Set sets a field to one value.
func (h Header) Set(name, value string) { h[canonical(name)] = []string{value} }

// Add adds a value to a field.
func (h Header) Add(name, value string) {
	name = canonical(name)
	h[name] = append(h[name], value)
}

// Del removes a field.
func (h Header) Del(name string) { delete(h, canonical(name)) }

// names appends the fields' names, in order.
func (h Header) names(names []string) []string {
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func headerOf(pairs [][2]string) Header {
	h := make(Header, len(pairs))
	values := make([]string, len(pairs)) // one array for the many fields that have one value
	for i, p := range pairs {
		name := canonical(p[0])
		if have := h[name]; have != nil {
			h[name] = append(have, p[1])
			continue
		}
		values[i] = p[1]
		h[name] = values[i : i+1 : i+1]
	}
	return h
}

// canonical writes a name as net/http does: the first letter and those after a
// hyphen in upper case. A name that is no token is left alone, for the host
// to refuse.
func canonical(name string) string {
	upper, ok := true, true
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !tokenByte(c) {
			return name
		}
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			ok = false
		}
		upper = c == '-'
	}
	if ok {
		return name
	}
	b := []byte(name)
	upper = true
	for i, c := range b {
		switch {
		case upper && 'a' <= c && c <= 'z':
			b[i] = c - 'a' + 'A'
		case !upper && 'A' <= c && c <= 'Z':
			b[i] = c - 'A' + 'a'
		}
		upper = c == '-'
	}
	return string(b)
}

// tokenByte reports whether c may stand in a token (RFC 9110, section 5.6.2).
func tokenByte(c byte) bool {
	const (
		digits = (1<<10 - 1) << '0'
		low    = digits | 1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'.'
		upper  = (1<<26 - 1) << ('A' - 64)
		lower  = (1<<26 - 1) << ('a' - 64)
		high   = upper | lower | 1<<('^'-64) | 1<<('_'-64) | 1<<('`'-64) | 1<<('|'-64) | 1<<('~'-64)
	)
	if c < 64 {
		return uint64(low)>>c&1 != 0
	}
	return c < 128 && uint64(high)>>(c-64)&1 != 0
}
