package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const postgresBinEnv = "SLUICE_POSTGRES_BIN"

// postgresInstall is a pair of binaries of one version.
type postgresInstall struct {
	initdb, postgres string
	version          string // "15.7"
	major            string // "15", as in PG_VERSION
}

// postgresGlobs are where packages put PostgreSQL without putting it on PATH.
var postgresGlobs = []string{
	"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
	"/usr/pgsql-*/bin",          // PGDG on RHEL
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
	"/Library/PostgreSQL/*/bin", // EDB
}

// postgresInstalls lists what can be run, best first: the named one alone, or
// PATH's, then the packages' (newest first); if the machine has none, one is downloaded.
func postgresInstalls(ctx context.Context, progress func(string, ...any)) ([]postgresInstall, error) {
	if dir := os.Getenv(postgresBinEnv); dir != "" {
		install, err := inspectPostgres(ctx, dir)
		if err != nil {
			return nil, fmt.Errorf("use the PostgreSQL that %s names: %w", postgresBinEnv, err)
		}
		return []postgresInstall{install}, nil
	}
	if found := localPostgres(ctx); len(found) > 0 {
		return found, nil
	}
	install, err := downloadPostgres(ctx, progress)
	if err != nil {
		return nil, fmt.Errorf("there is no PostgreSQL on this machine, and fetching one failed; "+
			"install the package postgresql, or set DATABASE_URL to a running server: %w", err)
	}
	return []postgresInstall{install}, nil
}

func localPostgres(ctx context.Context) []postgresInstall {
	var found []postgresInstall
	add := func(dir string) {
		install, err := inspectPostgres(ctx, dir)
		if err == nil && !slices.Contains(found, install) {
			found = append(found, install)
		}
	}
	// initdb looks for its files beside the real binary, so symlinks are followed.
	for _, name := range []string{"postgres", "initdb"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			add(filepath.Dir(real))
		}
	}
	onPath := len(found)
	for _, glob := range postgresGlobs {
		dirs, _ := filepath.Glob(glob)
		for _, dir := range dirs {
			if real, err := filepath.EvalSymlinks(dir); err == nil {
				add(real)
			}
		}
	}
	slices.SortStableFunc(found[onPath:], func(a, b postgresInstall) int { return compareVersions(b.version, a.version) })
	return found
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)(?:\.(\d+))?(\S*)`)

// inspectPostgres asks the server binary in dir for its version. "Runs as root"
// is no question here: --version is answered to any user.
func inspectPostgres(ctx context.Context, dir string) (postgresInstall, error) {
	install := postgresInstall{initdb: filepath.Join(dir, "initdb"), postgres: filepath.Join(dir, "postgres")}
	if _, err := exec.LookPath(install.initdb); err != nil {
		return postgresInstall{}, err
	}
	out, err := exec.CommandContext(ctx, install.postgres, "--version").Output()
	if err != nil {
		return postgresInstall{}, fmt.Errorf("ask %s for its version: %w", install.postgres, err)
	}
	match := versionPattern.FindStringSubmatch(string(out))
	if match == nil {
		return postgresInstall{}, fmt.Errorf("ask %s for its version: it answered %q", install.postgres, out)
	}
	install.major = match[1]
	install.version = match[1] + "." + match[2]
	return install, nil
}

// firstUsable is the first install whose binaries user can execute.
func firstUsable(installs []postgresInstall, user *account) (postgresInstall, error) {
	return usable(installs, user, func(postgresInstall) bool { return true })
}

// usableVersion is the first usable install that can open an existing cluster.
func usableVersion(installs []postgresInstall, user *account, major, dir string) (postgresInstall, error) {
	install, err := usable(installs, user, func(i postgresInstall) bool { return i.major == major })
	if err != nil {
		return install, fmt.Errorf("the database cluster %s is of PostgreSQL %s; install that version, or remove the data directory to start anew: %w",
			dir, major, err)
	}
	return install, nil
}

func usable(installs []postgresInstall, user *account, fits func(postgresInstall) bool) (postgresInstall, error) {
	errs := []error{errors.New("no fitting PostgreSQL binaries")}
	for _, install := range installs {
		if !fits(install) {
			errs = append(errs, fmt.Errorf("%s is version %s", install.postgres, install.version))
			continue
		}
		// A binary below a closed home directory is one that root finds and the user cannot run.
		err := user.canRun(install.postgres)
		if err == nil {
			return install, nil
		}
		errs = append(errs, err)
	}
	return postgresInstall{}, errors.Join(errs...)
}

func compareVersions(a, b string) int {
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	aMajor, aMinor, _ := strings.Cut(a, ".")
	bMajor, bMinor, _ := strings.Cut(b, ".")
	if d := number(aMajor) - number(bMajor); d != 0 {
		return d
	}
	return number(aMinor) - number(bMinor)
}
