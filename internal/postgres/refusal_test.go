package postgres

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	good := facts{version: 130000, versionName: "13.0", encoding: "UTF8", database: "shop", role: "app", replication: "origin"}
	require.NoError(t, good.refusal())
	for want, change := range map[string]func(*facts){
		"PostgreSQL 12.22 is too old; use version 13 or newer": func(f *facts) { f.version, f.versionName = 120022, "12.22" },
		"this server is a standby, which only reads; name the primary in DATABASE_URL, or all servers with target_session_attrs=read-write": func(f *facts) {
			f.standby = true
		},
	} {
		f := good
		change(&f)
		require.EqualError(t, f.refusal(), want)
	}
}
