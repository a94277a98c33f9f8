package main

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// secretFlags say where the HMAC key of the tokens is.
type secretFlags struct {
	// DataDir is "" when it is not named; dir gives the one that is meant.
	DataDir    string `help:"Where the server keeps its data (default: ./hexfleet-data)." placeholder:"DIR"`
	SecretFile string `help:"The file whose text, without the line end, signs tokens (default: DATA_DIR/secret)." placeholder:"FILE"`
}

// defaultDataDir is where data is when nothing else is said.
const defaultDataDir = "./hexfleet-data"

func (f *secretFlags) dir() string { return cmp.Or(f.DataDir, defaultDataDir) }

func (f *secretFlags) path() string {
	if f.SecretFile != "" {
		return f.SecretFile
	}
	return filepath.Join(f.dir(), "secret")
}

// read gives the secret.
func (f *secretFlags) read() ([]byte, error) {
	text, err := os.ReadFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no secret at %s: 'hexfleet serve' writes one at its first start; "+
			"name its --data-dir or --secret-file", f.path())
	}
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	return []byte(strings.TrimRight(string(text), "\r\n")), nil
}

// readOrMake gives the secret of the data dir, new at the first start; a file named by flag must exist.
func (f *secretFlags) readOrMake() ([]byte, error) {
	if f.SecretFile == "" {
		if err := makeSecret(f.path()); err != nil {
			return nil, err
		}
	}
	return f.read()
}

// secretBytes is the length of a new secret: 256 bits, the size of HS256's hash (RFC 7518, section 3.2).
const secretBytes = 32

func makeSecret(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write the secret: %w", err)
	}
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails
	_, err = fmt.Fprintln(file, hex.EncodeToString(b))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write the secret: %w", err)
	}
	return nil
}

// readMarkets gives the markets of a file, or the embedded ones when path is empty.
func readMarkets(path string) (dispatch.Markets, error) {
	if path == "" {
		return dispatch.DefaultMarkets(), nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the markets file: %w", err)
	}
	ms, err := dispatch.ParseMarkets(data)
	if err != nil {
		return nil, fmt.Errorf("markets file %s: %w", path, err)
	}
	return ms, nil
}

// newLog makes the logger of a command.
func newLog(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// checkTTL refuses a token's life that no server would take.
func checkTTL(ttl time.Duration) error {
	if ttl <= 0 || ttl > 24*time.Hour {
		return usagef("--ttl must be more than 0 and at most 24h, not %s", ttl)
	}
	return nil
}
