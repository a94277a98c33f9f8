package pgtest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// keeper is a shell that outlives the test binary, by as long as it takes to end the server and to remove its
// directory. It hears of the end by its standard input, a pipe that the kernel closes.
type keeper struct {
	cmd   *exec.Cmd
	stdin io.Closer
	pids  string // a file: the processes to be ended, the postmaster first
}

// script waits for the end of standard input. Of the processes in the file it continues the stopped ones and
// lets the first end at once (SIGQUIT), which takes the others with it.
const script = `
cat >/dev/null
if test -s "$1/pids"; then
	read -r first rest <"$1/pids"
	kill -CONT $first $rest 2>/dev/null
	kill -QUIT $first 2>/dev/null
	n=0
	while kill -0 $first 2>/dev/null && test $n -lt 50; do sleep 0.1; n=$((n+1)); done
	kill -KILL $first $rest 2>/dev/null
fi
rm -rf "$1"
`

func keep(dir string) (*keeper, error) {
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir)
	// A session of its own: what ends the test binary's group does not end it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the keeper of a Postgres: %w", err)
	}
	return &keeper{cmd: cmd, stdin: in, pids: filepath.Join(dir, "pids")}, nil
}

// watch tells which processes are to be ended from now on.
func (k *keeper) watch(pids ...int) error {
	words := make([]string, len(pids))
	for i, pid := range pids {
		words[i] = strconv.Itoa(pid)
	}
	aside := k.pids + ".new"
	if err := os.WriteFile(aside, []byte(strings.Join(words, " ")+"\n"), 0o644); err != nil {
		return err
	}
	return os.Rename(aside, k.pids)
}

// end lets it do its work, and waits.
func (k *keeper) end() {
	_ = k.stdin.Close()
	_ = k.cmd.Wait() // what it could not remove is in the temporary directory
}
