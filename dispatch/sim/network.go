package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/geo"
)

// line is a driver's network.
type line struct {
	rng *rand.Rand
	// cut: there is none at present. inbox is what is to be heard, outbox what is to be sent when it is back.
	cut    bool
	inbox  []actor.Event
	outbox []actor.Command
}

// seen is what the server knows of a driver's place.
type seen struct {
	handle geo.Handle
	// sent is when its last position was taken, zero for never; at is where, as told.
	sent time.Time
	at   geo.LatLng
}

// networks sets when each driver loses its network for the first time.
func (w *world) networks() {
	if w.sc.Conduct.Lost == 0 {
		return
	}
	for i, d := range w.drivers {
		w.queue.set(w.networkSlot(i), w.now.Add(d.line.until(&w.sc.Conduct)))
	}
}

func (w *world) networkSlot(driver int) int { return 1 + len(w.drivers) + len(w.riders) + driver }

// until is the time to the next change of the network.
func (l *line) until(c *Conduct) time.Duration {
	mean := float64(c.LostFor)
	if !l.cut {
		mean *= (1 - c.Lost) / c.Lost
	}
	return time.Duration(l.rng.ExpFloat64() * mean)
}

// network takes a driver's network away, or gives it back: then the server hears first what the driver had to say.
func (w *world) network(d *driver) {
	if !d.line.cut {
		w.finder.sample(d) // the last position that came through
	}
	d.line.cut = !d.line.cut
	w.queue.set(w.networkSlot(d.slot-1), w.now.Add(d.line.until(&w.sc.Conduct)))
	if d.line.cut {
		return
	}
	inbox, outbox := d.line.inbox, d.line.outbox
	d.line.inbox, d.line.outbox = nil, nil
	for _, c := range outbox {
		w.say(d, c)
	}
	for _, e := range inbox {
		w.mail = append(w.mail, letter{driver: d, event: e})
	}
}

// noise moves a place as the receiver of the i-th driver does at an instant: a function of the two and the seed, so that
// it is the same whoever asks, and how often.
func noise(p geo.LatLng, sd geo.Meters, seed uint64, i int, at time.Time) geo.LatLng {
	if sd == 0 {
		return p
	}
	random := mix(mix(seed, uint64(i)), uint64(at.UnixMicro()))
	const scale = 1.0 / (1 << 53)
	u, v := (float64(random>>11)+0.5)*scale, float64(mix(random, 1)>>11)*scale
	// Box and Muller (1958): a distance and a direction make two normal numbers.
	return move(p, sd*geo.Meters(math.Sqrt(-2*math.Log(u))), 2*math.Pi*v)
}
