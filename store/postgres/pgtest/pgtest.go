// Package pgtest starts real Postgres servers for tests: each in a temporary directory of its own, as an
// unprivileged user, on a free port of 127.0.0.1. Nothing of them is left when the test binary ends, however it
// ends.
//
// It is no part of the server and fakes nothing. Each Server owns its processes and its directory. It may import
// pgx, and of ours nothing.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// User is the superuser of each server.
const User = "hexfleet"

// startWithin bounds the start of a server, of which a second is usual and ten are a machine with other work.
const startWithin = 60 * time.Second

// Options say what a server is like; the zero value is a durable one that trusts everybody.
type Options struct {
	// NoSync turns fsync off, for suites in which durability is not the point.
	NoSync bool
	// Password is asked of User; empty: nobody is asked.
	Password string
	// Settings are more of postgresql.conf, as name=value.
	Settings []string
}

// Server is one cluster. Its methods may be called from one goroutine at a time, but for URL and Database.
type Server struct {
	opts Options              // immutable
	bin  string               // immutable; the directory of the programs
	cred *syscall.SysProcAttr // immutable; as whom the programs run
	dir  string               // immutable; holds data, log and sockets, and is removed by Stop
	port int                  // immutable
	keep *keeper              // immutable
	stop sync.Once

	// What follows is of the run since the last start.

	cmd   *exec.Cmd
	ended chan struct{} // closed once the postmaster is gone

	mu   sync.Mutex
	next int // guarded by mu; numbers the databases
}

// Start starts a server, and stops it when the test ends.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	s, err := start(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Stop)
	return s
}

func start(o Options) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	attr, uid, gid, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hexfleet-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, bin: bin, cred: attr, dir: dir}
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if s.keep, err = keep(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.init(); err != nil {
		s.Stop()
		return nil, err
	}
	// Another process may take the free port before Postgres does.
	for range 3 {
		if s.port, err = freePort(); err == nil {
			err = s.run()
		}
		if err == nil {
			return s, nil
		}
	}
	s.Stop()
	return nil, err
}

// init makes the cluster.
func (s *Server) init() error {
	args := []string{
		"--no-sync", "--username=" + User, "--encoding=UTF8", "--locale=C", "--no-instructions", "--auth=trust",
		"--pgdata=" + filepath.Join(s.dir, "data"),
	}
	if s.opts.Password != "" {
		file := filepath.Join(s.dir, "password")
		// Readable for the server's user, who is another; it guards a cluster of tests.
		if err := os.WriteFile(file, []byte(s.opts.Password), 0o644); err != nil {
			return err
		}
		args = append(args, "--auth=scram-sha-256", "--pwfile="+file)
	}
	cmd := s.command("initdb", args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a Postgres cluster in %s: %w\n%s", s.dir, err, out)
	}
	return nil
}

// run starts the cluster and waits until it answers.
func (s *Server) run() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	settings := []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.port), "unix_socket_directories=" + s.dir,
		// In the data directory, where a killed server leaves nothing for the machine to keep.
		"dynamic_shared_memory_type=mmap",
	}
	if s.opts.NoSync {
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	args := []string{"-D", filepath.Join(s.dir, "data")}
	for _, set := range append(settings, s.opts.Settings...) {
		args = append(args, "-c", set)
	}
	cmd := s.command("postgres", args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	s.cmd, s.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}(s.ended)
	if err := s.keep.watch(cmd.Process.Pid); err != nil {
		return err
	}
	return s.ready()
}

// ready waits until the cluster answers.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.exec(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("start Postgres on port %d: it ended:\n%s", s.port, s.log())
		case <-ctx.Done():
			return fmt.Errorf("start Postgres on port %d: %w\n%s", s.port, err, s.log())
		case <-tick.C:
		}
	}
}

// command gives a command that runs one of Postgres's programs unprivileged.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = s.cred
	// Nothing of the caller's PG variables, and no locale that the machine may not have.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	return cmd
}

// Addr is where the server listens, as host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL gives the connection URL of a database.
func (s *Server) URL(database string) string {
	user := url.User(User)
	if s.opts.Password != "" {
		user = url.UserPassword(User, s.opts.Password)
	}
	u := url.URL{Scheme: "postgres", User: user, Host: s.Addr(), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Database makes an empty database, which is dropped when the test ends, and gives its URL.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	url := s.DatabaseForGood(tb)
	name := url[strings.LastIndexByte(url, '/')+1:]
	name, _, _ = strings.Cut(name, "?")
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startWithin)
		defer cancel()
		// An error is no failure of the test: the server may have been stopped, and goes with all it has.
		if err := s.exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Logf("drop database %s: %v", name, err)
		}
	})
	return url
}

// DatabaseForGood makes an empty database, which goes with the server, and gives its URL.
func (s *Server) DatabaseForGood(tb testing.TB) string {
	tb.Helper()
	s.mu.Lock()
	s.next++
	name := "t" + strconv.Itoa(s.next)
	s.mu.Unlock()
	if err := s.exec(tb.Context(), "CREATE DATABASE "+name); err != nil {
		tb.Fatalf("make database %s: %v", name, err)
	}
	return s.URL(name)
}

// exec runs a statement in the maintenance database.
func (s *Server) exec(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// log gives the end of the server's log.
func (s *Server) log() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
