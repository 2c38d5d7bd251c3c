package outbound

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyThePublicInternetIsPublic(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1": "loopback", "127.255.255.255": "loopback", "::1": "loopback", "0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "::": "unspecified",
		"10.0.0.0": "private", "10.255.255.255": "private", "172.16.0.1": "private", "172.31.255.255": "private", "192.168.1.1": "private",
		"fc00::1": "private", "fdff::1": "private", "fd00:ec2::254": "private", "fec0::1": "private", "100.64.0.1": "carrier-grade NAT", "100.127.255.255": "carrier-grade NAT",
		"100.100.100.200": "carrier-grade NAT", "169.254.169.254": "link-local", "169.254.0.1": "link-local", "fe80::1": "link-local", "fe80::1%eth0": "link-local",
		"168.63.129.16": "metadata", "192.0.0.192": "reserved", "192.0.2.1": "documentation", "198.18.0.1": "benchmarking", "198.19.255.255": "benchmarking", "198.51.100.1": "documentation",
		"203.0.113.1": "documentation", "192.88.99.1": "6to4 relay", "224.0.0.1": "multicast", "239.255.255.255": "multicast", "ff02::1": "multicast", "240.0.0.1": "reserved",
		"255.255.255.255": "broadcast",
		// IPv4 in IPv6.
		"::ffff:127.0.0.1": "loopback", "::ffff:a9fe:a9fe": "link-local", "::ffff:10.0.0.1": "private", "64:ff9b::7f00:1": "loopback", "64:ff9b::169.254.169.254": "link-local",
		"64:ff9b::a00:1": "private", "64:ff9b:1::a00:1": "reserved", "2002:7f00:1::": "6to4", "2002:a9fe:a9fe::1": "6to4", "2002:808:808::1": "6to4", "::127.0.0.1": "reserved",
		"::ffff:0:127.0.0.1": "reserved", "2001::1": "reserved", "2001:0:53aa:64c:0:0:80ff:fffe": "reserved", "2001:db8::1": "documentation", "3fff::1": "documentation", "100::1": "reserved", "5f00::1": "reserved",
		"4000::1": "reserved",
		// What is public.
		"1.1.1.1": "", "8.8.8.8": "", "9.255.255.255": "", "11.0.0.0": "", "100.63.255.255": "", "100.128.0.0": "", "126.255.255.255": "", "128.0.0.1": "", "169.253.255.255": "",
		"172.15.255.255": "", "172.32.0.0": "", "192.167.255.255": "", "198.17.255.255": "", "198.20.0.0": "", "223.255.255.255": "",
		"2606:4700::1111": "", "2001:4860:4860::8888": "", "2a00:1450::1": "", "64:ff9b::808:808": "", "::ffff:8.8.8.8": "",
	} {
		require.Equal(t, want, kindOf(netip.MustParseAddr(address)), address)
	}
}

func FuzzAddresses(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{15: 1})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		address, ok := netip.AddrFromSlice(raw)
		if !ok || kindOf(address) != "" {
			return
		}
		plain := address.Unmap()
		require.False(t, plain.IsPrivate() || plain.IsLoopback() || plain.IsLinkLocalUnicast() || plain.IsMulticast() || plain.IsUnspecified(), "%s", address)
		require.True(t, plain.IsGlobalUnicast() || address.Is6(), "%s", address)
	})
}
