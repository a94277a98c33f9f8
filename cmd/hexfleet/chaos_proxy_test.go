package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// cutter stands between a server and its Postgres and can tell a commit's answer: when the database has committed a
// batch it may hang up on both sides instead of passing that on. It knows of the protocol what that takes
// (postgresql.org/docs/current/protocol-message-formats.html), and of the journal that the statement which fences a
// batch names journal_fenced.
type cutter struct {
	listener net.Listener
	upstream string
	// cut is asked after each commit whether to keep its answer back.
	cut func() bool
	// cuts counts the answers kept back, commits all commits.
	cuts, commits atomic.Int64
	work          sync.WaitGroup
}

// fenceCall is in the text of the statement that makes a transaction a batch's.
const fenceCall = "journal_fenced("

func startCutter(t *testing.T, upstream string, cut func() bool) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: l, upstream: upstream, cut: cut}
	c.work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			c.work.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // nothing is lost by it
		c.work.Wait()
	})
	return c
}

// serve passes one connection on until either side ends it or an answer is kept back.
func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.upstream)
	if err != nil {
		return // the client sees its connection end
	}
	defer server.Close()
	w := &wireTap{}
	var up sync.WaitGroup
	up.Go(func() {
		w.requests(client, server)
		_ = server.Close() // ends the other direction
	})
	w.answers(server, client, func() bool {
		c.commits.Add(1)
		if !c.cut() {
			return false
		}
		c.cuts.Add(1)
		return true
	})
	_ = client.Close()
	_ = server.Close()
	up.Wait()
}

// wireTap follows one connection's messages.
type wireTap struct {
	// batch is true from the moment a fence is asked for to the end of its transaction.
	batch atomic.Bool
}

// requests passes on what the client sends.
func (w *wireTap) requests(from io.Reader, to io.Writer) {
	in := bufio.NewReader(from)
	if forward(in, to, 0, nil) != nil { // the first message has no type
		return
	}
	fences := map[string]bool{} // by the name of the prepared statement
	for forward(in, to, 1, func(kind byte, body []byte) bool {
		switch kind {
		case 'P': // Parse: name, query
			name, rest, _ := bytes.Cut(body, []byte{0})
			fences[string(name)] = strings.Contains(string(rest), fenceCall)
		case 'B': // Bind: portal, name
			_, rest, _ := bytes.Cut(body, []byte{0})
			name, _, _ := bytes.Cut(rest, []byte{0})
			if fences[string(name)] {
				w.batch.Store(true)
			}
		}
		return true
	}) == nil {
	}
}

// answers passes on what the server sends; ended is asked once a batch is committed whether to stop before that is
// told.
func (w *wireTap) answers(from io.Reader, to io.Writer, ended func() bool) {
	in := bufio.NewReader(from)
	failed := false
	for forward(in, to, 1, func(kind byte, _ []byte) bool {
		switch kind {
		case 'E': // ErrorResponse: the transaction is undone
			failed = true
		case 'Z': // ReadyForQuery: the transaction is over
			committed := w.batch.Swap(false) && !failed
			failed = false
			return !committed || !ended()
		}
		return true
	}) == nil {
	}
}

// forward passes one message on, unless pass says no, which ends it like an error of the connection.
func forward(in *bufio.Reader, to io.Writer, kind int, pass func(kind byte, body []byte) bool) error {
	head := make([]byte, kind+4)
	if _, err := io.ReadFull(in, head); err != nil {
		return err
	}
	body := make([]byte, max(0, int(binary.BigEndian.Uint32(head[kind:]))-4))
	if _, err := io.ReadFull(in, body); err != nil {
		return err
	}
	if pass != nil && !pass(head[0], body) {
		return io.EOF
	}
	_, err := to.Write(append(head, body...))
	return err
}
