package schema_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
)

// FuzzEnqueueWorkflow gives the function any request, arguments and options: it refuses with a code of its own, and sees no other names in a
// request than the program that starts the workflow.
func FuzzEnqueueWorkflow(f *testing.F) {
	for _, args := range []string{`[]`, `[1e131071]`, `{}`, `["\u0000"]`, `[[[[`} {
		f.Add([]byte(nil), args, `{}`, "Bill", "bills", "bill-1")
	}
	for _, options := range []string{`{"runTimeout": "99999999999h"}`, `{"retry": {"backoffCoefficient": 1e400}}`, `{"onConflict": "wait", "memo": {"": null}}`, `[]`, `{"searchAttributes": 1}`} {
		f.Add([]byte(nil), `[]`, options, "\u202e", "/_sys/x", "\x1b")
	}
	f.Add([]byte{0x12, 1, 'a', 0x1a, 3, 0x0a, 1, 'T', 0x22, 3, 0x0a, 1, 'q'}, `[]`, `{}`, "", "", "")
	f.Add([]byte{0xa2, 1, 2, 8, 1, 0x6a, 1, '@', 0x58, 4, 0xb0, 1, 3}, `[]`, `{}`, "T", "", "")
	b := setup(f)
	f.Fuzz(func(t *testing.T, raw []byte, args, options, kind, queue, id string) {
		_, err := b.db.Exec(t.Context(), `SELECT sluice.enqueue_workflow($1, $2, $3, $4::text::jsonb, $5, $6::text::jsonb, request => $7)`,
			b.workspace, kind, queue, args, id, options, raw)
		if pg := (*pgconn.PgError)(nil); err != nil {
			require.ErrorAs(t, err, &pg)
			require.Regexp(t, `^(SL|22|54)`, pg.Code, pg.Message)
		}
		var want workflowservice.StartWorkflowExecutionRequest
		got, err := readRequest(t, b.db, raw)
		if err != nil {
			var pg *pgconn.PgError
			require.True(t, errors.As(err, &pg) && pg.Code == "SL004", "%x: %v", raw, err)
			return
		}
		if proto.Unmarshal(raw, &want) == nil { // otherwise it is refused when it is started
			require.Equal(t, want.GetWorkflowId(), text(got.id), "%x", raw)
			require.Equal(t, want.GetWorkflowType().GetName(), text(got.kind), "%x", raw)
			require.Equal(t, want.GetTaskQueue().GetName(), text(got.queue), "%x", raw)
		}
	})
}
