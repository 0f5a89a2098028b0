package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-host/sallyport/host/experimental"
)

// sizes are how much a measurement of the network does.
type sizes struct {
	rounds   int
	gets     int   // in a round
	fetches  int   // in a round
	download int64 // bytes
	getsOnly bool
}

// measureTraffic compares a Go guest's requests, downloads and mail to what a
// native client does with the same servers.
func measureTraffic(ctx context.Context, s sizes) (string, error) {
	n, err := newNetwork(ctx)
	if err != nil {
		return "", err
	}
	defer n.sources.close()
	defer n.host.Close(ctx)
	var b strings.Builder
	parts := []func(context.Context, sizes, *strings.Builder) error{n.measureGets, n.measureDownloads, n.measureMemory, n.measureMail}
	if s.getsOnly {
		parts = parts[:1]
	}
	for _, part := range parts {
		if err := part(ctx, s, &b); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func (n *network) measureGets(ctx context.Context, s sizes, b *strings.Builder) error {
	fmt.Fprintf(b, "## A request from a guest\n\nA GET of %d KiB of JSON over TLS from a server in the same process, on a connection that stands: its head written, its body read\n"+
		"whole. *native* is `net/http`'s client; *bare* is a Go guest on bare wazero, nothing of it stoppable, whose host function does what the\n"+
		"native client does and reads the body into the guest's memory; *sallyport* is a Go guest through the SDK, stopped when it only computes, with\n"+
		"every check, the audit log, a credential put into `Authorization`, and the guard looking for %d live ones in the answer. p50 of %d.\n\n"+
		"| | native, µs | bare, µs | sallyport, µs | of native | of bare |\n|---|---|---|---|---|---|\n", itemBytes>>10, liveSecrets, s.gets)
	http1, _ := url("https", n.sources.http1.Listener.Addr())
	http2, _ := url("https", n.sources.http2.Listener.Addr())
	j := job{work: "get", url: http1 + "/item", times: s.gets, live: liveSecrets, bytes: itemBytes}
	open, second := j, j
	open.url, open.live, second.url = http1+"/open/item", 0, http2+"/item"
	w, err := n.newGetWays(ctx, j)
	if err != nil {
		return err
	}
	defer w.close(ctx)
	rows := []getRow{
		{"HTTP/1.1", j, func() (time.Duration, error) { return guest(ctx, n.installed, j) }},
		{"HTTP/1.1, a Go guest that nothing stops", j, func() (time.Duration, error) { return guest(ctx, w.stored, j) }},
		{"HTTP/1.1, the same, no credential stored and so no guard", open, func() (time.Duration, error) { return guest(ctx, w.nothing, open) }},
		{"HTTP/1.1, a small guest, mean", j, w.small.get},
		{"HTTP/2", second, func() (time.Duration, error) { return guest(ctx, n.installed, second) }},
	}
	us := func(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d.Nanoseconds())/1000) }
	for _, row := range rows {
		m, err := inTurns(s.rounds, func() (time.Duration, error) { return n.native(ctx, row.job) },
			func() (time.Duration, error) { return w.bare.get(ctx, row.job) }, row.guest)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | **%s** | %s |\n", row.name, us(m[0]), us(m[1]), us(m[2]), ratio(m[2], m[0]), ratio(m[2], m[1]))
	}
	b.WriteString("\nThe small guest is some hundred bytes of WebAssembly that make the same host calls: what it takes is the host's. What a Go guest takes\n" +
		"beside it is the SDK in WebAssembly, which writes the request's head, reads the answer's and makes room for the body, several times as\n" +
		"slowly as native code, and slower yet between two waits for the network than in a loop, as its code and memory leave the caches meanwhile.\n" +
		"The bare guest shows that this is no limit of wazero's: it has one call, which does all of that natively, and looks at nothing.\n\n")
	return nil
}

// getRow is one way to send a request from a guest.
type getRow struct {
	name  string
	job   job
	guest func() (time.Duration, error)
}

// getWays are the connectors that send them, each in a host of its own.
type getWays struct {
	stored, nothing *installed // with secrets, and without; nothing stops them
	small           *smallGets
	bare            *bareGets
}

func (n *network) newGetWays(ctx context.Context, j job) (w *getWays, err error) {
	free := experimental.WithoutInterruption(ctx)
	w = &getWays{}
	if w.stored, err = n.install(free, n.module); err == nil {
		w.nothing, err = install(free, n.config, n.manifest, n.module, nil)
	}
	if err == nil {
		w.small, err = n.smallGets(ctx, j)
	}
	if err == nil {
		w.bare, err = n.bareGets(ctx)
	}
	if err != nil {
		w.close(ctx)
		return nil, err
	}
	return w, nil
}

func (w *getWays) close(ctx context.Context) {
	for _, in := range []*installed{w.stored, w.nothing} {
		if in != nil {
			in.host.Close(ctx)
		}
	}
	if w.small != nil {
		w.small.close()
	}
	if w.bare != nil {
		w.bare.runtime.Close(ctx)
	}
}

func (n *network) download(text string, bytes int64, live int) job {
	at, _ := url("https", n.sources.http1.Listener.Addr())
	if live == 0 {
		at += "/open"
	}
	return job{work: "download", url: fmt.Sprintf("%s/%s?bytes=%d", at, text, bytes), times: 1, live: live, bytes: bytes}
}

func (n *network) measureDownloads(ctx context.Context, s sizes, b *strings.Builder) error {
	rounds := max(1, s.rounds/2)
	fmt.Fprintf(b, "## A large download\n\n%d MiB over TLS and HTTP/1.1, read in pieces of 64 KiB to the end; with a credential unless it says otherwise, and %d live\n"+
		"ones that the guard looks for. Server, host and guest share the CPUs. Medians of %d rounds.\n\n"+
		"| | native, MB/s | sallyport, MB/s | share of native |\n|---|---|---|---|\n", s.download>>20, liveSecrets, rounds)
	speed := func(d time.Duration) string { return fmt.Sprintf("%.0f", float64(s.download)/1e6/d.Seconds()) }
	for _, row := range []struct {
		name, text string
		live       int
	}{
		{"JSON", "JSON", liveSecrets},
		{"mail", "mail", liveSecrets},
		{"binary", "binary", liveSecrets},
		{"JSON, no credential, no guard", "JSON", 0},
	} {
		native, guests, err := n.compare(ctx, rounds, n.download(row.text, s.download, row.live))
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "| %s | %s | %s | **%.0f %%** |\n", row.name, speed(native), speed(guests), 100*native.Seconds()/guests.Seconds())
	}
	b.WriteString("\n")
	return nil
}

// measureMemory shows that a download takes no more memory when it is larger.
func (n *network) measureMemory(ctx context.Context, s sizes, b *strings.Builder) error {
	b.WriteString("How far memory rose meanwhile above where it was, the server's and the guest's own with it, MiB:\n\n" +
		"| download | native, heap | native, resident | sallyport, heap | sallyport, resident |\n|---|---|---|---|---|\n")
	mib := func(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }
	for _, bytes := range []int64{s.download / 16, s.download, 4 * s.download} {
		j := n.download("JSON", bytes, liveSecrets)
		native, err := peak(func() error { _, err := n.native(ctx, j); return err })
		if err != nil {
			return err
		}
		ours, err := peak(func() error { _, err := guest(ctx, n.installed, j); return err })
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "| %d MiB | %s | %s | %s | %s |\n", bytes>>20, mib(native.heap), mib(native.resident), mib(ours.heap), mib(ours.resident))
	}
	b.WriteString("\n")
	return nil
}

func (n *network) measureMail(ctx context.Context, s sizes, b *strings.Builder) error {
	at, _ := url("imaps", n.sources.imap.Addr())
	native, guests, err := n.compare(ctx, s.rounds, job{work: "fetch", url: at, times: s.fetches, live: liveSecrets, bytes: messageBytes})
	if err != nil {
		return err
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000) }
	fmt.Fprintf(b, "## Mail\n\n`FETCH 1 BODY.PEEK[]` of a message of 1 MiB from a scripted IMAP server over TLS, through `sallyport:stream/v1` with the guard on, and\n"+
		"by the same code on a `tls.Conn`. p50 of %d.\n\n| | native, ms | sallyport, ms | ratio |\n|---|---|---|---|\n| FETCH | %s | %s | **%s** |\n\n",
		s.fetches, ms(native), ms(guests), ratio(guests, native))
	return nil
}
