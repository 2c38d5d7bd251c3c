package devstack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user PostgreSQL runs as when that is not us; nil is ourselves.
type account struct {
	name     string
	uid, gid uint32
}

// postgresAccount is nil unless we are root, which PostgreSQL refuses to be.
func postgresAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("look up the user %s: %w", name, err)
		}
		return &account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody to run it as; " +
		"create one, or start as an ordinary user")
}

// clusterAccount is the account that must run the cluster in dir: its owner, because an
// earlier start may have been another user's.
func clusterAccount(dir string) (*account, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("look at the database cluster: %w", err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	switch {
	case int(owner.Uid) == os.Geteuid() && owner.Uid != 0:
		return nil, nil
	case os.Geteuid() != 0:
		return nil, fmt.Errorf("the database cluster %s belongs to uid %d, not to you; use another data directory, or give it to yourself with chown -R", dir, owner.Uid)
	case owner.Uid == 0:
		return nil, fmt.Errorf("the database cluster %s belongs to root, as which PostgreSQL does not run; give it to the user postgres with chown -R", dir)
	}
	return &account{name: "uid " + strconv.Itoa(int(owner.Uid)), uid: owner.Uid, gid: owner.Gid}, nil
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

func (a *account) String() string {
	if a == nil {
		return "the current user"
	}
	return "user " + a.name
}

// own hands a path over.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("hand %s to %s: %w", path, a, err)
	}
	return nil
}

// canRun reports whether the account can execute binary, which answers --version.
func (a *account) canRun(binary string) error { return a.try("/", binary, "--version") }

// canEnter reports whether the account can have dir as its working directory.
func (a *account) canEnter(dir string) error { return a.try(dir, "/bin/sh", "-c", ":") }

// try lets the kernel decide what an account may do, instead of re-implementing its rules.
func (a *account) try(dir, binary string, args ...string) error {
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s in %s as %s: %w %s", binary, dir, a, err, out)
	}
	return nil
}
