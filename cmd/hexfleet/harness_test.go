package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
)

// asProgram tells a copy of the test binary to be hexfleet: the end-to-end tests kill real processes.
const asProgram = "HEXFLEET_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		code := run(ctx, os.Args[1:], stdio{Out: os.Stdout, Err: os.Stderr})
		stop()
		os.Exit(code)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(max(atOnce, runtime.GOMAXPROCS(0)))); err != nil {
		panic(err)
	}
	code := m.Run()
	endChaos()
	os.Exit(code)
}

// atOnce is how many end-to-end tests run side by side even on a small machine: they mostly wait.
const atOnce = 6

// patience is how long a test waits for what must come; it bounds hangs and judges no speed.
const patience = 30 * time.Second

// process is a hexfleet serve of its own process.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	dir  string
	url  string
	logs *logs
	exit chan error
}

// logs is what a process has said on standard error; it may be read while the process runs.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// hexfleet prepares a copy of this binary as the program.
func hexfleet(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// serve starts a server on the data dir and a port of its own, and waits until it is ready.
func serve(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p, err := tryServe(t, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tryServe is serve, for a server that may not come up.
func tryServe(t *testing.T, dir string, args ...string) (*process, error) {
	t.Helper()
	p := &process{t: t, dir: dir, logs: &logs{}, exit: make(chan error, 1)}
	p.cmd = hexfleet(append([]string{"serve", "--data-dir", dir, "--listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Stderr = p.logs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() { p.exit <- p.cmd.Wait() }()
	if err != nil {
		return nil, fmt.Errorf("serve said nothing: %w, ended with %w\n%s", err, <-p.exit, p.logs)
	}
	t.Cleanup(p.kill)
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		return nil, fmt.Errorf("serve said %q", line)
	}
	p.url = url
	return p, nil
}

// kill ends the process at once, as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	select {
	case err := <-p.exit:
		p.exit <- err
	case <-time.After(patience):
		p.t.Error("the process outlived its kill")
	}
	if p.t.Failed() {
		p.t.Logf("server log:\n%s", p.logs)
	}
}

// terminate asks the process to end and gives its exit code and how long it took.
func (p *process) terminate() (int, time.Duration) {
	p.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.exit:
		p.exit <- err
		return p.cmd.ProcessState.ExitCode(), time.Since(began)
	case <-time.After(patience):
		p.t.Fatal("SIGTERM was not enough")
		return 0, 0
	}
}

// token mints a token with the server's secret.
func (p *process) token(role dispatch.Role, sub string, markets ...dispatch.MarketID) string {
	p.t.Helper()
	secret, err := os.ReadFile(filepath.Join(p.dir, "secret"))
	if err != nil {
		p.t.Fatal(err)
	}
	claims := auth.Claims{Role: role, Sub: sub, Markets: markets}
	token, err := auth.Mint(bytes.TrimRight(secret, "\n"), claims, time.Hour, time.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

// object is any JSON object, as a stranger's client sees it.
type object = map[string]any

// answer is what REST said.
type answer struct {
	status int
	header http.Header
	body   object
	raw    string
}

// rest makes one request; body is JSON text, "" for none; headers come in pairs.
func (p *process) rest(method, path, token, body string, headers ...string) answer {
	p.t.Helper()
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body) // lists and metrics are looked at as text
	return a
}

// sock is a socket as a stranger's client holds it: frames in order, nothing helped along.
type sock struct {
	t    *testing.T
	conn *websocket.Conn
	// seen are the frames that wait passed over, all is everything that came.
	seen, all []object
}

// dial opens a socket and authenticates it by its first frame; it returns after welcome.
func (p *process) dial(token string, resume ...object) *sock {
	p.t.Helper()
	s := p.open(nil)
	auth := object{"type": "auth", "token": token}
	if resume != nil {
		auth["resume"] = resume
	}
	s.send(auth)
	s.wait("welcome", nil)
	return s
}

// open opens a socket without a word.
func (p *process) open(h http.Header) *sock {
	p.t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.url, "http")+"/v1/ws", h)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	return &sock{t: p.t, conn: conn}
}

func (s *sock) send(v any) {
	s.t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	s.text(string(data))
}

func (s *sock) text(frame string) {
	s.t.Helper()
	if err := s.conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		s.t.Fatal(err)
	}
}

// next reads one frame; a closed socket gives its close code.
func (s *sock) next() (object, int) {
	s.t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	_, data, err := s.conn.ReadMessage()
	if closed, ok := err.(*websocket.CloseError); ok { //nolint:errorlint // gorilla returns it bare
		return nil, closed.Code
	}
	if err != nil {
		s.t.Fatalf("read: %v; before it came %v", err, s.seen)
	}
	var frame object
	if err := json.Unmarshal(data, &frame); err != nil {
		s.t.Fatalf("server sent %q: %v", data, err)
	}
	s.all = append(s.all, frame)
	return frame, 0
}

// wait reads on until a frame of the type comes that the condition takes; nil takes any.
func (s *sock) wait(kind string, take func(object) bool) object {
	s.t.Helper()
	for range 10_000 {
		frame, closed := s.next()
		if closed != 0 {
			s.t.Fatalf("closed with %d while waiting for %s; before it came %v", closed, kind, s.seen)
		}
		if frame["type"] == kind && (take == nil || take(frame)) {
			return frame
		}
		s.seen = append(s.seen, frame)
	}
	s.t.Fatalf("no %s came", kind)
	return nil
}

// ask sends a request and gives its answer, ack or error.
func (s *sock) ask(request object) object {
	s.t.Helper()
	s.send(request)
	for range 10_000 {
		frame, closed := s.next()
		if closed != 0 {
			s.t.Fatalf("closed with %d while waiting for the answer to %v", closed, request)
		}
		if (frame["type"] == "ack" || frame["type"] == "error") && frame["id"] == request["id"] {
			return frame
		}
		s.seen = append(s.seen, frame)
	}
	s.t.Fatalf("no answer to %v", request)
	return nil
}

// acked asks and fails on an error.
func (s *sock) acked(request object) object {
	s.t.Helper()
	frame := s.ask(request)
	if frame["type"] != "ack" {
		s.t.Fatalf("%v was answered %v", request, frame)
	}
	return frame
}

// order takes an order frame by order id and state.
func inState(id, state string) func(object) bool {
	return func(f object) bool {
		o, _ := f["order"].(object)
		return o["id"] == id && o["state"] == state
	}
}
