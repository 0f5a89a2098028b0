//go:build wasip1

// Command guest is the hostile suite's guest: one wasm module that plays the
// trick its options name. It calls the ABI with bare hands, as no SDK would,
// and notes what it got in its own memory.
package main

import (
	"encoding/json"
	"fmt"
)

type start struct {
	State   map[string]json.RawMessage `json:"state"`
	Options struct {
		Trick, Form, Exit string
		Home, Drop, Mail  string
	} `json:"options"`
}

// s is what the run was started with.
var s start

//go:wasmexport sallyport_abi
func abiVersion() int32 { return 1 }

//go:wasmexport sallyport_run
func run() int32 {
	text, r := out(1024, input)
	if r != 0 || json.Unmarshal([]byte(text), &s) != nil {
		return 2
	}
	trick, ok := tricks[s.Options.Trick]
	if !ok {
		return 3
	}
	trick()
	return conclude()
}

// conclude says that all went well, whatever did.
func conclude() int32 {
	say(fmt.Sprintf(`{"type":"DONE","status":"succeeded","records_emitted":%d}`, records))
	return 0
}

func main() {}

// tricks are the suite, by name.
var tricks = map[string]func(){}

// add puts one part of the suite together with the others.
func add(part map[string]func()) bool {
	for name, trick := range part {
		tricks[name] = trick
	}
	return true
}
