package bus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Bounds of the server in the process.
const (
	// maxMemory is for streams in memory, of which there are none: a bound on mistakes.
	maxMemory = 64 << 20
	// maxStore leaves room beside the events' stream.
	maxStore = 2 * streamMaxBytes
	// readyTimeout is how long the server may take to recover its streams.
	readyTimeout = 20 * time.Second
)

// ServerConfig says where the server in the process keeps its streams.
type ServerConfig struct {
	// Dir is made when it is not there; no other process may use it.
	Dir string
	Log *slog.Logger
}

// EmbeddedServer is the NATS server in the process. It opens no port. Immutable after StartServer.
type EmbeddedServer struct {
	server *server.Server
	log    *slog.Logger
	anew   bool
}

// StartServer starts the server and makes sure that it keeps the events' stream. A store that it cannot
// recover does not stop the start, because the history is the truth: the directory is moved aside, to
// Dir.damaged, and the streams begin anew.
func StartServer(cfg ServerConfig) (*EmbeddedServer, error) {
	s, err := start(cfg)
	if err == nil {
		return s, nil
	}
	aside := cfg.Dir + ".damaged"
	if moveErr := moveAside(cfg.Dir, aside); moveErr != nil {
		return nil, errors.Join(err, moveErr)
	}
	cfg.Log.Warn("bus store is damaged, starting anew", "dir", cfg.Dir, "moved_to", aside, "err", err)
	if s, err = start(cfg); err != nil {
		return nil, err
	}
	s.anew = true
	return s, nil
}

// Anew tells whether the store was damaged and the streams began anew, without the events that the cursors
// are beyond.
func (s *EmbeddedServer) Anew() bool { return s.anew }

// Connect opens a connection within the process.
func (s *EmbeddedServer) Connect() (*Conn, error) {
	return dial("", s.log, nats.InProcessServer(s.server))
}

// Stop shuts the server down and waits for it. It may be called again.
func (s *EmbeddedServer) Stop() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// start starts the server on the directory as it is.
func start(cfg ServerConfig) (*EmbeddedServer, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the bus directory: %w", err)
	}
	ns, err := server.NewServer(&server.Options{
		ServerName:         "hexfleet",
		DontListen:         true,
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           cfg.Dir,
		JetStreamMaxMemory: maxMemory,
		JetStreamMaxStore:  maxStore,
	})
	if err != nil {
		return nil, fmt.Errorf("configure the NATS server: %w", err)
	}
	lines := &serverLog{log: cfg.Log}
	ns.SetLoggerV2(lines, false, false, false)
	s := &EmbeddedServer{server: ns, log: cfg.Log}
	ns.Start()
	err = lines.fatal()
	if err == nil {
		err = s.check()
	}
	if err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// check proves that the server answers and can keep the events' stream.
func (s *EmbeddedServer) check() error {
	if !s.server.ReadyForConnections(readyTimeout) || !s.server.JetStreamEnabled() {
		return errors.New("the NATS server did not open its store")
	}
	c, err := s.Connect()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	return c.EnsureStream(ctx)
}

// moveAside keeps one damaged store for whoever wants to look at it; an older one is given up.
func moveAside(dir, aside string) error {
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("give up the older damaged bus store: %w", err)
	}
	if err := os.Rename(dir, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("move the damaged bus store aside: %w", err)
	}
	return nil
}

// serverLog gives the server's lines to slog: what is wrong as warnings, since the server goes on or
// StartServer tells the error; all else for debugging.
type serverLog struct {
	log *slog.Logger
	// died is the first line at which the server gave its start up; it then never becomes ready.
	died atomic.Pointer[string]
}

var _ server.Logger = (*serverLog)(nil)

func (l *serverLog) Noticef(format string, v ...any) { l.line(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.line(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.line(slog.LevelDebug, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.line(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.line(slog.LevelWarn, format, v) }

// Fatalf must not end the process, which the server would.
func (l *serverLog) Fatalf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.died.CompareAndSwap(nil, &line)
}

func (l *serverLog) fatal() error {
	if line := l.died.Load(); line != nil {
		return fmt.Errorf("start the NATS server: %s", *line)
	}
	return nil
}

func (l *serverLog) line(level slog.Level, format string, v []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "nats: "+strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
}

// redacted hides the passwords of a list of URLs.
func redacted(urls string) string {
	var out []string
	for one := range strings.SplitSeq(urls, ",") {
		u, err := url.Parse(one)
		if err != nil {
			out = append(out, "a malformed url")
			continue
		}
		out = append(out, u.Redacted())
	}
	return strings.Join(out, ",")
}
