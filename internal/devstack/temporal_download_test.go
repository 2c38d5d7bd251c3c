package devstack

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A program that passes for the CLI.
const fakeCLI = "#!/bin/sh\necho temporal version 1.2.3\n"

// downloads is a server that stands for temporal.download.
type downloads struct {
	*httptest.Server
	served atomic.Int32 // archives
}

func serveDownloads(t *testing.T, archive []byte, name string) *downloads {
	t.Helper()
	d := &downloads{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cli/{version}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("version") != temporalCLIVersion || r.FormValue("platform") != runtime.GOOS || r.FormValue("arch") != runtime.GOARCH {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"archiveUrl": d.URL + "/assets/" + name, "fileToExtract": "temporal"})
	})
	mux.HandleFunc("GET /assets/"+name, func(w http.ResponseWriter, _ *http.Request) {
		d.served.Add(1)
		_, _ = w.Write(archive)
	})
	d.Server = httptest.NewServer(mux)
	t.Cleanup(d.Close)
	return d
}

func (d *downloads) download() temporalDownload {
	return temporalDownload{base: d.URL + "/cli", answer: patience, stall: patience}
}

func tarball(t *testing.T, program string) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	w := tar.NewWriter(zipped)
	for _, file := range [][2]string{{"LICENSE", "as is"}, {"temporal", program}} {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: file[0], Mode: 0o600, Size: int64(len(file[1])), Typeflag: tar.TypeReg}))
		_, err := w.Write([]byte(file[1]))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, zipped.Close())
	return packed.Bytes()
}

func zipFile(t *testing.T, program string) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	entry, err := w.Create("temporal")
	require.NoError(t, err)
	_, err = entry.Write([]byte(program))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return packed.Bytes()
}

// told collects lines of progress.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (l *told) progress(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// fakeGo is a go tool that "builds" the program, and nothing else is on PATH.
func fakeGo(t *testing.T, script string) {
	t.Helper()
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "go"), []byte("#!/bin/sh\n"+script), 0o755))
	t.Setenv("PATH", bin+":/usr/bin:/bin")
}

const buildsFake = `test "$1" = install || exit 1
printf '#!/bin/sh\necho temporal version 4.5.6 built\n' > "$GOBIN/temporal"
chmod +x "$GOBIN/temporal"
`

func TestTemporalIsDownloadedOnce(t *testing.T) {
	fakeGo(t, "exit 1")
	for name, archive := range map[string][]byte{"temporal_cli.tar.gz": tarball(t, fakeCLI), "temporal_cli.zip": zipFile(t, fakeCLI)} {
		t.Run(name, func(t *testing.T) {
			server, dir := serveDownloads(t, archive, name), t.TempDir()
			var group sync.WaitGroup
			paths := make([]string, 3)
			errs := make([]error, len(paths))
			for i := range paths {
				group.Go(func() { paths[i], errs[i] = fetchedTemporal(t.Context(), server.download(), dir, t.Logf) })
			}
			group.Wait()
			for i, path := range paths {
				require.NoError(t, errs[i])
				require.Equal(t, filepath.Join(dir, "temporal-"+temporalCLIVersion), path)
			}
			content, err := os.ReadFile(paths[0])
			require.NoError(t, err)
			require.Equal(t, fakeCLI, string(content))
			require.EqualValues(t, 1, server.served.Load())

			server.Close()
			_, err = fetchedTemporal(t.Context(), server.download(), dir, func(string, ...any) { t.Error("it was fetched again") })
			require.NoError(t, err)
			left, err := filepath.Glob(filepath.Join(dir, "fetch-*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestMirrorIsTakenFromTheEnvironment(t *testing.T) {
	fakeGo(t, "exit 1")
	server := serveDownloads(t, tarball(t, fakeCLI), "temporal_cli.tar.gz")
	t.Setenv(temporalDownloadEnv, server.URL+"/cli/")
	t.Setenv(temporalCLIEnv, "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	path, err := temporalBinary(t.Context(), t.Logf)
	require.NoError(t, err)
	require.NoError(t, answersVersion(t.Context(), path))
	require.EqualValues(t, 1, server.served.Load())
}

// Every way in which a download can fail leads to the build, which is told in one line.
func TestTemporalIsBuiltWhereItCannotBeDownloaded(t *testing.T) {
	fakeGo(t, buildsFake)
	closed := serveDownloads(t, nil, "x")
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, and never answers
	require.NoError(t, err)
	defer silent.Close()
	stalls := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/cli/") {
			_, _ = fmt.Fprintf(w, `{"archiveUrl": "http://%s/x.tar.gz", "fileToExtract": "temporal"}`, r.Host)
			return
		}
		_, _ = w.Write([]byte("half"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer stalls.Close()
	for name, test := range map[string]struct {
		base, says string
	}{
		"connection refused":        {closed.URL + "/cli", "connection refused"},
		"unknown host":              {"http://temporal.download.invalid/cli", "temporal.download.invalid: "},
		"no answer":                 {"http://" + silent.Addr().String() + "/cli", ": no answer"},
		"stalled":                   {stalls.URL + "/cli", "/x.tar.gz: nothing more has come"},
		"no such version":           {serveDownloads(t, nil, "x").URL, "404 Not Found"},
		"not an archive":            {serveDownloads(t, []byte("<html>"), "x.tar.gz").URL + "/cli", "unpack http"},
		"another kind of archive":   {serveDownloads(t, nil, "x.rar").URL + "/cli", "neither a .tar.gz nor a .zip"},
		"a program of another kind": {serveDownloads(t, tarball(t, "#!/bin/sh\necho hello\n"), "x.tar.gz").URL + "/cli", "use what was downloaded"},
	} {
		t.Run(name, func(t *testing.T) {
			var lines told
			// Whatever else answers may take its time, on a machine that is busy with other tests.
			from := temporalDownload{base: test.base, answer: patience, stall: patience}
			switch name {
			case "no answer":
				from.answer = time.Second
			case "stalled":
				from.stall = 4 * time.Second
			}
			path, err := fetchedTemporal(t.Context(), from, t.TempDir(), lines.progress)
			require.NoError(t, err)
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Contains(t, string(content), "built")
			var why []string
			for _, line := range lines.lines {
				if strings.Contains(line, "cannot download") {
					why = append(why, line)
				}
			}
			require.Len(t, why, 1)
			require.Contains(t, why[0], test.says)
			require.Contains(t, why[0], "building it once")
		})
	}
}

func TestBothFailuresAreTold(t *testing.T) {
	fakeGo(t, "echo no proxy >&2; exit 1")
	server := serveDownloads(t, nil, "x")
	server.Close()
	dir := t.TempDir()
	_, err := fetchedTemporal(t.Context(), server.download(), dir, t.Logf)
	for _, want := range []string{"connection refused", "go install", "no proxy", temporalCLIEnv} {
		require.ErrorContains(t, err, want)
	}
	left, err := filepath.Glob(filepath.Join(dir, "fetch-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestCancelledDownloadBuildsNothing(t *testing.T) {
	fakeGo(t, buildsFake)
	server := serveDownloads(t, tarball(t, fakeCLI), "temporal_cli.tar.gz")
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	_, err := fetchedTemporal(ctx, server.download(), dir, func(format string, _ ...any) {
		require.NotContains(t, format, "building")
		cancel() // while it downloads
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NoFileExists(t, filepath.Join(dir, "temporal-"+temporalCLIVersion))
}
