package replay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/store/sqlite"
)

// stumbling is a journal whose commits fail when it is told to.
type stumbling struct {
	market.Journal
	fail atomic.Bool
}

func (j *stumbling) Commit(ctx context.Context, b *dispatch.Batch) error {
	if j.fail.CompareAndSwap(true, false) {
		return errors.New("stumbled")
	}
	return j.Journal.Commit(ctx, b)
}

// nobody finds no driver.
type nobody struct{}

func (nobody) Find(_ context.Context, s *market.Seek) market.Candidates {
	return market.Candidates{Round: s.Round}
}

// TestRecorder_of_a_loop_that_recovers records a real loop whose core is dropped and read again: the recovery is one of
// the inputs, and what comes after it replays as well.
func TestRecorder_of_a_loop_that_recovers(t *testing.T) {
	store, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	journal, dir := &stumbling{Journal: store}, t.TempDir()
	recovered := make(chan struct{}, 8)
	r := NewRecorder(config(t, dir))
	sf, _ := dispatch.DefaultMarkets().Get("sf")
	l := market.NewLoop(market.Config{
		Market: sf, Journal: journal, Finder: nobody{}, Clock: dispatch.Wall{}, Wall: dispatch.Wall{}, Log: slog.New(slog.DiscardHandler),
		Told: func(market.Told) {}, Supply: func([]market.Supply) {}, Recovered: func(dispatch.Recovery) { recovered <- struct{}{} },
		Record: r,
	})
	lease, err := store.Lead(t.Context(), "sf")
	if err == nil {
		err = l.Start(t.Context(), lease)
	}
	if err != nil {
		t.Fatal(err)
	}
	order := func(n int) {
		t.Helper()
		id := dispatch.OrderID(dispatch.NewID(time.Now()))
		reply := l.Do(t.Context(), time.Now(), market.Do{Command: dispatch.Command{
			Op: dispatch.OpCreate, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}, Market: "sf", Order: id,
			Key: dispatch.Key{ID: fmt.Sprint("k", n)},
			New: &dispatch.NewOrder{Kind: dispatch.KindRide, VehicleClass: dispatch.DefaultVehicleClass, Rider: "r1", Stops: []dispatch.Stop{
				{Type: dispatch.StopPickup, LatLng: geo.LatLng{Lat: 37.7, Lng: -122.4}}, {Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: 37.8, Lng: -122.4}},
			}},
		}})
		if reply.Err != nil {
			t.Fatal(reply.Err)
		}
	}
	order(1)
	journal.fail.Store(true)
	order(2) // is stepped again by the core that was recovered
	order(3)
	l.Reload(dispatch.DefaultPolicy())
	l.Stop()
	r.Close()
	if len(recovered) != 2 {
		t.Errorf("%d cores were started, want 2", len(recovered))
	}
	got, err := rerun(onlyLog(t, dir), Options{})
	if err != nil || got.Difference != nil || got.Ending != Whole || got.Cores != 2 || got.Inputs < 7 {
		t.Errorf("replayed %+v, difference %+v, %v", got, got.Difference, err)
	}
}
