package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/store"
	"sluice/worker/host"
)

// workerVariable holds the configuration of a worker process, in JSON; with it the test binary is one.
const workerVariable = "SLUICE_TEST_WORKER"

type workerConfig struct {
	URL, Address, Namespace string
	// DieAt is when the process kills itself: before, after or during a step, or when it is done and what it has started is
	// settled. For example "after ClaimExecutions"; empty: never.
	DieAt string
}

// workerProcess hosts workers until the failpoint, or until the test that started it is gone.
func workerProcess(raw string) {
	var config workerConfig
	err := json.Unmarshal([]byte(raw), &config)
	if err == nil {
		go func() { // our standard input ends when the test's process does, however that ends
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(3)
		}()
		err = hostUntilDeath(context.Background(), config)
	}
	fmt.Fprintln(os.Stderr, "worker process:", err)
	os.Exit(2)
}

func hostUntilDeath(ctx context.Context, config workerConfig) error {
	pool, err := store.Open(ctx, config.URL, 10)
	if err != nil {
		return err
	}
	when, name, _ := strings.Cut(config.DieAt, " ")
	c, err := dial(config.Address, config.Namespace, func(ctx context.Context, s step, do func(context.Context) (any, error)) (any, error) {
		if s.name != name {
			return do(ctx)
		}
		switch when {
		case "before":
			die()
		case "during":
			go dieOnce(ctx, pool, `EXISTS (SELECT FROM sluice.listeners)`)
		}
		result, err := do(ctx)
		switch {
		case when == "after" && err == nil:
			die()
		case when == "settled" && err == nil:
			dieOnce(ctx, pool, `NOT EXISTS (SELECT FROM sluice.running WHERE dispatched_at IS NULL)`)
		}
		return result, err
	})
	if err != nil {
		return err
	}
	httpClient := &http.Client{}
	if config.DieAt == duringCall {
		httpClient.Transport = deadly{}
	}
	h, err := host.New(host.Config{Client: c, Pool: pool, Logger: slog.New(slog.DiscardHandler),
		PollInterval: 100 * time.Millisecond, HTTPClient: httpClient, AllowPrivateAddresses: true})
	if err != nil {
		return err
	}
	return h.Run(ctx)
}

// die is a death without a word: no deferred function, no flushed buffer, no goodbye to any server.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // until the signal is delivered
}

// dieOnce waits until something is so in the database, and dies.
func dieOnce(ctx context.Context, db store.DB, condition string) {
	for {
		var met bool
		if db.QueryRow(ctx, `SELECT `+condition).Scan(&met) == nil && met {
			die()
		}
	}
}

// deadly lets a request through, and dies before its answer is read.
type deadly struct{}

func (deadly) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := http.DefaultTransport.RoundTrip(r); err != nil {
		return nil, err
	}
	die()
	return nil, nil
}

// process starts a worker process with this failpoint, or none, which ends with the test at the latest.
func (s *stack) process(failpoint string) (worker *exec.Cmd, output *strings.Builder) {
	s.t.Helper()
	config, err := json.Marshal(workerConfig{URL: s.url, Address: s.address, Namespace: s.namespace, DieAt: failpoint})
	require.NoError(s.t, err)
	executable, err := os.Executable()
	require.NoError(s.t, err)
	worker, output = exec.Command(executable), &strings.Builder{}
	worker.Env = append(os.Environ(), workerVariable+"="+string(config))
	worker.Stdout, worker.Stderr = output, output
	alive, err := worker.StdinPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, worker.Start())
	s.t.Cleanup(func() {
		_ = alive.Close()
		_ = worker.Wait()
	})
	return worker, output
}

// killedAt runs a worker process and waits until it has killed itself.
func (s *stack) killedAt(failpoint string) {
	s.t.Helper()
	worker, output := s.process(failpoint)
	s.awaitKill(worker, output)
}

// awaitKill waits until a worker process has killed itself.
func (s *stack) awaitKill(worker *exec.Cmd, output *strings.Builder) {
	s.t.Helper()
	tooLate := time.AfterFunc(patience, func() { _ = worker.Process.Signal(syscall.SIGTERM) }) // to be told from its own SIGKILL
	defer tooLate.Stop()
	err := worker.Wait()
	status, ok := worker.ProcessState.Sys().(syscall.WaitStatus)
	require.True(s.t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "it never came to its failpoint: %v\n%s", err, output.String())
}
