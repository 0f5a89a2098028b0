package main

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strings"
)

// A host takes a cursor of 1 MiB. What is larger is shrunk, the largest books
// first, in steps; each gives up something that the step before it kept:
//
//	packed  nothing, but that a person could read it
//	hashed  the cards' names: who is gone cannot be named, unless the server
//	        does; what has changed is still known
//	short   the cards: of contacts only a token is left. The groups are read
//	        anew each time, and what was emitted of them is known
//	lost    of contact_groups: which groups were emitted
const (
	// maxCursor is how large a cursor may be, in bytes of JSON.
	maxCursor = 1000 << 10
	// maxUnpacked bounds what a packed part of a cursor unfolds to.
	maxUnpacked = 32 << 20
)

var errCursor = errors.New("the cursor is damaged")

// fit returns the cursor's JSON, shrunk until it has at most that many bytes.
func (c *cursor) fit(most int, groups bool) ([]byte, error) {
	whole, small := maps.Clone(c.Books), cursor{Version: cursorVersion, Books: maps.Clone(c.Books)}
	sizes, total := map[string]int{}, 0
	measure := func(url string) error {
		raw, err := json.Marshal(map[string]*progress{url: small.Books[url]})
		total += len(raw) - sizes[url]
		sizes[url] = len(raw)
		return err
	}
	for url, p := range c.Books {
		if p.hashes != nil {
			whole[url] = p.hashed()
			small.Books[url] = whole[url]
		}
		if err := measure(url); err != nil {
			return nil, err
		}
	}
	const frame = 64 // what stands around the books
	for _, step := range []func(url string, p *progress) (*progress, error){
		func(_ string, p *progress) (*progress, error) { return p.packed() },
		func(_ string, p *progress) (*progress, error) { return p.hashed().packed() },
		func(url string, p *progress) (*progress, error) { return p.short(url, groups), nil },
		func(_ string, p *progress) (*progress, error) { return p.lost(groups), nil },
	} {
		for _, url := range slices.SortedFunc(maps.Keys(sizes), func(a, b string) int {
			return cmp.Or(cmp.Compare(sizes[b], sizes[a]), cmp.Compare(a, b))
		}) {
			if total+frame <= most {
				break
			}
			var err error
			if small.Books[url], err = step(url, whole[url]); err != nil {
				return nil, err
			}
			if err := measure(url); err != nil {
				return nil, err
			}
		}
	}
	return json.Marshal(small)
}

// packed deflates what is known of cards.
func (p *progress) packed() (*progress, error) {
	out := *p
	raw, err := json.Marshal(progress{Cards: p.Cards, Tagged: p.Tagged, Groups: p.Groups})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	out.Cards, out.Tagged, out.Groups, out.Packed = nil, nil, nil, b.Bytes()
	return &out, nil
}

// hashed keeps hashes of the cards' names, and of their versions' digests.
func (p *progress) hashed() *progress {
	out := *p
	h := p.hashes
	if h == nil && len(p.Cards) == 0 {
		return &out
	}
	if h == nil {
		h = hashes{}
		for name, seen := range p.Cards {
			version, marked := strings.CutPrefix(seen, groupMark)
			h.set(name, version, !marked)
		}
	}
	out.Cards, out.hashes, out.Hashed = nil, nil, h.bytes()
	return &out
}

// short keeps a token or, of groups, what was emitted: a token is of no use to
// these without the cards.
func (p *progress) short(url string, groups bool) *progress {
	if groups {
		return &progress{Forgot: true, Emitted: p.emittedGroups(url)}
	}
	return &progress{Forgot: true, Token: p.Token}
}

func (p *progress) lost(groups bool) *progress {
	if groups {
		return &progress{Forgot: true, Lost: true}
	}
	return &progress{Forgot: true, Token: p.Token}
}

// unpack undoes fit, as far as it can be undone.
func (c *cursor) unpack() error {
	for url, p := range c.Books {
		if p == nil {
			return errCursor
		}
		if err := p.unpack(); err != nil {
			return fmt.Errorf("%w: %s", err, url)
		}
		if p.Cards == nil && p.hashes == nil {
			p.Forgot = true // an older connector kept a token alone, and did not say so
		}
	}
	return nil
}

func (p *progress) unpack() error {
	if p.Packed != nil {
		raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(p.Packed)), maxUnpacked))
		if err != nil {
			return errCursor
		}
		var in progress
		if err := json.Unmarshal(raw, &in); err != nil {
			return errCursor
		}
		p.Cards, p.Tagged, p.Groups, p.Packed = in.Cards, in.Tagged, in.Groups, nil
	}
	if p.Hashed == nil {
		return nil
	}
	if len(p.Hashed)%hashBytes != 0 {
		return errCursor
	}
	p.hashes = hashes{}
	for entry := range slices.Chunk(p.Hashed, hashBytes) {
		p.hashes[binary.BigEndian.Uint64(append([]byte{0, 0}, entry[:6]...))] = binary.BigEndian.Uint32(entry[6:])
	}
	p.Hashed = nil
	return nil
}

// hashes holds, by 48 bits of a hash of a card's name, 31 of one of its
// version's digest; the lowest bit says that no record of contacts stands for
// it. Two of 76,000 names, about as many as fit, have the same hash in one of
// 100,000 address books; these two are then read each time.
type hashes map[uint64]uint32

const hashBytes = 6 + 4 // of one card, in a cursor

func hashName(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	sum := h.Sum64()
	return (sum ^ sum>>48) & (1<<48 - 1)
}

func hashDigest(digest string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(digest))
	return h.Sum32() &^ 1
}

func (h hashes) has(name, version string) bool {
	seen, ok := h[hashName(name)]
	return ok && seen&^1 == hashDigest(digest(version))
}

func (h hashes) emitted(name string) bool {
	seen, ok := h[hashName(name)]
	return ok && seen&1 == 0
}

func (h hashes) set(name, digest string, emitted bool) {
	value := hashDigest(digest)
	if !emitted {
		value |= 1
	}
	h[hashName(name)] = value
}

func (h hashes) drop(name string) { delete(h, hashName(name)) }

// records counts the records of contacts.
func (h hashes) records() (n int) {
	for _, seen := range h {
		if seen&1 == 0 {
			n++
		}
	}
	return n
}

func (h hashes) bytes() []byte {
	out := make([]byte, 0, len(h)*hashBytes)
	for _, name := range slices.Sorted(maps.Keys(h)) {
		out = append(out, binary.BigEndian.AppendUint64(nil, name)[2:]...)
		out = binary.BigEndian.AppendUint32(out, h[name])
	}
	return out
}
