package schema_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"sluice/internal/devstack/devtest"
	"sluice/schema"
)

// A database that has applied a migration never applies it again: a change of one reaches new databases only, and the two kinds differ
// from then on. What is to change goes into a new migration, whose sum is added to testdata/landed.sha256 by: sha256sum *.sql
func TestMigrationsThatHaveLandedStayAsTheyAre(t *testing.T) {
	t.Parallel()
	landed, err := os.ReadFile("testdata/landed.sha256")
	require.NoError(t, err)
	sums := map[string]string{}
	for line := range strings.Lines(string(landed)) {
		sum, name, found := strings.Cut(strings.TrimSpace(line), "  ")
		require.True(t, found, "%q", line)
		sums[name] = sum
	}
	files, err := fs.Glob(schema.Migrations, "migrations/*.sql")
	require.NoError(t, err)
	require.Len(t, sums, len(files), "each migration has its sum")
	for _, file := range files {
		content, err := fs.ReadFile(schema.Migrations, file)
		require.NoError(t, err)
		require.Equal(t, sums[path.Base(file)], fmt.Sprintf("%x", sha256.Sum256(content)), "%s", file)
	}
}

// Version 15 is the oldest that others have run. Its items stay, and the functions of the newest version work beside them.
func TestADatabaseOfVersion15IsUpgraded(t *testing.T) {
	t.Parallel()
	url := devtest.Postgres(t)
	_, err := schema.MigrateWith(t.Context(), url, upTo(t, 15), time.Minute)
	require.NoError(t, err)
	db := open(t, url)
	workspace := one[string](t, db, `INSERT INTO sluice.workspaces (name, plan) VALUES ('acme', 'FREE') RETURNING id::text`)
	before := one[map[string]string](t, db, `SELECT sluice.enqueue_workflow($1, 'Bill', 'bills')`, workspace)

	applied, err := schema.Migrate(t.Context(), url)
	require.NoError(t, err)
	require.EqualValues(t, 16, applied[0])
	require.Equal(t, "PENDING", one[string](t, db, `SELECT status FROM sluice.queue_items WHERE id = $1`, before["queueId"]))
	request, err := proto.Marshal(&workflowservice.StartWorkflowExecutionRequest{WorkflowId: "bill-7", WorkflowType: &commonpb.WorkflowType{Name: "Bill"},
		TaskQueue: &taskqueuepb.TaskQueue{Name: "bills"}, WorkflowStartDelay: durationpb.New(time.Hour)})
	require.NoError(t, err)
	after := one[map[string]string](t, db, `SELECT sluice.enqueue_workflow($1, NULL, request => $2)`, workspace, request)
	require.Equal(t, "01:00:00", one[string](t, db, `SELECT (available_at - created_at)::text FROM sluice.pending WHERE id = $1`, after["queueId"]))
}

// upTo are the migrations of an older build.
func upTo(t *testing.T, version int64) fs.FS {
	t.Helper()
	build := fstest.MapFS{}
	files, err := fs.Glob(schema.Migrations, "migrations/*.sql")
	require.NoError(t, err)
	for _, name := range files {
		if number, err := goose.NumericComponent(name); err != nil || number > version {
			continue
		}
		content, err := fs.ReadFile(schema.Migrations, name)
		require.NoError(t, err)
		build[name] = &fstest.MapFile{Data: content}
	}
	return build
}
