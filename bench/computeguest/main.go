//go:build wasip1

// Command computeguest is bench's guest that computes, in Go.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"unsafe"
)

//go:wasmimport sallyport:run/v1 emit
func emit(p, n uint32) int64

// job is set at build time.
var job = "sha256"

var done = []byte(`{"type":"DONE","status":"succeeded","records_emitted":0}`)

//go:wasmexport sallyport_abi
func abiVersion() int32 { return 1 }

//go:wasmexport sallyport_run
func run() int32 {
	switch job {
	case "sha256":
		hash()
	case "json":
		decode()
	default:
		mix()
	}
	emit(uint32(uintptr(unsafe.Pointer(unsafe.SliceData(done)))), uint32(len(done)))
	return 0
}

var sink int

func hash() {
	block := make([]byte, 1<<20)
	for range 12 {
		sum := sha256.Sum256(block)
		copy(block, sum[:])
	}
	sink += int(block[0])
}

type contact struct {
	ID     int      `json:"id"`
	Name   string   `json:"name"`
	Emails []string `json:"emails"`
	Note   string   `json:"note"`
}

func decode() {
	var all []contact
	for i := range 600 {
		all = append(all, contact{i, fmt.Sprint("Name ", i), []string{"a@example.com", "b@example.com"}, strings.Repeat("note \"x\" ", 6)})
	}
	for range 12 {
		text, _ := json.Marshal(all)
		var back []contact
		_ = json.Unmarshal(text, &back)
		sink += len(back)
	}
}

func mix() {
	words := map[string]int{}
	for i := range 160_000 {
		words[fmt.Sprintf("word%d", i*7919%5003)] += i
	}
	keys := make([]string, 0, len(words))
	for k := range words {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	text := strings.Join(keys, " ")
	for range 40 {
		sink += len(strings.Fields(strings.ToUpper(text)))
	}
}

func main() {}
