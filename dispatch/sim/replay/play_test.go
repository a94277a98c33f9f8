package replay

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

var t0 = time.Date(2008, 5, 31, 6, 10, 0, 0, time.UTC)

// day is a market that is played: orders and drivers made up from a seed, a real core, and what the journal would
// hold of it.
type day struct {
	t      testing.TB
	random *rand.Rand
	rec    market.Recorder
	core   *market.Core
	policy dispatch.Policy
	now    time.Time
	steps  int
	seek   *market.Seek
	free   map[dispatch.DriverID]bool

	orders map[dispatch.OrderID]dispatch.Order
	offers map[dispatch.OfferID]dispatch.Offer
	duties map[dispatch.DriverID]dispatch.Duty
	seq    int64
}

func newDay(t testing.TB, rec market.Recorder, seed uint64) *day {
	d := &day{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), rec: rec, policy: dispatch.DefaultPolicy(), now: t0,
		orders: map[dispatch.OrderID]dispatch.Order{}, offers: map[dispatch.OfferID]dispatch.Offer{},
		duties: map[dispatch.DriverID]dispatch.Duty{},
	}
	d.recover()
	return d
}

// recover starts a core from what was committed.
func (d *day) recover() {
	r := dispatch.Recovery{Seq: d.seq, At: d.now}
	for _, o := range sorted(d.orders) {
		if !o.State.Closed() {
			r.Orders = append(r.Orders, o)
		}
	}
	for _, f := range sorted(d.offers) {
		if f.State == dispatch.OfferLive {
			r.Offers = append(r.Offers, f)
		}
	}
	r.Duties = sorted(d.duties)
	d.core, d.seek, d.free = market.NewCore("sf", d.policy, r), nil, map[dispatch.DriverID]bool{}
	d.rec.Began(1, d.policy, r)
	d.step(market.Tick{})
}

func sorted[K cmp.Ordered, V any](m map[K]V) []V {
	var out []V
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

func (d *day) step(in market.Input) market.Effects {
	out := d.core.Step(d.now, in)
	d.rec.Stepped(d.now, in, out)
	d.steps++
	for _, e := range out.Events {
		d.seq = e.Seq
		if e.Order != nil {
			d.orders[e.Order.ID] = *e.Order
		} else {
			d.duties[e.Duty.Driver] = *e.Duty
		}
	}
	for _, f := range out.Offers {
		d.offers[f.ID] = f
	}
	for _, s := range out.Supply {
		d.free[s.Driver] = s.Free
	}
	if out.Seek != nil {
		d.seek = out.Seek
	}
	return out
}

// play takes n turns: time passes, somebody orders, comes on duty, answers an offer or goes on with a trip, and a
// round is told who is near.
func (d *day) play(n int) {
	for range n {
		d.now = d.now.Add(time.Duration(d.random.IntN(700_000_000)))
		switch d.random.IntN(6) {
		case 0:
			d.order()
		case 1:
			d.duty()
		case 2, 3:
			d.answer()
		case 4:
			d.advance()
		case 5:
			d.step(market.Tick{})
		}
		if d.seek != nil {
			d.find()
		}
	}
}

func (d *day) order() {
	id := dispatch.OrderID(fmt.Sprintf("o%05d", d.steps))
	rider := dispatch.RiderID("r-" + string(id))
	d.step(market.Do{Command: dispatch.Command{
		Op: dispatch.OpCreate, By: dispatch.Actor{Role: dispatch.RoleRider, Sub: string(rider)}, Market: "sf", Order: id,
		Key: dispatch.Key{ID: "k-" + string(id)},
		New: &dispatch.NewOrder{Kind: dispatch.KindRide, VehicleClass: dispatch.DefaultVehicleClass, Rider: rider, Stops: []dispatch.Stop{
			{Type: dispatch.StopPickup, LatLng: geo.LatLng{Lat: 37.7, Lng: -122.4}}, {Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: 37.8, Lng: -122.5}},
		}},
	}})
}

func (d *day) duty() {
	id := dispatch.DriverID(fmt.Sprintf("d%03d", d.random.IntN(60)))
	d.step(market.Do{
		Command: dispatch.Command{
			Op: dispatch.OpDuty, By: dispatch.Actor{Role: dispatch.RoleDriver, Sub: string(id)}, Market: "sf", Driver: id,
			Duty: &dispatch.DutyRequest{Online: d.random.IntN(8) > 0, VehicleClass: dispatch.DefaultVehicleClass, Capacity: 1},
		},
		Known: market.Known{Claim: &dispatch.Claim{Version: d.duties[id].Version}},
	})
}

func (d *day) answer() {
	for _, f := range sorted(d.offers) {
		if f.State == dispatch.OfferLive {
			op := dispatch.OpAccept
			if d.random.IntN(3) == 0 {
				op = dispatch.OpDecline
			}
			d.step(market.Do{
				Command: dispatch.Command{Op: op, By: dispatch.Actor{Role: dispatch.RoleDriver, Sub: string(f.Driver)}, Market: "sf", Offer: f.ID},
				Known:   market.Known{Offer: &f},
			})
			return
		}
	}
}

func (d *day) advance() {
	next := map[dispatch.State]dispatch.State{
		dispatch.StateEnRouteToPickup: dispatch.StateArrivedAtPickup, dispatch.StateArrivedAtPickup: dispatch.StateEnRouteToDropoff,
		dispatch.StateEnRouteToDropoff: dispatch.StateCompleted,
	}
	for _, o := range sorted(d.orders) {
		if to, under := next[o.State]; under && d.random.IntN(4) == 0 {
			d.step(market.Do{
				Command: dispatch.Command{
					Op: dispatch.OpAdvance, By: dispatch.Actor{Role: dispatch.RoleDriver, Sub: string(o.Driver)}, Market: "sf", Order: o.ID, To: to,
				},
				Known: market.Known{Order: &o},
			})
			return
		}
	}
}

func (d *day) find() {
	c := market.Candidates{Round: d.seek.Round}
	for _, s := range d.seek.Orders {
		for _, id := range slices.Sorted(maps.Keys(d.free)) {
			if d.free[id] && d.random.IntN(2) == 0 {
				c.Pairs = append(c.Pairs, market.Candidate{
					Order: s.Order, Driver: id, Pickup: time.Duration(1+d.random.IntN(9)) * time.Minute, Source: "line",
				})
			}
		}
		c.Trips = append(c.Trips, market.Trip{Order: s.Order, Duration: 10 * time.Minute})
	}
	d.seek = nil
	d.step(c)
}

// recorded plays a day with a recovery in its middle and gives its log, and how many steps it had.
func recorded(t testing.TB, turns int) (log []byte, steps int) {
	t.Helper()
	dir := t.TempDir()
	r := NewRecorder(config(t, dir))
	d := newDay(t, r, 7)
	d.play(turns / 2)
	d.recover()
	d.play(turns / 2)
	r.Close()
	return onlyLog(t, dir), d.steps
}

func config(t testing.TB, dir string) Config {
	return Config{
		Dir: dir, Market: "sf", Program: "test", Wall: dispatch.Wall{}, Log: slog.New(slog.DiscardHandler),
		Written: func(int, int) {}, Broken: func() { t.Error("the recording broke") },
	}
}

func onlyLog(t testing.TB, dir string) []byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "sf.*"+Suffix))
	if err != nil || len(names) != 1 {
		t.Fatalf("logs %v, %v; want one", names, err)
	}
	info, err := os.Stat(names[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func rerun(data []byte, opt Options) (Result, error) {
	l, err := Open(bytes.NewReader(data))
	if err != nil {
		return Result{}, err
	}
	return Run(l, opt)
}

// frames gives where each record begins and where the last ends.
func frames(t testing.TB, data []byte) []int {
	t.Helper()
	in := bytes.NewReader(data[len(magic):])
	at := []int{len(magic)}
	for n := uint64(0); ; n++ {
		payload, err := readFrame(in, n, nil)
		if err == io.EOF { //nolint:errorlint // as io.Reader gives it
			return at
		}
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, at[len(at)-1]+headerSize+len(payload))
	}
}

// keeper keeps what a recorder is told.
type keeper struct{ items []item }

var _ market.Recorder = (*keeper)(nil)

func (k *keeper) Began(epoch int64, p dispatch.Policy, r dispatch.Recovery) {
	k.items = append(k.items, item{began: &began{epoch, p, r}})
}

func (k *keeper) Stepped(now time.Time, in market.Input, out market.Effects) {
	k.items = append(k.items, item{now: now, in: in, out: out})
}
