package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// stopWithin bounds the orderly end of a server; then it is killed.
const stopWithin = 10 * time.Second

// Pause stops all processes of the server where they are (SIGSTOP), those of its connections too: sockets stay
// open and nobody answers. What is paused when the test ends is resumed.
func (s *Server) Pause(tb testing.TB) {
	tb.Helper()
	pids, err := s.signalAll(syscall.SIGSTOP)
	if err != nil {
		tb.Fatalf("pause Postgres: %v", err)
	}
	if err := s.keep.watch(pids...); err != nil {
		tb.Fatalf("pause Postgres: %v", err)
	}
	tb.Cleanup(func() { s.Resume(tb) })
}

// Resume lets a paused server go on; of one that is not paused nothing changes.
func (s *Server) Resume(tb testing.TB) {
	tb.Helper()
	if s.gone() {
		return
	}
	if _, err := s.signalAll(syscall.SIGCONT); err != nil {
		tb.Fatalf("resume Postgres: %v", err)
	}
}

// Kill ends all processes of the server at once (SIGKILL), as a crash does; Restart recovers it.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	// Stopped first, so that none of them sees another go and tidies up.
	var pids []int
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		var err error
		if pids, err = s.signalAll(sig); err != nil {
			tb.Fatalf("kill Postgres: %v", err)
		}
	}
	<-s.ended
	// A server does not start on data to which a process still holds the shared memory.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range stopWithin / time.Millisecond {
		if !slices.ContainsFunc(pids, lives) {
			break
		}
		<-tick.C
	}
	if err := s.keep.watch(); err != nil {
		tb.Fatalf("kill Postgres: %v", err)
	}
}

// Restart starts the server again on the same port and data; one that still runs is shut down first, its
// connections with it.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	if err := s.shutDown(); err != nil {
		tb.Fatalf("restart Postgres: %v", err)
	}
	if err := s.run(); err != nil {
		tb.Fatal(err)
	}
}

// Stop shuts the server down and removes its data. A second Stop does nothing.
func (s *Server) Stop() {
	s.stop.Do(func() {
		_ = s.shutDown() // the keeper does what this could not
		s.keep.end()
	})
}

// shutDown ends the server in order, but for its clients, of whom it takes no leave.
func (s *Server) shutDown() error {
	if s.gone() {
		return nil
	}
	if _, err := s.signalAll(syscall.SIGCONT); err != nil {
		return err
	}
	_ = s.cmd.Process.Signal(syscall.SIGINT) // gone already: ended tells
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-s.ended:
		return s.keep.watch()
	case <-timer.C:
		return fmt.Errorf("Postgres did not end in %v:\n%s", stopWithin, s.log()) //nolint:staticcheck // a name
	}
}

// gone tells that no server runs.
func (s *Server) gone() bool {
	if s.cmd == nil {
		return true
	}
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// signalAll signals the postmaster and then its children, until no more are found: a stopped postmaster makes no
// new ones. It gives their process ids, the postmaster's first.
func (s *Server) signalAll(sig syscall.Signal) ([]int, error) {
	master := s.cmd.Process.Pid
	if sig != syscall.SIGKILL { // its children could not be found any more
		if err := s.cmd.Process.Signal(sig); err != nil {
			return nil, err
		}
	}
	all := []int{master}
	done := map[int]bool{}
	for found := true; found; {
		children, err := childrenOf(master)
		if err != nil {
			return nil, err
		}
		found = false
		for _, pid := range children {
			if !done[pid] {
				done[pid], found = true, true
				all = append(all, pid)
				_ = syscall.Kill(pid, sig) // it may have ended meanwhile
			}
		}
	}
	if sig == syscall.SIGKILL {
		return all, s.cmd.Process.Kill()
	}
	return all, nil
}

// lives tells whether a process has not ended; one that nobody has asked for its end yet has.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	state := bytes.TrimLeft(stat[bytes.LastIndexByte(stat, ')')+1:], " ")
	return len(state) > 0 && state[0] != 'Z' && state[0] != 'X'
}

// childrenOf lists the processes whose parent pid is.
func childrenOf(pid int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// The name, in parentheses, may hold anything; after it come the state and the parent.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 2 || string(fields[1]) != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, child)
		}
	}
	return pids, nil
}
