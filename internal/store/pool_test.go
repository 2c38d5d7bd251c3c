package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Others wait for the locks of a transaction whose client was stopped, or is gone without a word.
func TestTheServerEndsATransactionThatItsClientDoesNotGoOnWith(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, want := range map[string]string{"idle_in_transaction_session_timeout": "10s", "tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"} {
		require.Equal(t, want, one[string](t, b.db, `SELECT current_setting($1)`, name), name)
	}
}
