package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/workflows"
)

func (b *bundle) startDispatcher() {
	b.t.Helper()
	_, err := operate.Start(b.t.Context(), b.temporal, b.namespace, b.pool, workflows.State{})
	require.NoError(b.t, err)
}

func TestARequestOfAnotherOriginIsRefusedBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := `{"workspace": "` + b.workspace.String() + `", "workflow": {"type": "T"}}`
	b.send("", http.MethodPost, "/api/v1/items", item, "Origin", "https://evil.example").problem(http.StatusForbidden, "origin")
	b.send("", http.MethodPost, "/api/v1/items", item, "Sec-Fetch-Site", "cross-site").problem(http.StatusForbidden, "origin")
	b.send("", http.MethodPost, "/api/v1/items", item, "Content-Type", "text/plain").problem(http.StatusUnsupportedMediaType, "media-type")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/api/openapi.json", nil)
	require.NoError(t, err)
	r.Host = "evil.example"
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusForbidden, response.StatusCode)
	require.Empty(t, response.Header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, b.send("", http.MethodGet, "/api/v1/items", nil).object(http.StatusOK)["items"])
	b.send("", http.MethodPost, "/api/v1/items", item, "Origin", b.url).object(http.StatusCreated)
}

func TestWhatThereIsNotIsAProblemToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.send("", http.MethodGet, "/api/v1/nothing", nil).problem(http.StatusNotFound, "no-route")
	got := b.send("", http.MethodDelete, "/api/v1/items", nil)
	got.problem(http.StatusMethodNotAllowed, "method")
	require.Contains(t, got.header.Get("Allow"), "POST")
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
}

// Who means to narrow a listing, or to be safe from doing something twice, must not be taken not to.
func TestWhatIsEmptyOrGivenTwiceIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, query := range []string{"workspace=", "limit=1&limit=2", "status"} {
		b.send("", http.MethodGet, "/api/v1/items?"+query, nil).problem(http.StatusUnprocessableEntity, "invalid")
	}
	b.send("", http.MethodGet, "/api/v1/items?limit=%zz", nil).problem(http.StatusBadRequest, "invalid")
	b.send("", http.MethodPost, "/api/v1/items", object{"workspace": b.workspace.String(), "definition": b.definition.String()}, "Idempotency-Key", "").problem(http.StatusUnprocessableEntity, "invalid")
}

func TestALargeRequestIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.send("", http.MethodPost, "/api/v1/items", `{"workspace": "`+strings.Repeat("x", 3<<20)+`"}`).problem(http.StatusRequestEntityTooLarge, "too-large")
	p := b.send("", http.MethodPost, "/api/v1/items", `{"workspace": "`+b.workspace.String()+`", "definition": "`+b.definition.String()+`", "input": {"a": "`+strings.Repeat("x", 1<<20)+`"}}`).problem(http.StatusUnprocessableEntity, "invalid")
	require.Contains(t, p["detail"], "bytes")
	require.Less(t, len(fmt.Sprint(p)), 2000, "what was sent is not sent back")
	p = b.send("", http.MethodPost, "/api/v1/items", `{"workspace": "`+strings.Repeat("x", 1<<20)+`"}`).problem(http.StatusUnprocessableEntity, "invalid")
	require.Less(t, len(fmt.Sprint(p)), 2000)
}

func TestABodyThatStopsArrivingHoldsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /api/v1/items HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	raw, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(raw), "400 Bad Request")
	require.Contains(t, string(raw), "in time")
}

func TestNothingOfTheInsideIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.send("", http.MethodGet, "/api/v1/items", nil).object(http.StatusOK)
	b.exec(`ALTER TABLE sluice.pending RENAME TO secret_name`)
	p := b.send("", http.MethodGet, "/api/v1/items", nil).problem(http.StatusInternalServerError, "internal")
	require.NotContains(t, fmt.Sprint(p), "pending")
	require.Contains(t, b.logged.text(), "pending", "the log says why")
}

// An application has enqueued under a key in a transaction that takes long. Who enqueues under it waits for that, and keeps no others waiting.
func TestWhoWaitsForAUniqueKeyLeavesConnectionsToOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace("globex")
	own, another := b.token(admin.RoleWorkspace, b.workspace, false), b.token(admin.RoleWorkspace, other, false)
	operator := b.token(admin.RoleOperatorWrite, uuid.Nil, false)
	tx, err := b.pool.Begin(t.Context()) // one of eight connections
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }() // unless it has committed
	_, err = tx.Exec(t.Context(), `SELECT sluice.enqueue($1, $2, unique_key => 'order-7')`, b.workspace, b.definition)
	require.NoError(t, err)
	waiting := func() (n int) {
		t.Helper()
		require.NoError(t, tx.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'`).Scan(&n))
		return n
	}
	statuses := make(chan int, 12)
	for range cap(statuses) {
		go func() {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/api/v1/items", strings.NewReader(`{"definition": "`+b.definition.String()+`"}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+own)
			r.Header.Set("Idempotency-Key", "order-7")
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				statuses <- 0
				return
			}
			_ = response.Body.Close()
			statuses <- response.StatusCode
		}()
	}
	require.Eventually(t, func() bool { return waiting() >= 1 }, time.Minute, 10*time.Millisecond)
	b.send(another, http.MethodPost, "/api/v1/items", object{"definition": definition.String(), "uniqueKey": "order-7"}).object(http.StatusCreated)
	b.send(own, http.MethodPost, "/api/v1/items", object{"definition": b.definition.String(), "uniqueKey": "order-8"}).object(http.StatusCreated)
	b.send(operator, http.MethodGet, "/api/v1/pauses", nil).object(http.StatusOK)
	require.Equal(t, 1, waiting())
	require.NoError(t, tx.Commit(t.Context()))
	answered := 0
	for range cap(statuses) {
		if status := <-statuses; status == http.StatusOK {
			answered++
		} else {
			require.Equal(t, http.StatusTooManyRequests, status, "on a machine that is slow")
		}
	}
	require.Positive(t, answered)
}

// JSON has many times its bytes in memory.
func TestAFewLargeRequestsAreLookedAtAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	letGo, err := b.api.HoldLarge()
	require.NoError(t, err)
	of := func(bytes int) object {
		return object{"workspace": b.workspace.String(), "definition": b.definition.String(), "input": object{"text": strings.Repeat("x", bytes)}}
	}
	large := make(chan int, 1)
	go func() {
		raw, _ := json.Marshal(of(200 << 10))
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/api/v1/items", io.NopCloser(bytes.NewReader(raw))) // in chunks
		r.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			large <- 0
			return
		}
		_ = response.Body.Close()
		large <- response.StatusCode
	}()
	b.send("", http.MethodPost, "/api/v1/items", of(100<<10)).object(http.StatusCreated)
	select {
	case status := <-large:
		t.Fatalf("it is answered %d while others are looked at", status)
	case <-time.After(time.Second):
	}
	letGo()
	require.Equal(t, http.StatusCreated, <-large)
}

// What one workspace reads may take long: it leaves connections to others, and to its own requests that enqueue.
func TestWhatOneWorkspaceReadsLeavesConnectionsToOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace("globex")
	own, another := b.token(admin.RoleWorkspace, b.workspace, false), b.token(admin.RoleWorkspace, other, false)
	tx, err := b.pool.Begin(t.Context()) // one of eight connections
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE sluice.tiers IN ACCESS EXCLUSIVE MODE`) // which a list of workspaces reads
	require.NoError(t, err)
	reading := func() (n int) {
		t.Helper()
		require.NoError(t, tx.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'sluice.tiers'::regclass`).Scan(&n))
		return n
	}
	ctx, cancel := context.WithCancel(t.Context())
	var under sync.WaitGroup
	defer func() {
		cancel()
		under.Wait()
		require.NoError(t, tx.Rollback(t.Context()))
	}()
	for range 12 {
		under.Go(func() {
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/api/v1/workspaces", nil)
			r.Header.Set("Authorization", "Bearer "+own)
			if response, err := http.DefaultClient.Do(r); err == nil {
				_ = response.Body.Close()
			}
		})
	}
	require.Eventually(t, func() bool { return reading() == 4 }, time.Minute, 10*time.Millisecond)
	b.send(another, http.MethodGet, "/api/v1/items/"+uuid.NewString(), nil).problem(http.StatusNotFound, "unknown-item")
	b.send(another, http.MethodGet, "/api/v1/definitions", nil).object(http.StatusOK)
	b.send(another, http.MethodPost, "/api/v1/items", object{"definition": definition.String()}).object(http.StatusCreated)
	b.send(own, http.MethodPost, "/api/v1/items", object{"definition": b.definition.String()}).object(http.StatusCreated)
	require.Equal(t, 4, reading())
}
