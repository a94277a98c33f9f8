package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// victim is a server that is killed and started again, on the same data and the same port.
type victim struct {
	t      *testing.T
	binary string
	dir    string
	listen string
	args   []string // of serve
	env    []string // more of the environment

	// What follows is of the run since the last start.

	cmd  *exec.Cmd
	logs *logs
	gone chan struct{} // closed once the process has ended
}

func (v *victim) url() string { return "http://" + v.listen }

// start starts the server, told to die at a failpoint unless that is empty. It gives false when the process died
// before it was ready; that it does so by anything but a failpoint is an error.
func (v *victim) start(failpoint string) bool {
	v.t.Helper()
	args := append([]string{"serve", "--data-dir", v.dir, "--listen", v.listen}, v.args...)
	v.cmd, v.logs, v.gone = exec.Command(v.binary, args...), &logs{}, make(chan struct{})
	v.cmd.Env = append(os.Environ(), v.env...)
	if failpoint != "" {
		v.cmd.Env = append(v.cmd.Env, "HEXFLEET_FAILPOINT="+failpoint)
	}
	v.cmd.Stderr = v.logs
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		v.t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n') // the end of the process is seen below
	go func(cmd *exec.Cmd, gone chan struct{}) {
		_ = cmd.Wait() // how it ended is in its state
		close(gone)
	}(v.cmd, v.gone)
	v.t.Cleanup(func() { _ = v.cmd.Process.Kill() }) // it may be dead long since
	if strings.HasPrefix(line, "listening on ") {
		return true
	}
	<-v.gone
	if failpoint == "" || !v.byKill() {
		v.t.Fatalf("the server did not come up: %v\n%s", v.cmd.ProcessState, v.logs)
	}
	return false
}

// kill ends the process at once, and proves that it was this that ended it.
func (v *victim) kill() {
	v.t.Helper()
	if err := v.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		v.t.Fatalf("the server had ended before its kill: %v\n%s", err, v.logs)
	}
	v.await()
	if !v.byKill() {
		v.t.Fatalf("the server ended by itself: %v\n%s", v.cmd.ProcessState, v.logs)
	}
}

// fails waits until the failpoint is reached, and proves that the process died of it.
func (v *victim) fails(failpoint string) {
	v.t.Helper()
	name, _, _ := strings.Cut(failpoint, ":")
	v.await()
	if !v.byKill() || !strings.Contains(v.logs.String(), fmt.Sprintf("failpoint %s reached", name)) {
		v.t.Fatalf("the server did not die of %s: %v\n%s", failpoint, v.cmd.ProcessState, v.logs)
	}
}

// terminate ends the server in order.
func (v *victim) terminate() {
	v.t.Helper()
	if err := v.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		v.t.Fatal(err)
	}
	v.await()
	if code := v.cmd.ProcessState.ExitCode(); code != exitDone {
		v.t.Fatalf("the server exited with %d\n%s", code, v.logs)
	}
}

// ended tells whether the process has.
func (v *victim) ended() bool {
	select {
	case <-v.gone:
		return true
	default:
		return false
	}
}

func (v *victim) await() {
	v.t.Helper()
	select {
	case <-v.gone:
	case <-time.After(patience):
		v.t.Fatalf("the server lives on\n%s", v.logs)
	}
}

// byKill tells whether SIGKILL ended the process.
func (v *victim) byKill() bool {
	status, ok := v.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// TestServe_HoldsNoFailpoint has the program as operators get it ignore what the crash tests say to theirs.
func TestServe_HoldsNoFailpoint(t *testing.T) {
	t.Setenv("HEXFLEET_FAILPOINT", "before-commit:1")
	p := serve(t, t.TempDir())
	if _, ok := order(p, p.token(dispatch.RoleRider, "r1"), "k1"); !ok {
		t.Error("no order was acknowledged")
	}
}
