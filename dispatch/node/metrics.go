package node

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

// metrics are the node's figures. Labels are markets and fixed words, never ids.
type metrics struct {
	transitions *prometheus.CounterVec
	offers      *prometheus.CounterVec
	rounds      *prometheus.HistogramVec
	matched     *prometheus.CounterVec
	commits     *prometheus.HistogramVec
	groups      *prometheus.HistogramVec
	failures    *prometheus.CounterVec
	waits       *prometheus.HistogramVec
	recoveries  *prometheus.CounterVec
	toOffer     *prometheus.HistogramVec
	toMatch     *prometheus.HistogramVec
	fixes       prometheus.Counter
	lapses      prometheus.Counter
	drops       *prometheus.CounterVec
	decisions   decisions
}

func newMetrics(r prometheus.Registerer) *metrics {
	seconds := prometheus.ExponentialBuckets(0.0001, 2, 17) // 0.1 ms to 6.5 s
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "hexfleet", Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(
			prometheus.HistogramOpts{Namespace: "hexfleet", Name: name, Help: help, Buckets: buckets}, []string{"market"})
		r.MustRegister(h)
		return h
	}
	waits := prometheus.ExponentialBuckets(0.5, 2, 12) // 0.5 s to 17 min of market time
	m := &metrics{
		decisions:   newDecisions(r),
		toOffer:     histogram("time_to_offer_seconds", "Market time from the start of a search to an offer.", waits),
		toMatch:     histogram("time_to_match_seconds", "Market time from the start of a search to a driver.", waits),
		transitions: counter("transitions_total", "Committed events by type.", "market", "type"),
		offers:      counter("offers_total", "Offers by the state they entered.", "market", "state"),
		rounds:      histogram("round_seconds", "Wall time of a round, from its seek to its decision.", seconds),
		matched:     counter("round_orders_total", "Orders of rounds that have nobody yet: sought, matched.", "market", "what"),
		commits:     histogram("commit_seconds", "Wall time of a commit.", seconds),
		groups:      histogram("commit_transitions", "Transitions in a commit.", prometheus.ExponentialBuckets(1, 2, 9)),
		failures:    counter("commit_failures_total", "Commits that failed or whose outcome was not told.", "market"),
		waits:       histogram("queue_wait_seconds", "Wall time a command waited for its market's loop.", seconds),
		recoveries:  counter("recoveries_total", "Times a market's state was dropped and read again.", "market"),
		drops:       counter("telemetry_dropped_total", "Points that were not taken, by reason.", "reason"),
		fixes: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "hexfleet", Name: "telemetry_fixes_total", Help: "Points taken into the index."}),
	}
	m.lapses = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "hexfleet", Name: "lease_lapses_total", Help: "Times this node's lease ran out before it was renewed."})
	r.MustRegister(m.fixes, m.lapses)
	return m
}

func (m *metrics) dropped(reason string, n int) { m.drops.WithLabelValues(reason).Add(float64(n)) }

func (m *metrics) notice(n *dispatch.Notice) {
	m.offers.WithLabelValues(string(n.Offer.Market), string(n.Offer.State)).Inc()
}

func (m *metrics) events(id dispatch.MarketID, events []dispatch.Event) {
	for i := range events {
		e := &events[i]
		m.transitions.WithLabelValues(string(id), string(e.Type)).Inc()
		m.decisions.event(id, e)
		switch {
		case e.Order == nil || e.From == e.To:
		case e.To == dispatch.StateOffered:
			m.toOffer.WithLabelValues(string(id)).Observe(e.At.Sub(e.Order.SearchSince).Seconds())
		case e.To == dispatch.StateEnRouteToPickup:
			m.toMatch.WithLabelValues(string(id)).Observe(e.At.Sub(e.Order.SearchSince).Seconds())
		}
	}
}

// standing tells, when asked, which markets are led here, and of those how many orders are open and drivers there
// are. It holds no state.
type standing struct {
	node            *Node
	orders, drivers *prometheus.Desc
	led             *prometheus.Desc
}

func newStanding(n *Node) *standing {
	return &standing{
		node:    n,
		orders:  prometheus.NewDesc("hexfleet_open_orders", "Orders that are not closed, by state.", []string{"market", "state"}, nil),
		drivers: prometheus.NewDesc("hexfleet_drivers", "Drivers on duty or at work, by state.", []string{"market", "state"}, nil),
		led:     prometheus.NewDesc("hexfleet_market_led", "1 while this node leads the market, else 0.", []string{"market"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (s *standing) Describe(out chan<- *prometheus.Desc) {
	out <- s.orders
	out <- s.drivers
	out <- s.led
}

// Collect implements prometheus.Collector.
func (s *standing) Collect(out chan<- prometheus.Metric) {
	for _, m := range s.node.cfg.Markets {
		l, ok := s.node.led(m.ID)
		if !ok {
			out <- prometheus.MustNewConstMetric(s.led, prometheus.GaugeValue, 0, string(m.ID))
			continue
		}
		out <- prometheus.MustNewConstMetric(s.led, prometheus.GaugeValue, 1, string(m.ID))
		orders, drivers := l.fleet.count()
		for state, n := range orders {
			out <- prometheus.MustNewConstMetric(s.orders, prometheus.GaugeValue, float64(n), string(m.ID), string(state))
		}
		for state, n := range drivers {
			out <- prometheus.MustNewConstMetric(s.drivers, prometheus.GaugeValue, float64(n), string(m.ID), string(state))
		}
	}
}

// probe gives a market's loop where to tell its figures.
func (m *metrics) probe(id dispatch.MarketID) market.Probe {
	label := string(id)
	return market.Probe{
		Round: func(s market.RoundStats, took time.Duration) {
			m.rounds.WithLabelValues(label).Observe(took.Seconds())
			m.matched.WithLabelValues(label, "sought").Add(float64(s.Orders - s.Further))
			m.matched.WithLabelValues(label, "matched").Add(float64(s.Matched - s.FurtherMatched))
			m.decisions.round(label, &s)
		},
		Commit: func(transitions int, took time.Duration, err error) {
			m.commits.WithLabelValues(label).Observe(took.Seconds())
			m.groups.WithLabelValues(label).Observe(float64(transitions))
			if err != nil {
				m.failures.WithLabelValues(label).Inc()
			}
		},
		Waited:    func(d time.Duration) { m.waits.WithLabelValues(label).Observe(d.Seconds()) },
		Recovered: func() { m.recoveries.WithLabelValues(label).Inc() },
	}
}
