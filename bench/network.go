package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/bench/internal/work"
	"github.com/sallyport-host/sallyport/host"
)

// liveSecrets is how many credentials are live in a run, all of which the
// guard looks for in every answer; the first is the one that is sent.
const liveSecrets = 10

// network is a connector that uses the network, and its native twin.
type network struct {
	*installed
	sources  *sources
	client   *http.Client
	config   host.Config
	manifest string
	module   []byte
	secrets  map[string]string
}

func newNetwork(ctx context.Context) (*network, error) {
	rnd := rand.New(rand.NewPCG(7, 7))
	secrets := map[string]string{}
	for i := range liveSecrets {
		secrets[secretName(i)] = randomValue(rnd, 20+2*i)
	}
	s, err := startSources(secrets[secretName(0)])
	if err != nil {
		return nil, err
	}
	config, origins := host.NewConfig().WithRootCAs(s.roots), []string{}
	for at, scheme := range map[net.Addr]string{s.http1.Listener.Addr(): "https", s.http2.Listener.Addr(): "https", s.imap.Addr(): "imaps"} {
		origin, addr := url(scheme, at)
		config, origins = config.WithAddressException(sourceName, addr), append(origins, origin)
	}
	n := &network{sources: s, client: &http.Client{Transport: s.transport()}, config: config, secrets: secrets,
		manifest: networkManifest(slices.Sorted(maps.Keys(secrets)), origins)}
	if n.module, err = buildGuest("./netguest"); err == nil {
		n.installed, err = n.install(ctx, n.module)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return n, nil
}

// install has another connector use the same network.
func (n *network) install(ctx context.Context, module []byte) (*installed, error) {
	return install(ctx, n.config, n.manifest, module, n.secrets)
}

func secretName(i int) string { return fmt.Sprintf("SECRET_%d", i) }

// transport is what a native client has: net/http's, with a way to the sources.
func (s *sources) transport() *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			var d net.Dialer
			return d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
		TLSClientConfig:    &tls.Config{RootCAs: s.roots},
		ForceAttemptHTTP2:  true,
		DisableCompression: true,
	}
}

func networkManifest(names, origins []string) string {
	type object = map[string]any
	credentials, egress, sendTo := object{}, []object{}, []object{}
	for _, o := range origins {
		if strings.HasPrefix(o, "imaps:") {
			egress, sendTo = append(egress, object{"origin": o}), append(sendTo, object{"origin": o, "as": "imap"})
			continue
		}
		egress = append(egress, object{"origin": o, "paths": []string{"/**"}})
		sendTo = append(sendTo, object{"origin": o, "paths": []string{"/**"}, "as": "header:Authorization"})
	}
	for _, name := range names {
		credentials[name] = object{"type": "string", "class": "long_lived_token", "obtained_via": []string{"user"}, "send_to": sendTo}
	}
	text, err := json.Marshal(object{
		"protocol_version": "0.1.0", "connector_id": "https://example.org/connectors/network", "connector_key": "network", "version": "1.0.0", "display_name": "Network",
		"runtime_requirements": object{"bindings": object{"network": object{"required": true}}},
		"options_schema": object{"type": "object", "properties": object{
			"work": object{"type": "string"}, "url": object{"type": "string"}, "times": object{"type": "integer"}, "live": object{"type": "integer"}}},
		"credentials_schema": object{"type": "object", "properties": credentials},
		"egress":             egress,
		"limits":             object{"memory_mib": 256, "wall": "PT10M"},
		"modules":            object{"collector": object{"path": "collector.wasm"}},
		"streams": []object{{"name": "took", "semantics": "append_only", "primary_key": []string{"id"}, "schema": object{"type": "object", "required": []string{"id"},
			"properties": object{"id": object{"type": "string"}, "bytes": object{"type": "integer"}, "nanoseconds": object{"type": "array", "items": object{"type": "integer"}}}}}},
	})
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(text)
}

// job is something done times over, by the guest or natively.
type job struct {
	work  string
	url   string
	times int
	live  int   // credentials; without one the request carries none
	bytes int64 // of each time
}

// guest has a connector do a job, and returns the median.
func guest(ctx context.Context, in *installed, j job) (time.Duration, error) {
	if err := in.approve(map[string]any{"work": j.work, "url": j.url, "times": j.times, "live": j.live}); err != nil {
		return 0, err
	}
	sink := &host.MemorySink{}
	if err := in.run(ctx, sink); err != nil {
		return 0, err
	}
	var record struct {
		Data struct {
			Nanoseconds []time.Duration
			Bytes       int64
		}
	}
	lines := sink.Lines("took")
	if len(lines) != 1 {
		return 0, fmt.Errorf("%s: %d records, want one", j.work, len(lines))
	}
	if err := json.Unmarshal([]byte(lines[0]), &record); err != nil {
		return 0, err
	}
	if record.Data.Bytes < j.bytes*int64(j.times) || len(record.Data.Nanoseconds) != j.times {
		return 0, fmt.Errorf("%s: %d bytes in %d times, want %d times %d", j.work, record.Data.Bytes, len(record.Data.Nanoseconds), j.times, j.bytes)
	}
	return work.Quantile(record.Data.Nanoseconds, 0.5), nil
}

// native does a job without Sallyport, and returns the median.
func (n *network) native(ctx context.Context, j job) (time.Duration, error) {
	do := func() error { return n.nativeRequest(ctx, j, work.Drain) }
	timed := work.Once
	switch j.work {
	case "get":
		timed = work.Timed
		do = func() error {
			return n.nativeRequest(ctx, j, func(r io.Reader) (int64, error) {
				body, err := io.ReadAll(r)
				return int64(len(body)), err
			})
		}
	case "fetch":
		conn, err := tls.Dial("tcp", n.sources.imap.Addr().String(), &tls.Config{RootCAs: n.sources.roots, ServerName: sourceName})
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		mailbox, err := work.Login(conn, "owner@example.com", n.sources.password)
		if err != nil {
			return 0, err
		}
		timed = work.Timed
		do = func() error { _, err := mailbox.Fetch(); return err }
	}
	took, err := timed(j.times, do)
	if err != nil {
		return 0, err
	}
	return work.Quantile(took, 0.5), nil
}

func (n *network) nativeRequest(ctx context.Context, j job, drain func(io.Reader) (int64, error)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url, nil)
	if err != nil {
		return err
	}
	if j.live > 0 {
		req.Header.Set("Authorization", "Bearer "+n.sources.password)
	}
	res, err := n.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch got, err := drain(res.Body); {
	case err != nil:
		return err
	case res.StatusCode != http.StatusOK || got != j.bytes:
		return fmt.Errorf("status %d, %d bytes, want %d", res.StatusCode, got, j.bytes)
	}
	return nil
}

// compare does a job natively and by the guest, in turns.
func (n *network) compare(ctx context.Context, rounds int, j job) (native, guests time.Duration, err error) {
	m, err := inTurns(rounds,
		func() (time.Duration, error) { return n.native(ctx, j) },
		func() (time.Duration, error) { return guest(ctx, n.installed, j) })
	if err != nil {
		return 0, 0, fmt.Errorf("%s %s: %w", j.work, j.url, err)
	}
	return m[0], m[1], nil
}
