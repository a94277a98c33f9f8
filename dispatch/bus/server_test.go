package bus

import (
	"bytes"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
)

// providerFunc lets a connection follow a server that is started again.
type providerFunc func() *EmbeddedServer

func (f providerFunc) InProcessConn() (net.Conn, error) { return f().server.InProcessConn() }

func TestStartServer(t *testing.T) {
	t.Run("opens_no_port", func(t *testing.T) {
		if addr := startServer(t, t.TempDir()).server.Addr(); addr != nil {
			t.Errorf("listens on %v", addr)
		}
	})
	t.Run("keeps_the_stream_over_a_restart", func(t *testing.T) {
		dir := t.TempDir()
		fill(t, dir)
		s := startServer(t, dir)
		if got := kept(t, connect(t, s)); len(got) != 5 || s.Anew() {
			t.Errorf("the stream holds %v, anew %v", got, s.Anew())
		}
	})
	t.Run("a_file_in_place_of_the_store_is_moved_aside", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "nats")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "jetstream"), []byte("no directory"), 0o600); err != nil {
			t.Fatal(err)
		}
		startsAnew(t, dir)
	})
	t.Run("any_damaged_file_does_not_stop_the_start", func(t *testing.T) {
		for _, ending := range []string{"meta.inf", "meta.sum", ".blk", "index.db"} {
			dir := filepath.Join(t.TempDir(), "nats")
			fill(t, dir)
			if damage(t, dir, ending) == 0 {
				t.Logf("the server keeps no %s", ending)
				continue
			}
			s := startServer(t, dir)
			works(t, s)
			s.Stop()
		}
	})
	t.Run("a_directory_that_cannot_be_made_is_an_error", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := StartServer(ServerConfig{Dir: filepath.Join(file, "nats"), Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), "make the bus directory") {
			t.Errorf("err %v", err)
		}
	})
}

// fill leaves a stream of five events in dir.
func fill(t *testing.T, dir string) {
	t.Helper()
	s := startServer(t, dir)
	c := connect(t, s)
	h := &history{}
	h.commit(5)
	r := relayOf(c, h, dispatch.Wall{})
	begin(t, r)
	halt(r)
	c.Close()
	s.Stop()
}

// damage overwrites each file below dir whose name ends so; it gives their number.
func damage(t *testing.T, dir, ending string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ending) {
			return err
		}
		n++
		return os.WriteFile(path, []byte("damaged"), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func startsAnew(t *testing.T, dir string) {
	t.Helper()
	var log bytes.Buffer
	s, err := StartServer(ServerConfig{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	works(t, s)
	if !s.Anew() || !strings.Contains(log.String(), "starting anew") {
		t.Errorf("anew %v, log %s", s.Anew(), log.String())
	}
	if _, err := os.Stat(dir + ".damaged"); err != nil {
		t.Errorf("the damaged store is gone: %v", err)
	}
}

// works proves that a relay can publish.
func works(t *testing.T, s *EmbeddedServer) {
	t.Helper()
	h := &history{cursor: 5}
	h.commit(7)
	r := relayOf(connect(t, s), h, dispatch.Wall{})
	begin(t, r)
	within(t, "events are published", func() bool { return r.Published() == 7 })
}

func TestDial(t *testing.T) {
	_, err := Dial("nats://user:hunter2@127.0.0.1:1", slog.New(slog.DiscardHandler))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("err %v; want one without the password", err)
	}
}
