package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hexfleet/hexfleet/store/sqlite"
)

// backupCmd copies a data dir, beside the server that may be using it.
type backupCmd struct {
	DataDir string `help:"The data dir of a server on SQLite (default: ./hexfleet-data)." placeholder:"DIR"`
	To      string `help:"Where the backup goes: a directory that is absent or empty. A server can be started on it." placeholder:"DIR" required:""`
}

// Run implements the command.
func (c *backupCmd) Run(ctx context.Context, std stdio) (err error) {
	f := storeFlags{DataDir: c.DataDir}
	log, err := f.journal(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	// Before it begins, so that the backup tells of itself.
	if err := putOnRecord(ctx, log, "backup", "", nil); err != nil {
		return err
	}
	err = sqlite.Backup(ctx, f.dir(), c.To)
	if err == nil {
		err = copySecret(filepath.Join(f.dir(), "secret"), filepath.Join(c.To, "secret"))
	}
	if err != nil {
		return errors.Join(err, putOnRecord(ctx, log, "backup", "", err))
	}
	_, err = fmt.Fprintf(std.Out, "backed up %s to %s\n", f.dir(), c.To)
	return err
}

// copySecret copies the key that signs tokens, when the data dir has one.
func copySecret(from, to string) error {
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("back up the secret: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("back up the secret: %w", err)
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("back up the secret: %w", err)
	}
	return nil
}
