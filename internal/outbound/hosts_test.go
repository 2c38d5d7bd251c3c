package outbound

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAListOfHosts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		entry string
		yes   string // URLs, separated by blanks
		no    string
	}{
		{"a.example", "http://a.example https://A.Example/x http://a.example.:8080/ https://u:p@a.example",
			"http://b.a.example http://a.example.evil http://xa.example http://evil/a.example http://a.example@evil/ http://evil#a.example http://a.examplE.evil"},
		{"A.EXAMPLE.", "http://a.example", "http://b.example"},
		{"*.b.example", "http://x.b.example http://x.y.B.EXAMPLE:81/", "http://b.example http://xb.example http://b.example.evil http://.b.example.evil"},
		{"a.example:8443", "https://a.example:8443 http://a.example:08443", "https://a.example http://a.example:844"},
		{"a.example:443", "https://a.example https://a.example:443 http://a.example:443", "http://a.example"},
		{"bücher.example", "http://xn--bcher-kva.example http://BÜCHER.example http://b%C3%BCcher.example", "http://bucher.example"},
		{"*.bücher.example", "http://shop.xn--bcher-kva.example", "http://xn--bcher-kva.example"},
		{"xn--bcher-kva.example", "http://bücher.example http://bücher。example", "http://xn--bcher.example"},
		{"192.0.2.7", "http://192.0.2.7 http://[::ffff:192.0.2.7]:80", "http://192.0.2.70 http://0300.0.2.7 http://3221225991 http://192.0.519 http://0xc0.0.2.7"},
		{"[2001:DB8::7]:8080", "http://[2001:db8:0::7]:8080", "http://[2001:db8::7] http://[2001:db8::8]:8080"},
		{"2001:db8::7", "http://[2001:db8::7] https://[2001:db8::7]:9", "http://[2001:db8::70]"},
		{"localhost", "http://localhost:1 http://LOCALHOST.", "http://localhost.example"},
	} {
		hosts, err := CanonicalHosts([]string{" " + test.entry + " "})
		require.NoError(t, err, test.entry)
		again, err := CanonicalHosts(hosts)
		require.NoError(t, err)
		require.Equal(t, hosts, again, "it is canonical")
		for want, list := range map[bool]string{true: test.yes, false: test.no} {
			for _, text := range strings.Fields(list) {
				u, err := url.Parse(text)
				require.NoError(t, err)
				require.Equal(t, want, allows(hosts, u), "%s and %s", test.entry, text)
			}
		}
	}
}

func TestWhatIsNoHostIsRefused(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"": "is no name of a host", "*": "is no name", "*.": "is no name", "*.com": "too wide", "*.*.example": "is no name", "a*.example": "is no name", "http://a.example": "no port",
		"a.example/x": "is no name", "a.example:0": "no port", "a.example:65536": "no port", "a.example:": "no port", "a..example": "is no name", ".example": "is no name", "a b.example": "is no name",
		"*.192.0.2.7": "nothing", "2130706433": "form that is not understood", "0x7f.0.0.1": "form that is not understood", "127.1": "form that is not understood", "0177.0.0.01": "form that is not understood",
		"[a.example]": "brackets", "[::1": "brackets", "[127.0.0.1]": "brackets", "me@a.example": "is no name", "a\x00.example": "is no name", strings.Repeat("a.", 130) + "b": "is no name",
		"\ufdfa.example\u202e": "is no name",
	} {
		_, err := CanonicalHosts([]string{entry})
		require.ErrorContains(t, err, want, "%q", entry)
	}
	_, err := CanonicalHosts(nil)
	require.ErrorContains(t, err, "1 to 100 entries, not 0")
	_, err = CanonicalHosts(strings.Split(strings.Repeat("a,", 100)+"a", ","))
	require.ErrorContains(t, err, "not 101")
}

// Whatever is taken for a host is canonical, has a form that the database takes, and allows the URL that is made of it.
func FuzzHosts(f *testing.F) {
	for _, entry := range []string{"a.example", "*.b.example", "bücher.example:8443", "[2001:db8::7]:80", "192.0.2.7", "0x7f.1", "a_b.example", "*.Ä.example."} {
		f.Add(entry)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		hosts, err := CanonicalHosts([]string{entry})
		if err != nil {
			return
		}
		again, err := CanonicalHosts(hosts)
		require.NoError(t, err, "%q", hosts[0])
		require.Equal(t, hosts, again)
		require.Regexp(t, `^[]a-z0-9_.:*[-]+$`, hosts[0])
		u, err := url.Parse("http://" + strings.Replace(hosts[0], "*.", "x.", 1))
		require.NoError(t, err)
		require.True(t, allows(hosts, u), "%q", hosts[0])
	})
}
