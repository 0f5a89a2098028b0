package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func lookupOf(addrs ...string) Lookup {
	return func(context.Context, string) ([]netip.Addr, error) {
		var out []netip.Addr
		for _, a := range addrs {
			out = append(out, netip.MustParseAddr(a))
		}
		return out, nil
	}
}

func TestSpecialAddressesAreRefused(t *testing.T) {
	for _, addr := range []string{
		"127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
		"100.64.0.1", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255",
		"::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1",
	} {
		for form, try := range map[string]struct {
			host   string
			lookup Lookup
		}{
			"literal":  {addr, nil},
			"resolved": {"source.example", lookupOf(addr)},
			"among":    {"source.example", lookupOf("93.184.215.14", addr)},
		} {
			d := NewDialer(nil, try.lookup)
			_, err := d.addresses(t.Context(), try.host, 443)
			var refused *AddressError
			if !errors.As(err, &refused) || !errors.Is(err, ErrAddress) || refused.Host != try.host {
				t.Errorf("%s %s: %v, want an AddressError for %s", form, addr, err, try.host)
			}
		}
	}
	got, err := NewDialer(nil, lookupOf("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")).addresses(t.Context(), "source.example", 443)
	if err != nil || len(got) != 2 {
		t.Errorf("public addresses: %v, %v", got, err)
	}
}

func TestZonedAddressIsRefused(t *testing.T) {
	_, err := NewDialer(nil, nil).addresses(t.Context(), "2606:2800::1%eth0", 443)
	if !errors.Is(err, ErrAddress) {
		t.Errorf("%v, want ErrAddress", err)
	}
}

func TestExceptionIsForThatNameAndAddressOnly(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	at := netip.MustParseAddrPort(srv.Listener.Addr().String())
	d := NewDialer(Exceptions{"example.com": {at}}, func(context.Context, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "no such host"}
	})
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	client := http.Client{Transport: NewTransport(d, roots)}
	defer client.CloseIdleConnections()
	port := ":" + itoa(at.Port())

	res, err := client.Get("https://example.com" + port)
	if err != nil || res.StatusCode != 204 {
		t.Fatalf("the excepted name: %v", err)
	}
	_ = res.Body.Close()
	for _, u := range []string{"https://example.com:1/", "https://" + srv.Listener.Addr().String(), "https://localhost" + port, "https://sub.example.com" + port} {
		if _, err := client.Get(u); err == nil {
			t.Errorf("%s: reached through another name's exception", u)
		}
	}
	strange := http.Client{Transport: NewTransport(d, x509.NewCertPool())}
	if _, err := strange.Get("https://example.com" + port); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v, want a certificate error", err)
	}
}

func TestProxyEnvironmentIsIgnored(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:9")
	if NewTransport(NewDialer(nil, nil), nil).Proxy != nil {
		t.Error("the transport has a proxy")
	}
}

func itoa(p uint16) string {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), p).String()[len("0.0.0.0:"):]
}
