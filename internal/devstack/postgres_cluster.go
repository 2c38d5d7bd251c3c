package devstack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const clusterName = "postgres"

// asideRoot takes clusters whose user cannot enter the data directory. It is the
// place every Unix has that outlives a reboot and that every user can enter.
var asideRoot = "/var/tmp"

// cluster is a PostgreSQL data directory, and the account and binaries that run it.
type cluster struct {
	dir     string
	user    *account
	install postgresInstall
}

// openCluster finds the cluster of a data directory or initialises it.
func openCluster(ctx context.Context, dir string, installs []postgresInstall, progress func(string, ...any)) (*cluster, error) {
	link := filepath.Join(dir, clusterName)
	real, err := filepath.EvalSymlinks(link)
	switch {
	case err == nil:
		return existingCluster(ctx, real, installs)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("find the database cluster: %w", err)
	}
	// There may still be a symlink whose target is gone.
	if target, err := os.Readlink(link); err == nil {
		progress("the database cluster %s is gone, starting with an empty one", target)
		if err := os.Remove(link); err != nil {
			return nil, fmt.Errorf("remove a dangling symlink: %w", err)
		}
	}
	return newCluster(ctx, dir, installs, progress)
}

func existingCluster(ctx context.Context, dir string, installs []postgresInstall) (*cluster, error) {
	user, err := clusterAccount(dir)
	if err != nil {
		return nil, err
	}
	version, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		return nil, fmt.Errorf("%s is no database cluster, remove it to start anew: %w", dir, err)
	}
	install, err := usableVersion(installs, user, strings.TrimSpace(string(version)), dir)
	if err != nil {
		return nil, err
	}
	if err := user.canEnter(dir); err != nil {
		return nil, fmt.Errorf("the database cluster cannot be reached by its owner; open the directories above it (chmod o+x): %w", err)
	}
	if err := endOrphanPostgres(ctx, dir); err != nil {
		return nil, err
	}
	return &cluster{dir: dir, user: user, install: install}, nil
}

func newCluster(ctx context.Context, dir string, installs []postgresInstall, progress func(string, ...any)) (*cluster, error) {
	user, err := postgresAccount()
	if err != nil {
		return nil, err
	}
	install, err := firstUsable(installs, user)
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: filepath.Join(dir, clusterName), user: user, install: install}
	link := c.dir
	if user != nil && user.canEnter(dir) != nil {
		parent, err := asideDir(ctx, dir)
		if err != nil {
			return nil, err
		}
		c.dir = filepath.Join(parent, clusterName)
		progress("%s cannot enter %s: the database cluster goes to %s", user, dir, c.dir)
	}
	progress("initialising a PostgreSQL %s cluster in %s", install.major, c.dir)
	if err := c.init(ctx); err != nil {
		return nil, err
	}
	if c.dir != link {
		if err := os.Symlink(c.dir, link); err != nil {
			return nil, fmt.Errorf("remember where the database cluster is: %w", err)
		}
	}
	return c, nil
}

// asideDir makes an empty directory for the cluster of dir. One that is there
// already belongs to a data directory that was removed since, as no symlink led to it.
func asideDir(ctx context.Context, dir string) (string, error) {
	sum := sha256.Sum256([]byte(dir))
	path := filepath.Join(asideRoot, "sluice-"+hex.EncodeToString(sum[:6]))
	if info, err := os.Lstat(path); err == nil {
		// The name can be guessed, and any user can write to the parent.
		if stat := info.Sys().(*syscall.Stat_t); !info.IsDir() || int(stat.Uid) != os.Geteuid() {
			return "", fmt.Errorf("%s is in the way and not ours, remove it", path)
		}
		if err := endOrphanPostgres(ctx, filepath.Join(path, clusterName)); err != nil {
			return "", err
		}
		if err := os.RemoveAll(path); err != nil {
			return "", fmt.Errorf("remove an abandoned database cluster: %w", err)
		}
	}
	if err := os.Mkdir(path, 0o711); err != nil {
		return "", fmt.Errorf("make room for the database cluster: %w", err)
	}
	// The umask may have taken away what lets the user enter.
	if err := os.Chmod(path, 0o711); err != nil {
		return "", fmt.Errorf("make room for the database cluster: %w", err)
	}
	return path, nil
}

// init runs initdb beside the final place and renames, so that an interrupted
// initdb never passes for a cluster.
func (c *cluster) init(ctx context.Context, extra ...string) error {
	staging := c.dir + ".init"
	if err := os.RemoveAll(staging); err != nil {
		return fmt.Errorf("remove an interrupted initialisation: %w", err)
	}
	// C.UTF-8 sorts like C and knows the letters beyond ASCII; older systems lack it.
	out, err := c.runInitdb(ctx, staging, append(extra, "--locale=C.UTF-8"))
	if err != nil && bytes.Contains(out, []byte("invalid locale")) {
		out, err = c.runInitdb(ctx, staging, append(extra, "--locale=C"))
	}
	if err != nil {
		_ = os.RemoveAll(staging)
		return fmt.Errorf("initialise the database cluster with %s: %w\n%s", c.install.initdb, err, bytes.TrimSpace(out))
	}
	if err := os.Rename(staging, c.dir); err != nil {
		return fmt.Errorf("put the database cluster in place: %w", err)
	}
	return nil
}

func (c *cluster) runInitdb(ctx context.Context, dir string, extra []string) ([]byte, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := c.user.own(dir); err != nil {
		return nil, err
	}
	args := append([]string{"-D", dir, "-U", postgresSuperuser, "--auth=trust", "--encoding=UTF8"}, extra...)
	cmd := exec.CommandContext(ctx, c.install.initdb, args...)
	cmd.Dir, cmd.Env = "/", cleanEnv("LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.user.credential()}
	// initdb runs postgres underneath: a cancelled start ends the whole group.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.CombinedOutput()
}
