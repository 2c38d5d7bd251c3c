package devstack

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

var workspaceAttribute = map[string]string{"SluiceWorkspace": "Keyword"}

func TestStackKeepsItsDataOverARestart(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{
		"directory open to others":   filepath.Join(openTempDir(t), "data"),
		"directory closed to others": filepath.Join(t.TempDir(), "data"), // for root: one that the server's user cannot enter
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := startStack(t, Config{Dir: dir, SearchAttributes: workspaceAttribute})
			execSQL(t, first.DatabaseURL, "CREATE TABLE things AS SELECT 42 AS id")
			startWorkflow(t, first, "before", temporal.NewSearchAttributeKeyKeyword("SluiceWorkspace").ValueSet("w"))
			response, err := http.Get(first.UIURL)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, http.StatusOK, response.StatusCode)
			http.DefaultClient.CloseIdleConnections()

			addresses, err := ReadAddresses(dir)
			require.NoError(t, err)
			require.Equal(t, Addresses{
				DatabaseURL: first.DatabaseURL, TemporalAddress: first.TemporalAddress, Namespace: "default", UIURL: first.UIURL,
				PID: os.Getpid(), PostgresPID: first.postgres.PID(), TemporalPID: first.temporal.PID(),
			}, addresses)

			require.NoError(t, first.Close())
			require.NoError(t, first.Close(), "a second Close")
			require.False(t, processAlive(addresses.PostgresPID))
			require.False(t, processAlive(addresses.TemporalPID))
			<-first.Done()
			require.NoError(t, first.Err())
			_, err = ReadAddresses(dir)
			require.ErrorIs(t, err, ErrNotRunning)

			second := startStack(t, Config{Dir: dir, Headless: true, SearchAttributes: map[string]string{
				"SluiceWorkspace": "Keyword", "SluicePlan": "Keyword", // the second is new
			}})
			require.Empty(t, second.UIURL)
			var id int
			queryRow(t, second.DatabaseURL, "SELECT id FROM things", &id)
			require.Equal(t, 42, id)
			c := dial(t, second)
			_, err = c.DescribeWorkflowExecution(t.Context(), "before", "")
			require.NoError(t, err)
			startWorkflow(t, second, "after", temporal.NewSearchAttributeKeyKeyword("SluicePlan").ValueSet("p"))
			require.NoError(t, second.Close())

			_, err = Start(t.Context(), Config{Dir: dir, Headless: true, SearchAttributes: map[string]string{"SluicePlan": "Int"}})
			require.ErrorContains(t, err, "search attribute SluicePlan is registered as Keyword, not as Int")
		})
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", hostPort(0))
	require.NoError(t, err)
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	dir := filepath.Join(t.TempDir(), "data")

	for flag, cfg := range map[string]Config{
		"--postgres-port": {Dir: dir, PostgresPort: port},
		"--temporal-port": {Dir: dir, TemporalPort: port},
		"--ui-port":       {Dir: dir, UIPort: port},
	} {
		_, err := Start(t.Context(), cfg)
		var inUse *PortInUseError
		require.ErrorAs(t, err, &inUse)
		require.Equal(t, port, inUse.Port)
		require.ErrorContains(t, err, "is in use; choose another with "+flag)
	}
	require.NoDirExists(t, dir, "nothing is begun before the ports are known to be free")
}

func TestLostRaceForAPortIsRecognised(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", hostPort(0))
	require.NoError(t, err)
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port

	binary, err := temporalBinary(t.Context(), t.Logf)
	require.NoError(t, err)
	_, err = (&Temporal{dir: t.TempDir()}).launch(t.Context(), TemporalConfig{Port: port, Headless: true}, binary, "")
	require.True(t, lostPortRace(err), "%v", err)

	first, err := StartPostgres(t.Context(), PostgresConfig{InMemory: true, Progress: t.Logf})
	require.NoError(t, err)
	defer first.Close()
	require.NoError(t, first.child.stop(postgresStop...))
	user, err := clusterAccount(first.DataDir)
	require.NoError(t, err)
	c := &cluster{dir: first.DataDir, user: user, install: postgresInstall{postgres: first.child.spec.path}}
	_, err = first.launch(t.Context(), PostgresConfig{Port: port}, c, filepath.Join(t.TempDir(), "log"))
	require.True(t, lostPortRace(err), "%v", err)
}

func TestOneStackPerDirectory(t *testing.T) {
	t.Parallel()
	dir := openTempDir(t)
	first := startStack(t, Config{Dir: dir, Headless: true, InMemory: true})
	_, err := Start(t.Context(), Config{Dir: dir, Headless: true, InMemory: true})
	var inUse *InUseError
	require.ErrorAs(t, err, &inUse)
	require.Equal(t, os.Getpid(), inUse.PID)

	_, err = ReadAddresses(dir)
	require.NoError(t, err, "the refused one must not touch what belongs to the first")
	require.True(t, processAlive(first.postgres.PID()))
}

func TestKilledOwnerLeavesNoProcess(t *testing.T) {
	t.Parallel()
	dir := openTempDir(t)
	self, err := os.Executable()
	require.NoError(t, err)
	owner := exec.Command(self)
	owner.Env = append(os.Environ(), ownerEnv+"="+dir)
	owner.Stderr = os.Stderr
	require.NoError(t, owner.Start())
	defer owner.Wait()
	defer owner.Process.Kill()

	var addresses Addresses
	require.Eventually(t, func() bool {
		addresses, err = ReadAddresses(dir)
		return err == nil
	}, 5*time.Minute, 50*time.Millisecond)
	require.Equal(t, owner.Process.Pid, addresses.PID)
	_, err = Start(t.Context(), Config{Dir: dir})
	var inUse *InUseError
	require.ErrorAs(t, err, &inUse)
	require.Equal(t, owner.Process.Pid, inUse.PID)
	execSQL(t, addresses.DatabaseURL, "CREATE TABLE things AS SELECT 42 AS id")

	require.NoError(t, owner.Process.Kill())
	_ = owner.Wait()
	killed := time.Now()
	_, err = ReadAddresses(dir)
	require.ErrorIs(t, err, ErrNotRunning)
	if deathSignals {
		require.Eventually(t, func() bool {
			return commandLine(addresses.PostgresPID) == "" && commandLine(addresses.TemporalPID) == ""
		}, patience, 20*time.Millisecond)
		t.Log("both servers were gone", time.Since(killed), "after their owner")
	}

	next := startStack(t, Config{Dir: dir, Headless: true})
	var id int
	queryRow(t, next.DatabaseURL, "SELECT id FROM things", &id)
	require.Equal(t, 42, id)
	require.Empty(t, commandLine(addresses.PostgresPID))
	require.Empty(t, commandLine(addresses.TemporalPID))
}

func TestServerThatDiesIsReported(t *testing.T) {
	t.Parallel()
	for name, victim := range map[string]func(*Stack) int{
		"PostgreSQL": func(s *Stack) int { return s.postgres.PID() },
		"Temporal":   func(s *Stack) int { return s.temporal.PID() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startStack(t, Config{Headless: true, InMemory: true})
			require.NoError(t, s.Err())
			require.NoError(t, syscall.Kill(victim(s), syscall.SIGKILL))
			select {
			case <-s.Done():
			case <-time.After(patience):
				t.Fatal("not noticed")
			}
			require.ErrorContains(t, s.Err(), name)
			require.ErrorContains(t, s.Err(), "died by itself: signal: killed; the end of")
			require.NoError(t, s.Close())
			require.Error(t, s.Err(), "the reason stays after Close")
		})
	}
}

func TestCancelledStartLeavesNothingInTheWay(t *testing.T) {
	t.Parallel()
	dir := openTempDir(t)
	why := errors.New("changed my mind")
	for _, after := range []time.Duration{0, 100 * time.Millisecond, 400 * time.Millisecond} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), after, why)
		s, err := Start(ctx, Config{Dir: dir, Headless: true})
		cancel()
		if err == nil { // a machine this fast
			require.NoError(t, s.Close())
			continue
		}
		require.True(t, errors.Is(err, why) || errors.Is(err, context.DeadlineExceeded), "%v", err)
	}
	startStack(t, Config{Dir: dir, Headless: true})
}

func TestReadAddressesOfNothing(t *testing.T) {
	t.Parallel()
	_, err := ReadAddresses(t.TempDir())
	require.ErrorIs(t, err, ErrNotRunning)
	require.ErrorContains(t, err, "--dev")
	_, err = ReadAddresses(filepath.Join(t.TempDir(), "missing"))
	require.ErrorIs(t, err, ErrNotRunning)
}

func execSQL(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

func queryRow(t *testing.T, url, sql string, into any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(into))
}

func dial(t *testing.T, s *Stack) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: s.TemporalAddress, Namespace: s.Namespace,
		ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: patience}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// startWorkflow starts one that no worker runs.
func startWorkflow(t *testing.T, s *Stack, id string, attributes ...temporal.SearchAttributeUpdate) {
	t.Helper()
	_, err := dial(t, s).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: "nobody", TypedSearchAttributes: temporal.NewSearchAttributes(attributes...),
	}, "Nothing")
	require.NoError(t, err)
}
