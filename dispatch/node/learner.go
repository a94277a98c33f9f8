package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// Learning is what a market's travel times are learnt from and kept in; store has it.
type Learning interface {
	Samples(ctx context.Context, f dispatch.SampleFilter) ([]dispatch.Sample, error)
	SaveLearnt(ctx context.Context, m dispatch.MarketID, name string, doc []byte) error
	Learnt(ctx context.Context, m dispatch.MarketID, name string) ([]byte, bool, error)
}

const (
	// learnEvery is the market time between two looks at what drivers drove.
	learnEvery = 5 * time.Minute
	// learnBehind is how far (market time) a look stays behind the present, so that samples that were sent late, or
	// wait to be written, are there. What is later still is not learnt from.
	learnBehind = 5 * time.Minute
	// learnHold is how long (market time) a drive that has ended waits for those that began before it: they have to
	// be learnt in the order in which they began (eta.Learnt.Learn). One ride of sixteen takes longer than 23 min.
	learnHold = 45 * time.Minute
	// learnPage is how many samples are read at a time.
	learnPage = 4096
	// learnBudget (wall) bounds a look; what is left is read by the next.
	learnBudget = 10 * time.Second
	// learnBack is what a market that has learnt nothing yet begins with, when there are samples of it.
	learnBack = 7 * 24 * time.Hour
	// learntName is the document's name in the store.
	learntName = "eta"
)

// learner has the travel times of one market: the router's where there is one and it answers, else those of a
// line that learns from the samples of drivers at work. Estimates may be asked by many at once.
//
// What it learnt is saved after each look. When a market changes hands, the new leader goes on from the document and
// reads the samples of what was not learnt by then: no drive is learnt twice, and those are lost that began before
// and were still under way.
type learner struct {
	market   dispatch.MarketID
	learning Learning // nil: nothing is learnt
	line     *eta.Learnt
	times    TravelTimes // over the line

	mu sync.Mutex // held during a look; guards what is below
	// ready tells that the document was read, or that there is none: before that nothing may be saved.
	ready bool
	// read is up to when samples were read; after is the last of them when the look ended early.
	read  time.Time
	after *dispatch.Sample
	// whole is from when on the begin of a way is seen: earlier ones are cut.
	whole time.Time
	// under are the ways under way.
	under map[dispatch.DriverID]*way
	// held are drives that have ended, to be learnt once learnHold is over.
	held []eta.Observation
}

// way is a driver on its way in one state of one order; being at work on another order breaks it.
type way struct {
	order dispatch.OrderID
	state dispatch.State
	run   eta.Run
}

// newLearner knows nothing yet; begin reads what was learnt before.
func newLearner(cfg *Config, m *dispatch.Market) *learner {
	zone, err := time.LoadLocation(m.Timezone)
	if err != nil {
		zone = time.UTC // a market that was read from a file names a zone that there is
	}
	k := &learner{
		market: m.ID, learning: cfg.Learning, line: eta.NewLearnt(zone, cfg.Clock.Now),
		under: map[dispatch.DriverID]*way{},
	}
	k.times = k.line
	if cfg.ETA != nil {
		k.times = eta.Fallback{First: cfg.ETA, Line: k.line}
	}
	return k
}

// Matrix implements TravelTimes.
func (k *learner) Matrix(ctx context.Context, sources, targets []geo.LatLng) ([][]eta.Estimate, error) {
	return k.times.Matrix(ctx, sources, targets)
}

// routed tells whether a router is asked first. Else the line alone answers.
func (k *learner) routed() bool { return k.times != TravelTimes(k.line) }

// quick estimates one drive without asking anyone: whoever sends a position must not wait for a router.
func (k *learner) quick(from, to geo.LatLng, now time.Time) time.Duration {
	return k.line.Estimate(from, to, now).Duration
}

// begin reads what was learnt before; now is market time. A document that cannot be read back is written anew; a
// store that is away is asked again by the next look.
func (k *learner) begin(ctx context.Context, now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.beginLocked(ctx, now)
}

func (k *learner) beginLocked(ctx context.Context, now time.Time) error {
	if k.learning == nil || k.ready {
		return nil
	}
	doc, ok, err := k.learning.Learnt(ctx, k.market, learntName)
	if err != nil {
		return fmt.Errorf("read the learnt travel times of market %s: %w", k.market, err)
	}
	k.ready, k.read = true, now.Add(-learnBehind-learnHold)
	if ok {
		err = k.line.Restore(doc)
	}
	if !ok || err != nil {
		k.read = now.Add(-learnBack)
	}
	k.whole = k.read.Add(2 * dispatch.SampleEvery)
	return err
}

// look learns from the samples since the last look, and saves what it learnt; it gives how many drives that were.
func (k *learner) look(ctx context.Context, now time.Time) (drives int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.learning == nil {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, learnBudget)
	defer cancel()
	if err := k.beginLocked(ctx, now); err != nil {
		return 0, err
	}
	to := now.Add(-learnBehind)
	for to.After(k.read) {
		page, err := k.learning.Samples(ctx, dispatch.SampleFilter{
			Market: k.market, From: k.read, To: to, After: k.after, Limit: learnPage,
		})
		if err != nil {
			return 0, fmt.Errorf("read samples of market %s: %w", k.market, err)
		}
		k.follow(page)
		if len(page) < learnPage {
			k.read, k.after = to, nil
			break
		}
		last := page[len(page)-1]
		k.after = &last
	}
	k.ended(k.read)
	if drives = k.line.Learn(k.release(k.read)); drives == 0 {
		return 0, nil
	}
	if err := k.learning.SaveLearnt(ctx, k.market, learntName, k.line.Document()); err != nil {
		return drives, fmt.Errorf("save the learnt travel times of market %s: %w", k.market, err)
	}
	return drives, nil
}

// follow puts samples to their ways.
func (k *learner) follow(samples []dispatch.Sample) {
	for i := range samples {
		s := &samples[i]
		w := k.under[s.Driver]
		if w == nil || w.order != s.Order || w.state != s.State {
			k.end(s.Driver)
			if !underWay(s.State) {
				continue
			}
			w = &way{order: s.Order, state: s.State}
			k.under[s.Driver] = w
		}
		w.run.Add(s.Fix)
	}
}

// ended ends the ways of drivers that have not been heard of for so long.
func (k *learner) ended(now time.Time) {
	for _, d := range slices.Sorted(maps.Keys(k.under)) {
		if k.under[d].run.Last().Before(now.Add(-learnBehind)) {
			k.end(d)
		}
	}
}

// end holds a driver's way to be learnt, if it tells a drive and was seen from its begin.
func (k *learner) end(d dispatch.DriverID) {
	w := k.under[d]
	if w == nil {
		return
	}
	delete(k.under, d)
	if o, ok := w.run.Observation(); ok && !o.Start.Before(k.whole) {
		k.held = append(k.held, o)
	}
}

// release gives the drives that were held long enough, in the order in which they began.
func (k *learner) release(now time.Time) []eta.Observation {
	slices.SortStableFunc(k.held, func(a, b eta.Observation) int { return a.Start.Compare(b.Start) })
	n := slices.IndexFunc(k.held, func(o eta.Observation) bool { return o.Start.After(now.Add(-learnHold)) })
	if n < 0 {
		n = len(k.held)
	}
	ready := slices.Clone(k.held[:n])
	k.held = slices.Delete(k.held, 0, n)
	return ready
}

// underWay tells whether a driver drives straight to somewhere in a state of its order.
func underWay(s dispatch.State) bool {
	return s == dispatch.StateEnRouteToPickup || s == dispatch.StateEnRouteToStop || s == dispatch.StateEnRouteToDropoff
}

// learn is the chore: a look for each market led here.
func (c *chores) learn(ctx context.Context) {
	n := c.node
	for _, m := range n.cfg.Markets {
		l, ok := n.led(m.ID)
		if !ok {
			continue
		}
		drives, err := l.learner.look(ctx, n.cfg.Clock.Now())
		if err != nil {
			n.cfg.Log.Warn("travel times not learnt", "market", m.ID, "error", err)
		}
		if drives > 0 {
			n.cfg.Log.Debug("travel times learnt", "market", m.ID, "drives", drives)
		}
	}
}
