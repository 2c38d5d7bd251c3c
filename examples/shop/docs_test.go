package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/devstack/devtest"
	"sluice/queue"
	"sluice/schema"
)

// block returns the block of a document that begins with a line.
func block(t *testing.T, document, language, first string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", document))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```"+language+"\n"+first)
	require.True(t, found, "%s has no block that begins with %q", document, first)
	inside, _, found := strings.Cut(rest, "```")
	require.True(t, found)
	return first + inside
}

func TestTheProgramOfGettingStartedCompiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(block(t, "getting-started.md", "go", "package main\n")), 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput()
	require.NoError(t, err, string(out))
}

// roles is a database whose schema belongs to a role of its own.
type roles struct {
	url   string
	owner *pgxpool.Pool
	names *strings.Replacer // of this database's roles, for those of the documents: roles belong to the whole server
}

func newRoles(t *testing.T) *roles {
	t.Helper()
	r := &roles{url: devtest.Postgres(t)}
	suffix := "_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	r.names = strings.NewReplacer("sluice_owner", "sluice_owner"+suffix, "sluice_worker", "sluice_worker"+suffix, "shop", "shop"+suffix, "analyst", "analyst"+suffix)
	server := r.open(t, "")
	r.exec(t, server, block(t, "operations.md", "sql", "CREATE ROLE sluice_owner LOGIN;"))
	r.exec(t, server, "CREATE ROLE sluice_worker LOGIN; CREATE ROLE shop LOGIN; CREATE ROLE analyst LOGIN")
	r.exec(t, server, "ALTER DEFAULT PRIVILEGES FOR ROLE sluice_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC") // as some administrators have it
	_, err := schema.Migrate(t.Context(), r.as(t, "sluice_owner"))
	require.NoError(t, err)
	r.owner = r.open(t, "sluice_owner")
	return r
}

// as is the URL with which a role connects.
func (r *roles) as(t *testing.T, role string) string {
	t.Helper()
	u, err := url.Parse(r.url)
	require.NoError(t, err)
	u.User = url.User(r.names.Replace(role))
	return u.String()
}

// open connects as a role, or as the server's own.
func (r *roles) open(t *testing.T, role string) *pgxpool.Pool {
	t.Helper()
	databaseURL := r.url
	if role != "" {
		databaseURL = r.as(t, role)
	}
	pool, err := pgxpool.New(t.Context(), databaseURL)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// exec runs statements in which roles have the names of the documents.
func (r *roles) exec(t *testing.T, pool *pgxpool.Pool, statements string) {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Conn().PgConn().Exec(t.Context(), r.names.Replace(statements)).ReadAll()
	require.NoError(t, err, statements)
}

func (r *roles) grant(t *testing.T, what string) {
	t.Helper()
	r.exec(t, r.owner, block(t, "operations.md", "sql", "-- grants: "+what+"\n"))
}

func TestTheGrantsOfTheDocumentsAreEnoughToEnqueue(t *testing.T) {
	t.Parallel()
	r := newRoles(t)
	r.grant(t, "worker")
	office := admin.New(r.open(t, "sluice_worker"))
	workspace, err := office.EnsureWorkspace(t.Context(), "acme", "FREE", actor)
	require.NoError(t, err)
	definition, err := office.ApplyDefinition(t.Context(), workspace.ID, []byte(fulfil), actor)
	require.NoError(t, err)
	r.grant(t, "enqueue")
	pool := r.open(t, "shop")
	q := queue.New(pool)
	item := queue.Item{WorkspaceID: workspace.ID, DefinitionID: definition.ID}
	keyed, large := item, item
	keyed.UniqueKey = "order-1"
	large.Input = fmt.Appendf(nil, `{"text": %q}`, strings.Repeat("x", 5000))
	var last uuid.UUID
	enqueue := func() {
		for _, i := range []queue.Item{item, keyed, large} {
			answer, err := q.Enqueue(t.Context(), i)
			require.NoError(t, err)
			last = answer.QueueID
		}
		_, err := q.EnqueueMany(t.Context(), []queue.Item{item, large, keyed})
		require.NoError(t, err)
		require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			_, err := q.EnqueueTx(t.Context(), tx, item)
			return err
		}))
		_, err = pool.Exec(t.Context(), `SELECT sluice.enqueue($1, $2, unique_key => 'order-2')`, workspace.ID, definition.ID)
		require.NoError(t, err)
	}
	enqueue()
	// While dispatchers wait to be notified, and of several shards.
	r.exec(t, r.owner, "UPDATE sluice.settings SET shards = 3; INSERT INTO sluice.listeners SELECT n, gen_random_uuid() FROM generate_series(0, 2) n")
	enqueue()
	stranger := item
	stranger.WorkspaceID = uuid.New()
	_, err = q.Enqueue(t.Context(), stranger)
	require.ErrorIs(t, err, queue.ErrUnknownWorkspace)
	_, err = q.Get(t.Context(), last)
	require.ErrorContains(t, err, "permission denied", "it reads no items")

	r.grant(t, "read and cancel")
	state, err := q.Get(t.Context(), last)
	require.NoError(t, err)
	require.Equal(t, "PENDING", state.Status)
	status, err := q.Cancel(t.Context(), last, actor, "")
	require.NoError(t, err)
	require.Equal(t, "CANCELLED", status)
}

func TestTheGrantsOfTheDocumentsAreEnoughToRead(t *testing.T) {
	t.Parallel()
	r := newRoles(t)
	r.exec(t, r.owner, `INSERT INTO sluice.workspaces (name, external_key) VALUES ('acme', 'acme');
		SELECT sluice.enqueue_workflow(sluice.workspace('acme'), 'SendInvoice', 'invoices', args => '["ann"]')`)
	r.grant(t, "read")
	pool := r.open(t, "analyst")
	for _, view := range []string{"queue_items", "executions", "estimated_starts", "activity"} {
		_, err := pool.Exec(t.Context(), `SELECT * FROM sluice.`+view)
		require.NoError(t, err, view)
	}
	var input string
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT input ->> 0 FROM sluice.queue_items`).Scan(&input))
	require.Equal(t, "ann", input)

	r.exec(t, r.owner, `REVOKE SELECT ON sluice.inputs FROM analyst`)
	_, err := pool.Exec(t.Context(), `SELECT * FROM sluice.queue_items`)
	require.ErrorContains(t, err, "permission denied")
	_, err = pool.Exec(t.Context(), `SELECT id, status, error FROM sluice.queue_items`)
	require.NoError(t, err)
}

func TestTheGrantsOfTheDocumentsAreEnoughToWork(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	r := newRoles(t)
	r.grant(t, "worker")
	r.exec(t, r.open(t, ""), "GRANT CREATE ON SCHEMA public TO sluice_worker") // for the orders
	options := namespace(t)
	start(ctx, t, options, r.as(t, "sluice_worker"))
	var out strings.Builder
	require.NoError(t, run(ctx, r.as(t, "sluice_worker"), options, &out))
	require.Contains(t, out.String(), "parcel 8: butter\n")
}

// reference is the text of docs/reference.md.
func reference(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference.md"))
	require.NoError(t, err)
	return string(text)
}

func TestTheReferenceHasEveryColumnAndArgument(t *testing.T) {
	t.Parallel()
	text, db := reference(t), newRoles(t).owner
	rows, err := db.Query(t.Context(), `
		SELECT a.attname FROM pg_attribute a
		WHERE a.attrelid IN ('sluice.queue_items'::regclass, 'sluice.executions'::regclass, 'sluice.activity'::regclass) AND a.attnum > 0
		UNION ALL SELECT unnest(p.proargnames) FROM pg_proc p WHERE p.oid = 'sluice.enqueue'::regproc`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Greater(t, len(names), 40)
	for _, name := range names {
		require.Contains(t, text, "`"+name+"`")
	}
}
