package outbound

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func at(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

// vault has what is given, by workspace/NAME, and an environment.
func vault(t *testing.T, files, environment map[string]string) Secrets {
	t.Helper()
	dir := t.TempDir()
	for path, value := range files {
		path = filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(value), 0o600))
	}
	return Secrets{Dir: dir, Lookup: func(name string) (string, bool) {
		value, ok := environment[name]
		return value, ok
	}}
}

func TestAWorkspaceHasItsOwnSecretsAlone(t *testing.T) {
	t.Parallel()
	a, b := uuid.UUID{1}, uuid.UUID{2}
	s := vault(t, map[string]string{a.String() + "/KEY": "of a\n", b.String() + "/KEY": "of b", b.String() + "/OTHER": "x", "SHARED": "y"}, nil)
	for workspace, want := range map[uuid.UUID]string{a: "of a", b: "of b"} {
		got, err := s.Find(workspace, "KEY", at(t, "http://anywhere"))
		require.NoError(t, err)
		require.Equal(t, want, got.Value())
	}
	for _, name := range []string{"OTHER", "SHARED", "../SHARED", "..", "", ".", "../" + b.String() + "/KEY", "KEY/../../" + b.String() + "/OTHER", "KEY\x00", "key"} {
		_, err := s.Find(a, name, at(t, "http://anywhere"))
		var refused *Refused
		require.ErrorAs(t, err, &refused, name)
		require.NotContains(t, err.Error(), s.Dir)
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir, a.String(), "KEY"), []byte("renewed\r\n"), 0o600))
	got, err := s.Find(a, "KEY", at(t, "http://anywhere"))
	require.NoError(t, err)
	require.Equal(t, "renewed", got.Value(), "a secret that is replaced is followed")
}

func TestASharedSecretGoesToItsHostsAlone(t *testing.T) {
	t.Parallel()
	own := uuid.UUID{1}
	s := vault(t, map[string]string{own.String() + "/BOTH": "own"}, map[string]string{
		"SLUICE_SECRET_STRIPE": "shared", "SLUICE_SECRET_STRIPE_HOSTS": "api.stripe.example, *.b.example:443",
		"SLUICE_SECRET_FREE": "shared", "SLUICE_SECRET_WRONG": "shared", "SLUICE_SECRET_WRONG_HOSTS": "*", "SLUICE_SECRET_BOTH": "shared", "STRIPE": "not this", "PATH": "/bin"})
	for _, to := range []string{"https://API.stripe.example/v1", "https://x.b.example"} {
		got, err := s.Find(own, "STRIPE", at(t, to))
		require.NoError(t, err)
		require.Equal(t, "shared", got.Value())
	}
	got, err := s.Find(own, "BOTH", at(t, "http://anywhere"))
	require.NoError(t, err)
	require.Equal(t, "own", got.Value(), "a workspace's own comes first")
	for name, want := range map[string]string{
		"STRIPE": "secret STRIPE may not be sent to host evil.example", "FREE": "secret FREE is for no host: an operator lists them in SLUICE_SECRET_FREE_HOSTS",
		"WRONG": "is for no host", "NONE": "the worker has no secret NONE", "STRIPE_HOSTS": "is no name of a secret", "PATH": "has no secret PATH",
	} {
		_, err := s.Find(own, name, at(t, "http://evil.example"))
		require.ErrorContains(t, err, want)
	}
	_, err = s.Find(own, "STRIPE", at(t, "http://x.b.example"))
	require.ErrorContains(t, err, "may not be sent", "the port is another")
}

func TestAFileThatIsNoSecretIsRefused(t *testing.T) {
	t.Parallel()
	w := uuid.UUID{1}
	dir := w.String()
	s := vault(t, map[string]string{dir + "/EMPTY": "", dir + "/LINE": "\n", dir + "/LINES": "a\nb", dir + "/LARGE": strings.Repeat("x", 8<<10+1), dir + "/FULL": strings.Repeat("x", 8<<10) + "\r\n",
		dir + "/SECRETLY": "s3cret\x00"}, nil)
	require.NoError(t, os.Mkdir(filepath.Join(s.Dir, dir, "DIR"), 0o700))
	require.NoError(t, syscall.Mkfifo(filepath.Join(s.Dir, dir, "PIPE"), 0o600))
	for name, want := range map[string]string{"EMPTY": "is empty", "LINE": "is empty", "LINES": "control characters", "LARGE": "longer than 8192", "DIR": "is no file", "PIPE": "is no file", "SECRETLY": "control characters"} {
		_, err := s.Find(w, name, at(t, "http://anywhere"))
		require.ErrorContains(t, err, want, name)
		require.NotContains(t, err.Error(), "s3cret")
	}
	_, err := s.Find(w, "FULL", at(t, "http://anywhere"))
	require.NoError(t, err)
}

func TestSecretsAreScrubbed(t *testing.T) {
	t.Parallel()
	secrets := []Secret{{"KEY", `Bearer pa"ss&wörd<1>`}, {"PIN", "4711"}}
	for text, want := range map[string]string{
		`sent Bearer pa"ss&wörd<1>!`:                      "sent [secret KEY]!",
		`{"got": "Bearer pa\"ss\u0026wörd\u003c1\u003e"}`: `{"got": "[secret KEY]"}`,
		`bad token pa"ss&wörd<1>`:                         "bad token [secret KEY]",
		`/x?token=Bearer+pa%22ss%26w%C3%B6rd%3C1%3E`:      "/x?token=[secret KEY]",
		`pin 4711, 4711`:                                  "pin [secret PIN], [secret PIN]",
		"nothing":                                         "nothing",
	} {
		require.Equal(t, want, Scrub(text, secrets))
	}
}
