package schema_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/schema"
)

// inLocale returns a migrated database of a locale, with a workspace.
func inLocale(t *testing.T, locale string) (db *pgxpool.Pool, workspace uuid.UUID) {
	t.Helper()
	server := devtest.Postgres(t)
	name := "locale" + strings.ReplaceAll(uuid.NewString(), "-", "")
	admin := open(t, server)
	if _, err := admin.Exec(t.Context(), fmt.Sprintf(`CREATE DATABASE %s TEMPLATE template0 ENCODING UTF8 %s`, name, locale)); err != nil {
		t.Skipf("this server has no such locale: %v", err)
	}
	t.Cleanup(func() { _, _ = open(t, server).Exec(t.Context(), `DROP DATABASE `+name+` WITH (FORCE)`) })
	target, err := url.Parse(server)
	require.NoError(t, err)
	target.Path = "/" + name
	_, err = schema.Migrate(t.Context(), target.String())
	require.NoError(t, err)
	db = open(t, target.String())
	return db, one[uuid.UUID](t, db, `INSERT INTO sluice.workspaces (name) VALUES ('acme') RETURNING id`)
}

// What Go would refuse at the start is refused by the enqueue, whatever the locale calls a blank or a small letter.
func TestNamesOfWorkflowsAreJudgedAlikeInEveryLocale(t *testing.T) {
	t.Parallel()
	for name, locale := range map[string]string{"C": `LOCALE 'C'`, "Turkish": `LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, workspace := inLocale(t, locale)
			for _, kind := range []string{"Send\u00a0", "\u3000Send", "\u2003Send", "DISPATCHER", "EXECUTION"} {
				requireRefused(t, db, "SL013", `SELECT sluice.enqueue_workflow($1, $2, 'q')`, workspace, kind)
			}
			requireRefused(t, db, "SL013", `SELECT sluice.enqueue_workflow($1, 'Send', 'ACTIVITIES.EXTERNAL-API')`, workspace)
			requireRefused(t, db, "SL013", `SELECT sluice.enqueue_workflow($1, 'Send', 'q', workflow_id => 'SLUICE-DISPATCHER')`, workspace)
			exec(t, db, `SELECT sluice.enqueue_workflow($1, 'Übersenden 送信', 'Işıklar')`, workspace)
		})
	}
}

func TestActionsAreCalledTheSameInEveryLocale(t *testing.T) {
	t.Parallel()
	db, workspace := inLocale(t, `LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'`)
	exec(t, db, `INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, enqueued_by, trigger_type, priority, attempt_count, created_at, available_at, ended_at, status, reason)
		SELECT gen_random_uuid(), $1, 'Send', 'q', 'ann', 'TEST', 3, 0, now(), now(), now(), s, 'cancelled' FROM unnest('{FAILED,EXPIRED}'::text[]) AS s`, workspace)
	require.Equal(t, []string{"expired", "failed"}, list[string](t, db, `SELECT action FROM sluice.activity WHERE queue_id IS NOT NULL AND action <> 'enqueued' ORDER BY action`))
}

// An application's session may read a backslash in its own literals as an escape. Functions parse theirs with its setting.
func TestEnqueueNeedsNoStandardConformingStrings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn, err := b.db.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	defer func() { _, _ = conn.Exec(t.Context(), `RESET standard_conforming_strings`) }()
	_, err = conn.Exec(t.Context(), `SET standard_conforming_strings = off`)
	require.NoError(t, err)
	for options, code := range map[string]string{`{"runTimeout": "1.5s"}`: "", `{"runTimeout": "1x5s"}`: "SL014"} {
		_, err = conn.Exec(t.Context(), `SELECT sluice.enqueue_workflow($1, 'sends', 'invoices', options => $2)`, b.workspace, options)
		if code == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, code)
		}
	}
}
