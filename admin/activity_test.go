package admin_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/admin"
)

func TestWhatIsLoggedShowsAsActivity(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, "")
	require.NoError(t, b.office.Log(t.Context(), admin.Activity{Actor: "ann", Action: "dispatcher-start"}))
	require.NoError(t, b.office.Log(t.Context(), admin.Activity{Actor: "ann", Action: "looked-at", WorkspaceID: &b.workspace, QueueID: &id,
		Reason: new("it was late"), Details: json.RawMessage(`{"minutes": 7}`)}))
	require.Equal(t, []string{"dispatcher-start {}", "looked-at " + b.workspace.String() + " " + id.String() + ` it was late {"minutes": 7}`},
		list[string](t, b.pool, `SELECT concat_ws(' ', action, workspace_id, queue_id, reason, details) FROM sluice.activity
			WHERE actor = 'ann' AND action IN ('dispatcher-start', 'looked-at') ORDER BY at`))
	require.ErrorIs(t, b.office.Log(t.Context(), admin.Activity{Actor: "ann", Action: "x", Details: json.RawMessage(`{`)}), admin.ErrInvalid)
}
