//go:build wasip1 && extism

package main

import (
	"strconv"

	"github.com/extism/go-pdk"
)

//go:wasmimport extism:host/user add
func add(a, b uint64) uint64

func main() {}

// work does what its input says, "string 1000".
//
//go:wasmexport work
func work() int32 {
	what, count := "", pdk.InputString()
	for i := range count {
		if count[i] == ' ' {
			what, count = count[:i], count[i+1:]
			break
		}
	}
	times, err := strconv.Atoi(count)
	if err != nil {
		return 1
	}
	for i := range times {
		switch what {
		case "string":
			if s, ok := pdk.GetConfig("BENCHMARK_SECRET"); !ok || len(s) != 40 {
				return 1
			}
		case "number":
			if add(uint64(i), 1) != uint64(i)+1 {
				return 1
			}
		}
	}
	return 0
}
