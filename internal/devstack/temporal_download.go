package devstack

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	temporalDownloadEnv = "SLUICE_TEMPORAL_DOWNLOAD"
	temporalDownloadURL = "https://temporal.download/cli"
)

// temporalDownload downloads the official CLI from where Temporal's SDKs take their dev server. Where the network is cut
// off nothing may answer at all, so each wait is short, and the build begins within seconds.
type temporalDownload struct {
	base   string
	answer time.Duration // for an answer to begin, the connection included
	stall  time.Duration // for the next bytes of an archive
}

func newTemporalDownload() temporalDownload {
	return temporalDownload{base: cmp.Or(os.Getenv(temporalDownloadEnv), temporalDownloadURL), answer: 5 * time.Second, stall: 15 * time.Second}
}

// into downloads the CLI into a directory and returns its path.
func (d temporalDownload) into(ctx context.Context, work string, progress func(string, ...any)) (string, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	web := &http.Client{Transport: transport}

	var archive struct {
		ArchiveURL    string `json:"archiveUrl"`
		FileToExtract string `json:"fileToExtract"`
	}
	where := strings.TrimSuffix(d.base, "/") + "/" + temporalCLIVersion + "?" + url.Values{"platform": {runtime.GOOS}, "arch": {runtime.GOARCH}}.Encode()
	err := d.get(ctx, web, where, func(body io.Reader) error { return json.NewDecoder(body).Decode(&archive) })
	if err != nil {
		return "", err
	}
	packed := filepath.Join(work, "archive")
	progress("downloading the Temporal dev server once, from %s ...", archive.ArchiveURL)
	if err := d.get(ctx, web, archive.ArchiveURL, func(body io.Reader) error { return write(packed, body) }); err != nil {
		return "", err
	}
	path := filepath.Join(work, "downloaded")
	if err := unpack(packed, archive.ArchiveURL, archive.FileToExtract, path); err != nil {
		return "", fmt.Errorf("unpack %s: %w", archive.ArchiveURL, err)
	}
	if err := answersVersion(ctx, path); err != nil {
		return "", fmt.Errorf("use what was downloaded: %w", err)
	}
	return path, nil
}

var (
	errNoAnswer = errors.New("no answer")
	errStalled  = errors.New("nothing more has come")
)

// get passes the body of an answer on. It gives up when the answer does not begin in time, or stalls.
func (d temporalDownload) get(ctx context.Context, web *http.Client, where string, read func(io.Reader) error) (err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer func() {
		if err != nil && context.Cause(ctx) != nil {
			err = fmt.Errorf("GET %s: %w", where, context.Cause(ctx))
		}
	}()
	patience := time.AfterFunc(d.answer, func() { end(errNoAnswer) })
	defer patience.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	response, err := web.Do(request)
	if err != nil {
		return inWords(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", where, response.Status)
	}
	patience.Stop()
	stalled := time.AfterFunc(d.stall, func() { end(errStalled) })
	defer stalled.Stop()
	if err := read(&watched{response.Body, func() { stalled.Reset(d.stall) }}); err != nil {
		return fmt.Errorf("GET %s: %w", where, err)
	}
	return nil
}

// inWords drops from a network error what a person need not read.
func inWords(err error) error {
	var unknown *net.DNSError
	if errors.As(err, &unknown) {
		return fmt.Errorf("%s: %s", unknown.Name, unknown.Err)
	}
	return err
}

// watched tells of each read that has brought something.
type watched struct {
	io.Reader
	came func()
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if n > 0 {
		w.came()
	}
	return n, err
}

// unpack writes one file of an archive, whose kind its name tells.
func unpack(archive, name, file, to string) error {
	switch {
	case strings.HasSuffix(name, ".tar.gz"):
		return unpackTar(archive, file, to)
	case strings.HasSuffix(name, ".zip"):
		return unpackZip(archive, file, to)
	}
	return errors.New("it is neither a .tar.gz nor a .zip")
}

func unpackTar(archive, file, to string) error {
	packed, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = packed.Close() }()
	plain, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	for entries := tar.NewReader(plain); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("there is no file %q in it", file)
		}
		if err != nil {
			return err
		}
		if header.Name == file {
			return write(to, entries)
		}
	}
}

func unpackZip(archive, file, to string) error {
	entries, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer func() { _ = entries.Close() }()
	entry, err := entries.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = entry.Close() }()
	return write(to, entry)
}

// write writes a file that can be executed.
func write(path string, from io.Reader) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Close())
}
