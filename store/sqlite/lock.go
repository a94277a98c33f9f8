package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockDir makes the directory when it is absent and takes its lock, which the kernel frees when the process
// ends, however it ends: a restart after kill -9 takes over at once.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusable(dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, LockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unusable(dir, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%w: %s: another hexfleet uses it; stop that one or choose another directory",
			ErrLocked, dir)
	} else {
		err = unusable(dir, fmt.Errorf("lock: %w", err))
	}
	return nil, errors.Join(err, f.Close())
}
