package node

import (
	"context"
	"maps"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

const (
	// flushEvery is the wall time between two writes of samples: what a crash may take of them.
	flushEvery = 2 * time.Second
	// flushWithin bounds one write.
	flushWithin = 5 * time.Second
	// maxSamples wait to be written at most: ten minutes of 300 drivers at work, or the time of a short outage of the
	// store with thousands; then the newest are dropped.
	maxSamples = 8192
)

// samples thins out the points of drivers at work and writes them behind: nobody who sends a point waits for the
// store. It serves all markets of a node.
type samples struct {
	node    *Node
	written *prometheus.CounterVec

	mu sync.Mutex
	// last is the instant (market) of each driver's last sample; those who are not at work any more go. Guarded by mu.
	last map[dispatch.DriverID]time.Time
	// waiting are those to be written, oldest first. Guarded by mu.
	waiting []dispatch.Sample

	writing sync.Mutex // held by who writes, so that Flush returns only when all before it is written
}

func newSamples(n *Node) *samples {
	s := &samples{
		node: n, last: map[dispatch.DriverID]time.Time{},
		written: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "hexfleet", Name: "samples_total", Help: "Points kept of trips: kept, or dropped for want of a store.",
		}, []string{"what"}),
	}
	n.cfg.Registry.MustRegister(s.written)
	return s
}

// take keeps a driver's accepted fix for the orders that it works on, unless the last is too young. Of a batch of
// points that a driver sends after a gap it is given the last.
func (s *samples) take(m dispatch.MarketID, d dispatch.DriverID, fix geo.Fix, orders []*dispatch.Order) {
	if len(orders) == 0 || s.node.cfg.Archive == nil {
		return
	}
	fix.AccuracyM = math.NaN()
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.last[d]; ok && fix.At.Sub(last) < dispatch.SampleEvery {
		return
	}
	s.last[d] = fix.At
	for _, o := range orders {
		if len(s.waiting) == maxSamples {
			s.written.WithLabelValues("dropped").Inc()
			continue
		}
		s.waiting = append(s.waiting, dispatch.Sample{Driver: d, Order: o.ID, Market: m, State: o.State, Fix: fix})
	}
}

// flush writes what waits. What cannot be written is dropped: samples are losable, and old ones must not keep new ones
// out.
func (s *samples) flush(ctx context.Context) {
	s.writing.Lock()
	defer s.writing.Unlock()
	batch := s.rest()
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushWithin)
	defer cancel()
	if err := s.node.cfg.Archive.AddSamples(ctx, batch); err != nil {
		s.written.WithLabelValues("dropped").Add(float64(len(batch)))
		s.node.cfg.Log.Warn("samples of trips not kept", "samples", len(batch), "error", err)
		return
	}
	s.written.WithLabelValues("kept").Add(float64(len(batch)))
}

// rest takes what waits, and forgets drivers that have not been at work for a while.
func (s *samples) rest() []dispatch.Sample {
	idle := s.node.cfg.Clock.Now().Add(-10 * dispatch.SampleEvery)
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := s.waiting
	s.waiting = nil
	maps.DeleteFunc(s.last, func(_ dispatch.DriverID, at time.Time) bool { return at.Before(idle) })
	return batch
}
