package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// programs finds the directory of initdb and postgres; it installs them when it may and they are missing.
func programs() (string, error) {
	if bin := find(); bin != "" {
		return bin, nil
	}
	if os.Geteuid() == 0 {
		if err := install(); err != nil {
			return "", err
		}
		if bin := find(); bin != "" {
			return bin, nil
		}
	}
	return "", fmt.Errorf("the store is tested on a real Postgres, of which this machine has no initdb and postgres:" +
		" install the package postgresql (Debian: apt-get install postgresql)")
}

// find gives the directory of the newest version, "" when there is none.
func find() string {
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	slices.SortFunc(versions, func(a, b string) int { return major(b) - major(a) })
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			versions = append(versions, filepath.Dir(path))
		}
	}
	for _, bin := range versions {
		if executable(filepath.Join(bin, "initdb")) && executable(filepath.Join(bin, "postgres")) {
			return bin
		}
	}
	return ""
}

func major(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin))) // a name that is no number comes last
	return n
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// install installs Postgres by apt, once however many test binaries ask at the same time.
func install() error {
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "hexfleet-apt.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if find() != "" {
		return nil
	}
	for _, args := range [][]string{
		{"update", "-qq"},
		{"install", "-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "postgresql"},
	} {
		cmd := exec.Command("apt-get", args...)
		// In run level 1 no service is started: the package would start a cluster that nobody asked for.
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("the store is tested on a real Postgres, which could not be installed: apt-get %s: %w\n%s",
				args[0], err, out)
		}
	}
	return nil
}

// unprivileged tells as whom Postgres runs, who refuses to be root: the user of this process or, for root, one
// of those that its package or the system has.
func unprivileged() (attr *syscall.SysProcAttr, uid, gid int, err error) {
	// A session of its own, so that a Ctrl-C is heard by the tests alone.
	attr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() != 0 {
		return attr, os.Geteuid(), os.Getegid(), nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		if uid, err = strconv.Atoi(u.Uid); err != nil {
			continue
		}
		if gid, err = strconv.Atoi(u.Gid); err != nil {
			continue
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attr, uid, gid, nil
	}
	return nil, 0, 0, fmt.Errorf("Postgres does not run as root, and this machine has neither user postgres nor nobody") //nolint:staticcheck // a name
}
