package sim

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// trips makes trips of the lives.
func (f *fold) trips() {
	for _, l := range f.asked {
		o := &l.last
		if len(l.first.Stops) < dispatch.MinStops {
			continue // erased
		}
		direct := len(l.first.Stops) == dispatch.MinStops
		if l.took > 0 && direct {
			f.p.Drives = append(f.p.Drives, Trip{
				ID: string(o.ID), At: l.pickup, Pickup: l.first.Pickup(), Dropoff: l.first.Dropoff(), Duration: l.took,
			})
		}
		if l.carried {
			continue
		}
		if !o.State.Closed() {
			f.p.Gaps.Open++
		}
		t := Trip{
			ID: string(o.ID), At: l.begun, Pickup: l.first.Pickup(), Dropoff: l.first.Dropoff(), Wish: l.wish,
		}
		if t.Kind, t.VehicleClass = o.Kind, o.VehicleClass; o.PickupAt.After(l.begun) {
			t.Ready = o.PickupAt
		}
		if direct {
			t.Duration = l.took
		}
		for _, s := range l.first.Stops[1 : len(l.first.Stops)-1] {
			t.Via = append(t.Via, s.LatLng)
		}
		f.p.Trips = append(f.p.Trips, t)
	}
	slices.SortStableFunc(f.p.Drives, func(a, b Trip) int { return a.At.Compare(b.At) })
}

// workers makes workers of the crews, each spell beginning where the driver then was, as well as that can be told.
func (f *fold) workers(zone *time.Location) {
	prior := eta.NewLearnt(zone, func() time.Time { return f.p.To })
	learnt := LearntTravel(zone, f.p.Drives, f.p.To)
	drive := func(s *sight, from geo.LatLng) time.Duration {
		switch s.source {
		case eta.SourceStraightLine:
			return eta.Default().Estimate(from, s.pickup).Duration
		case eta.SourcePrior:
			return prior.Estimate(from, s.pickup, s.at).Duration
		}
		return learnt.Drive(from, s.pickup, s.at)
	}
	for _, c := range f.came {
		w := Worker{ID: c.id}
		for i := range c.spells {
			s := &c.spells[i]
			if !s.off.IsZero() && !s.on.Before(s.off) {
				continue
			}
			at := f.place(c, s, drive)
			w.Shifts = append(w.Shifts, actor.Shift{On: s.on, Off: s.off, At: at, Vehicle: s.vehicle})
		}
		if len(w.Shifts) > 0 {
			f.p.Workers = append(f.p.Workers, w)
		}
	}
	slices.SortFunc(f.p.Workers, func(a, b Worker) int { return cmp.Compare(a.ID, b.ID) })
}

// place is where a spell of duty began.
func (f *fold) place(c *crew, s *spell, drive func(*sight, geo.LatLng) time.Duration) geo.LatLng {
	if s.exact {
		f.p.Gaps.Located++
		return *s.before
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(c.id)) // never fails
	chance := mix(hash.Sum64(), uint64(s.on.UnixMicro()))
	at, seen := f.w.sights[s.key].locate(drive, s.before, chance)
	switch {
	case seen:
	case s.before != nil:
		at = *s.before
	case s.after != nil:
		at = *s.after
	case len(f.p.Trips) == 0:
	default:
		f.p.Gaps.Guessed++
		return f.p.Trips[chance%uint64(len(f.p.Trips))].Dropoff
	}
	f.p.Gaps.Located++
	return at
}
