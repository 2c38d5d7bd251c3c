package store_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/internal/bounds"
	"sluice/internal/store"
)

// 400 bytes that somebody answers with can be 5 MB as they are printed. The execution ends, its slot is freed, and what is recorded says so;
// those that end at the same time notice nothing.
func TestWhatIsRecordedOfAnOutcomeHasABound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bomb := json.RawMessage(`{"a":[` + strings.Repeat("1e131071,", 40) + `1]}`)
	deep := json.RawMessage(strings.Repeat("[", 6000) + strings.Repeat("]", 6000))
	ids := b.enqueue(t, 5)
	b.dispatch(t, ids...)
	recorder := store.NewRecorder(b.db, nil)
	for i, o := range []store.Outcome{
		{Output: bomb, Status: "COMPLETED"}, {Error: bomb, Status: "FAILED"}, {Output: json.RawMessage(`{"a":1e9}`), Status: "COMPLETED"},
		{Output: deep, Status: "COMPLETED"}, {Output: json.RawMessage(`{"a":"` + strings.Repeat("x", bounds.MaxOutput) + `"}`), Status: "COMPLETED"},
	} {
		o.ExecutionID, o.RunID = ids[i], "run"
		recorded, err := recorder.Record(t.Context(), o)
		require.NoError(t, err)
		require.True(t, recorded)
	}
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.running`))
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.executions WHERE output IS NOT NULL`))
	require.Equal(t, 4, one[int](t, b.db, `SELECT count(*) FROM sluice.executions WHERE error ->> 'message' LIKE 'output or error could not be stored: %'`))
	require.Less(t, one[int](t, b.db, `SELECT max(octet_length(concat(output, error))) FROM sluice.executions`), 1000)
	require.Equal(t, "1000000000", one[string](t, b.db, `SELECT output ->> 'a' FROM sluice.executions WHERE id = $1`, ids[2]))
}
