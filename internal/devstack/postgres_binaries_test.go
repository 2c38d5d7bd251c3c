package devstack

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLocalBinariesAreFoundBesideTheRealServer(t *testing.T) {
	local := localPostgres(t.Context())
	if len(local) == 0 {
		t.Skip("no PostgreSQL on this machine")
	}
	for _, install := range local {
		require.FileExists(t, install.initdb)
		require.Equal(t, filepath.Dir(install.initdb), filepath.Dir(install.postgres))
		require.Regexp(t, `^\d+$`, install.major)
	}
	// A link to the server alone leads to the place where initdb is.
	bin := t.TempDir()
	require.NoError(t, os.Symlink(local[0].postgres, filepath.Join(bin, "postgres")))
	t.Setenv("PATH", bin)
	require.Equal(t, local[0], localPostgres(t.Context())[0])

	t.Setenv(postgresBinEnv, t.TempDir())
	_, err := postgresInstalls(t.Context(), t.Logf)
	require.ErrorContains(t, err, postgresBinEnv)
}

func TestClusterWantsItsOwnVersion(t *testing.T) {
	t.Parallel()
	echo, err := exec.LookPath("echo")
	require.NoError(t, err)
	installs := []postgresInstall{{postgres: echo, version: "17.2", major: "17"}, {postgres: echo, version: "15.7", major: "15"}}
	install, err := usableVersion(installs, nil, "15", "dir")
	require.NoError(t, err)
	require.Equal(t, "15", install.major)
	_, err = usableVersion(installs, nil, "9", "dir")
	require.ErrorContains(t, err, "the database cluster dir is of PostgreSQL 9; install that version")
}

func TestVersionsAreComparedByNumber(t *testing.T) {
	t.Parallel()
	versions := []string{"9.6", "15.10", "18.", "15.9"}
	slices.SortFunc(versions, compareVersions)
	require.Equal(t, []string{"9.6", "15.9", "15.10", "18."}, versions)
}

// A loopback repository serves the local binaries in the library's format. What
// was downloaded must then run a server, as root too.
func TestDownloadedBinariesRun(t *testing.T) {
	local := localPostgres(t.Context())
	xz, err := exec.LookPath("xz")
	if err != nil || len(local) == 0 {
		t.Skip("needs PostgreSQL and xz to make the archive from")
	}
	jar := makeJar(t, xz, filepath.Dir(local[0].postgres))
	var requests []string
	repository := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r.URL.Path)
		if !strings.HasSuffix(r.URL.Path, ".jar") {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(jar)
	}))
	defer http.DefaultClient.CloseIdleConnections()
	defer repository.Close()
	t.Setenv(postgresRepositoryEnv, repository.URL)
	t.Setenv("XDG_CACHE_HOME", openTempDir(t))
	t.Setenv("HOME", openTempDir(t))

	install, err := downloadPostgres(t.Context(), t.Logf)
	require.NoError(t, err)
	require.Len(t, requests, 2, "the archive and its checksum: %v", requests)
	again, err := downloadPostgres(t.Context(), t.Logf)
	require.NoError(t, err)
	require.Equal(t, install, again)
	require.Len(t, requests, 2, "a second start must not download")
	left, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "sluice", "fetch-*"))
	require.NoError(t, err)
	require.Empty(t, left)

	t.Setenv(postgresBinEnv, filepath.Dir(install.postgres))
	p, err := StartPostgres(t.Context(), PostgresConfig{InMemory: true})
	require.NoError(t, err)
	require.NoError(t, p.Close())
}

func TestFailedDownloadSaysWhatToDo(t *testing.T) {
	repository := httptest.NewServer(http.NotFoundHandler())
	defer http.DefaultClient.CloseIdleConnections()
	defer repository.Close()
	t.Setenv(postgresRepositoryEnv, repository.URL)
	t.Setenv("XDG_CACHE_HOME", openTempDir(t))
	t.Setenv("HOME", openTempDir(t))
	_, err := downloadPostgres(t.Context(), t.Logf)
	require.ErrorContains(t, err, postgresRepositoryEnv)
	require.ErrorContains(t, err, "no version found")
}

func makeJar(t *testing.T, xz, bin string) []byte {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	files := []string{"bin/initdb", "bin/postgres", "bin/pg_ctl"}
	libraries, err := filepath.Glob(filepath.Join(bin, "../lib/*.so"))
	require.NoError(t, err)
	for _, library := range libraries {
		files = append(files, "lib/"+filepath.Base(library))
	}
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(bin, "..", name))
		require.NoError(t, err)
		// 0700 is stricter than the real archives are.
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o700, Size: int64(len(data)), Typeflag: tar.TypeReg}))
		_, err = w.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	compress := exec.Command(xz, "-1", "--stdout")
	compress.Stdin = &archive
	txz, err := compress.Output()
	require.NoError(t, err)

	var jar bytes.Buffer
	z := zip.NewWriter(&jar)
	entry, err := z.Create(fmt.Sprintf("postgres-%s.txz", postgresDownloadVersion))
	require.NoError(t, err)
	_, err = io.Copy(entry, bytes.NewReader(txz))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return jar.Bytes()
}
