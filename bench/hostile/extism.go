package hostile

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	extism "github.com/extism/go-sdk"
)

// extismVersion is what go.mod pins.
const extismVersion = "v1.7.1"

// playExtism plays a trick as an Extism plug-in. The value is in the plug-in's
// configuration, which is where Extism has secrets.
func playExtism(ctx context.Context, n *network, module []byte, name string) (s seen) {
	n.take()
	// Extism sends with net/http's default client.
	before := http.DefaultTransport
	http.DefaultTransport = n.transport()
	defer func() { http.DefaultTransport = before }()

	manifest := extism.Manifest{
		Wasm:         []extism.Wasm{extism.WasmData{Data: module}},
		AllowedHosts: []string{hosts["home"], hosts["drop"]},
		Config:       map[string]string{"TOKEN": canary},
		Timeout:      uint64(time.Minute.Milliseconds()),
	}
	plugin, err := extism.NewPlugin(ctx, manifest, extism.PluginConfig{EnableWasi: true}, nil)
	if err != nil {
		return seen{err: err}
	}
	defer func() { _ = plugin.Close(ctx) }()
	var mu sync.Mutex
	var logs strings.Builder
	extism.SetLogLevel(extism.LogLevelInfo)
	plugin.SetLogger(func(_ extism.LogLevel, line string) {
		mu.Lock()
		defer mu.Unlock()
		logs.WriteString(line + "\n")
	})
	in, err := json.Marshal(map[string]any{"Trick": name, "At": map[string]string{
		"Home": n.url("home"), "Drop": n.url("drop"), "Evil": n.url("evil"), "Plain": n.url("plain"), "Local": n.url("local"), "Port": n.url("port"),
	}})
	if err != nil {
		return seen{err: err}
	}
	_, out, err := plugin.CallWithContext(ctx, "play", in)
	s = seen{servers: n.take(), out: string(out), err: err}
	for _, kept := range plugin.Var {
		s.out += "\n" + string(kept)
	}
	mu.Lock()
	defer mu.Unlock()
	s.logs = logs.String()
	return s
}
