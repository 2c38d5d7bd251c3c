package validate

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/workflows"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// image is a directory with what the image has, that processes see as their root and can't write to.
type image struct {
	t    *testing.T
	root string
	env  []string
}

// newImage builds the binaries with the command of the Dockerfile.
func newImage(t *testing.T) *image {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: changing the root and the user of a process needs root")
	}
	i := &image{t: t, root: t.TempDir()}
	command := strings.NewReplacer("/out/", i.root+"/usr/local/bin/", "GOOS=$TARGETOS GOARCH=$TARGETARCH ", "").Replace(buildCommand(t))
	require.NoError(t, os.MkdirAll(i.root+"/usr/local/bin", 0o755))
	build := exec.Command("sh", "-c", command)
	build.Dir = "../.."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for name, text := range map[string]string{
		"/etc/passwd":                        "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
		"/etc/hosts":                         "127.0.0.1 localhost\n",
		"/etc/ssl/certs/ca-certificates.crt": "",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(i.root+name), 0o755))
		require.NoError(t, os.WriteFile(i.root+name, []byte(text), 0o644))
	}
	proc := i.root + "/proc" // every container has it; a worker reads from there which program it is
	require.NoError(t, os.Mkdir(proc, 0o755))
	require.NoError(t, syscall.Mount("proc", proc, "proc", 0, ""))
	t.Cleanup(func() { _ = syscall.Unmount(proc, syscall.MNT_DETACH) })
	for dir := i.root; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) { // directories of a test are for its user alone
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	return i
}

// command is one that runs as the image's user, beneath its root.
func (i *image) command(args ...string) *exec.Cmd {
	c := exec.Command(args[0], args[1:]...)
	c.Path, c.Err = args[0], nil
	c.Dir, c.Env = "/", i.env
	c.SysProcAttr = &syscall.SysProcAttr{Chroot: i.root, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser}, Pdeathsig: syscall.SIGKILL}
	return c
}

func (i *image) run(args ...string) string {
	i.t.Helper()
	out, err := i.command(args...).CombinedOutput()
	require.NoError(i.t, err, "%s: %s", args, out)
	return string(out)
}

// As compose does it: migrate, start, a worker that becomes ready; then what `docker stop` sends.
func TestTheImageMigratesStartsWorksAndDrains(t *testing.T) {
	i, project := newImage(t), readCompose(t)
	address, namespace := devtest.Namespace(t, workflows.SearchAttributeTypes())
	i.env = []string{"PATH=/usr/local/bin", "DATABASE_URL=" + devtest.Postgres(t), "TEMPORAL_ADDRESS=" + address, "TEMPORAL_NAMESPACE=" + namespace}
	for name := range project.Services["worker"].Environment {
		require.True(t, slices.ContainsFunc(i.env, func(v string) bool { return strings.HasPrefix(v, name+"=") }), "compose sets %s, and this test does not", name)
	}
	require.Contains(t, i.run(project.Services["migrate"].Command...), "schema sluice is now at version")
	require.Contains(t, i.run(project.Services["start"].Command...), "dispatcher")

	// On a port that is free when it starts, which it tells.
	args := strings.Split(strings.ReplaceAll(strings.Join(project.Services["worker"].Command, "\n"), "0.0.0.0:8077", "0.0.0.0:0"), "\n")
	worker, log, port := i.command(args...), &output{}, ""
	worker.Stdout, worker.Stderr = log, log
	require.NoError(t, worker.Start())
	ended := make(chan error, 1)
	go func() { ended <- worker.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			_ = worker.Process.Kill()
			<-ended
			t.Log(log.String())
		}
	})
	require.Eventually(t, func() bool {
		found := regexp.MustCompile(`:(\d+)/readyz`).FindStringSubmatch(log.String())
		if found != nil {
			port = found[1]
		}
		return found != nil
	}, 5*time.Minute, 100*time.Millisecond)
	get := func(path string) int {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+path, nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	require.Eventually(t, func() bool { return get("/readyz") == http.StatusOK }, 5*time.Minute, 100*time.Millisecond)
	require.Equal(t, http.StatusOK, get("/healthz"))
	require.NotEqual(t, http.StatusOK, get("/api/v1/status"), "beyond loopback it answers nobody without a token")
	workspace := strings.TrimSpace(i.run("/usr/local/bin/starter", "workspace", "create", "acme", "--key", "acme"))
	require.NotEmpty(t, workspace)

	began := time.Now()
	require.NoError(t, worker.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-ended:
		ended <- err
		require.NoError(t, err)
		t.Logf("drained in %s", time.Since(began).Round(10*time.Millisecond))
	case <-time.After(time.Duration(*project.Services["worker"].StopGracePeriod)):
		t.Fatal("it would be killed")
	}
}

// output is what a process has written, and may be read while it goes on.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
