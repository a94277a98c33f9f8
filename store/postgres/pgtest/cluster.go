package pgtest

import (
	"sync"
	"testing"
)

// Cluster is one server for all tests of a binary, started for the first that asks. The zero value is ready. A test
// package keeps it in a package-level variable, the one sanctioned there, because only TestMain comes after the
// last test:
//
//	var cluster = pgtest.Cluster{Options: pgtest.Options{NoSync: true}}
//
//	func TestMain(m *testing.M) {
//		code := m.Run()
//		cluster.Stop()
//		os.Exit(code)
//	}
type Cluster struct {
	// Options are those of the server; not to be changed once Server was called.
	Options Options

	once   sync.Once
	server *Server // written once
	err    error
}

// Server gives the server, started by the first call.
func (c *Cluster) Server(tb testing.TB) *Server {
	tb.Helper()
	c.once.Do(func() { c.server, c.err = start(c.Options) })
	if c.err != nil {
		tb.Fatal(c.err)
	}
	return c.server
}

// Stop stops the server when it was started; no test may use it any more.
func (c *Cluster) Stop() {
	c.once.Do(func() {})
	if c.server != nil {
		c.server.Stop()
	}
}
