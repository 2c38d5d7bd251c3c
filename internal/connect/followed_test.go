package connect

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type onlyFile string

func (f onlyFile) LookupEnv(name string) (string, bool) {
	if name != "TEMPORAL_CONFIG_FILE" {
		return "", false
	}
	return string(f), true
}

func (f onlyFile) Environ() []string { return []string{"TEMPORAL_CONFIG_FILE=" + string(f)} }

func TestAProfileThatIsNotAllThereChangesNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "temporal.toml")
	const head, key = "[profile.default]\n", "api_key = \"one\"\n"
	const headers, tls = "[profile.default.grpc_meta]\nx-team = \"shop\"\n", "[profile.default.tls]\nserver_name = \"temporal\"\n"
	require.NoError(t, os.WriteFile(file, []byte(head+key+headers+tls), 0o600))
	o, err := TemporalOptions(onlyFile(file), nil)
	require.NoError(t, err)
	f := o.HeadersProvider.(*followed)
	later := func(text string) {
		if text == "" {
			require.NoError(t, os.Remove(file))
		} else {
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		}
		f.mu.Lock()
		f.at = time.Time{}
		f.mu.Unlock()
		f.refresh()
	}
	for _, text := range []string{"\n", head, head + key[:8], head + headers + tls, head + key + tls, ""} {
		later(text)
		require.Equal(t, "one", f.apiKey, text)
		got, err := f.GetHeaders(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[string]string{"x-team": "shop"}, got, text)
		require.NotNil(t, f.refresh().ConnectionOptions.TLS, text)
	}
	later(head + "api_key = \"two\"\n" + headers + tls)
	require.Equal(t, "two", f.apiKey)
}
