package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/storetest"
)

// childDir is the environment variable that makes the test binary a writer of that data directory.
const childDir = "HEXFLEET_TEST_WRITER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		writeForEver(dir)
	}
	os.Exit(m.Run())
}

// process stands for a test in the child: a failure ends the process.
type process struct{ testing.TB }

func (process) Helper() {}

func (process) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func (p process) Fatal(args ...any) { p.Fatalf("%s", fmt.Sprint(args...)) }

func orderID(i int) dispatch.OrderID { return dispatch.OrderID(fmt.Sprintf("o%06d", i)) }

// writeForEver commits groups of 1 to 20 orders with two events each, and acknowledges each group by a line
// with the seq of its last event.
func writeForEver(dir string) {
	j, err := Open(context.Background(), Config{Dir: dir})
	if err != nil {
		process{}.Fatal(err)
	}
	b := storetest.NewBook(process{}, j, "sf")
	for n := 1; ; n++ {
		for range n%20 + 1 {
			id := orderID(int(b.Seq / 2))
			b.Create(id, "r1")
			b.Move(id, dispatch.StateOffered, nil)
		}
		b.Commit()
		fmt.Println(b.Seq)
	}
}

func TestJournal_Commit_survives_kill_9(t *testing.T) {
	dir := t.TempDir()
	for round, lines := range []int{1, 2, 40, 3, 75, 1} {
		acked := killedAfter(t, dir, lines)
		j := openAt(t, dir, nil)
		wantDense(t, j, acked)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// killedAfter runs a writer, kills it in whatever it does after so many acknowledgements, and gives the
// last one it made.
func killedAfter(t *testing.T, dir string, lines int) (acked int64) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(out)
	for n := 1; scan.Scan(); n++ {
		if acked, err = strconv.ParseInt(scan.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
		if n == lines {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); child.ProcessState.Success() || acked == 0 {
		t.Fatalf("the writer ended by itself after seq %d: %v", acked, err)
	}
	return acked
}

// wantDense checks that every acknowledged event is there, that seq and versions are dense, and that the
// orders are what the events say.
func wantDense(t *testing.T, j *Journal, acked int64) {
	t.Helper()
	r, err := j.Recover(t.Context(), "sf")
	if err != nil {
		t.Fatal(err)
	}
	if r.Seq < acked {
		t.Errorf("seq %d was acknowledged, but %d is the last", acked, r.Seq)
	}
	orders := map[dispatch.OrderID]int64{}
	var seq int64
	for {
		events, err := j.MarketEvents(t.Context(), "sf", seq, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			if seq++; e.Seq != seq {
				t.Fatalf("event %d stands where %d should", e.Seq, seq)
			}
			if orders[e.Order.ID]++; e.Version != orders[e.Order.ID] {
				t.Fatalf("order %s is told at version %d after %d", e.Order.ID, e.Version, orders[e.Order.ID]-1)
			}
		}
	}
	if seq != r.Seq || len(orders) != len(r.Orders) {
		t.Errorf("%d events of %d orders, but recovery tells %d of %d", seq, len(orders), r.Seq, len(r.Orders))
	}
	for _, o := range r.Orders {
		if o.Version != orders[o.ID] {
			t.Errorf("order %s is at version %d, its events at %d", o.ID, o.Version, orders[o.ID])
		}
	}
}
