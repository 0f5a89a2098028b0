package egress

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

// never fails the test when a name is looked up.
func never(t *testing.T) Lookup {
	return func(context.Context, string) ([]netip.Addr, error) {
		t.Error("it was looked up")
		return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, nil
	}
}

func TestHostsRefusedWithoutALookup(t *testing.T) {
	for _, host := range []string{
		// addresses as inet_aton and browsers read them, of this machine and of others
		"2130706433", "134744072", "0177.0.0.1", "0x7f.1", "0x7f000001", "127.1", "127.0.1", "8.8", "0", "0x", "0x0", "1.2.3.4.5",
		"127.0.0.01", "127.0.0.256", "00000177.1", "10.0.0.0x1", "source.example.0x7f",
		// IPv4 in IPv6, zones
		"::ffff:127.0.0.1", "::ffff:93.184.215.14", "fe80::1%eth0", "2606:2800::1%eth0", "fe80::1%25eth0", "[::1]", "::1]",
		// this machine by name
		"localhost", "a.localhost", "a.b.localhost", "localhost.", "LOCALHOST", "Localhost",
		// other spellings of a name
		"source.example.", ".", "", "source..example", ".source.example", "SOURCE.example", "ｌocalhost", "１２７.0.0.1", "127。0。0。1",
		"source.example\x00.evil.example", "source.example/", "source.example@evil.example", "source.example%2e", "source example", "*.example", "a:b",
	} {
		_, err := NewDialer(nil, never(t)).addresses(t.Context(), host, 443)
		if !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v, want ErrAddress", host, err)
		}
	}
}

func TestHostsThatLookLikeAddressesAreNames(t *testing.T) {
	for _, host := range []string{"1password.com", "0xen.example", "127.0.0.1.nip.example", "0x7f.example", "_srv.example", "localhost.example", "mylocalhost", "xn--bcher-kva.example"} {
		got, err := NewDialer(nil, lookupOf("93.184.215.14")).addresses(t.Context(), host, 443)
		if err != nil || len(got) != 1 {
			t.Errorf("%q: %v, %v", host, got, err)
		}
	}
}

func TestSpecialAddressesBeyondTheRegistries(t *testing.T) {
	s := newSpecial()
	for why, addrs := range map[string][]string{
		"metadata":        {"169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "::ffff:168.63.129.16"},
		"IPv4-compatible": {"::7f00:1", "::a00:1", "::5db8:d70e"},
		"NAT64":           {"64:ff9b::a00:1", "64:ff9b::5db8:d70e", "64:ff9b:1::1", "64:ff9b:1:7f00:1::"},
		"6to4":            {"2002:a00:1::1", "2002:a9fe:a9fe::"},
		"Teredo":          {"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"},
		"ISATAP":          {"2606:2800::5efe:a00:1", "2606:2800::200:5efe:7f00:1", "2606:2800::100:5efe:7f00:1", "2606:2800::300:5efe:c0a8:1"},
		"multicast":       {"224.0.0.251", "239.255.255.250", "ff05::2"},
		"reserved":        {"240.0.0.1", "255.255.255.255", "4000::1", "5f00::1", "100::1", "3fff::1", "2001:20::1"},
		"broadcast":       {"0.0.0.0", "0.1.2.3"},
	} {
		for _, a := range addrs {
			if !s.refuses(netip.MustParseAddr(a)) {
				t.Errorf("%s: %s passes", why, a)
			}
		}
	}
	if !s.refuses(netip.Addr{}) {
		t.Error("no address passes")
	}
	for _, a := range []string{"93.184.215.14", "168.63.129.17", "::ffff:93.184.215.14", "2606:2800:21f::5eff:1", "2a00:1450:4001:81b::200e", "2606:2800::400:5efe:a00:1"} {
		if s.refuses(netip.MustParseAddr(a)) {
			t.Errorf("%s is refused", a)
		}
	}
}

func FuzzHostFault(f *testing.F) {
	for _, h := range []string{"source.example", "127.1", "::1", "localhost", "2606:2800::1", "0x7f", "a..b"} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if hostFault(host) != "" {
			return
		}
		if a, err := netip.ParseAddr(host); err == nil {
			if a.Zone() != "" || a.Is4In6() {
				t.Fatalf("%q passes", host)
			}
			return
		}
		last := host[len(host)-1]
		if last == '.' || len(host) > maxHostBytes {
			t.Fatalf("%q passes", host)
		}
		for i := range len(host) {
			if c := host[i]; c <= ' ' || c >= 0x7f || 'A' <= c && c <= 'Z' {
				t.Fatalf("%q passes", host)
			}
		}
	})
}
