package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

// decisions are the figures of what rounds decided and what became of it. docs/operations.md says how to read them.
type decisions struct {
	made         *prometheus.CounterVec
	unmatched    *prometheus.CounterVec
	greedy       *prometheus.CounterVec
	hurries      *prometheus.CounterVec
	seconds      *prometheus.CounterVec
	shadow       *prometheus.CounterVec
	redispatches *prometheus.CounterVec
	nudges       *prometheus.CounterVec
	chained      *prometheus.CounterVec
}

func newDecisions(r prometheus.Registerer) decisions {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "hexfleet", Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	return decisions{
		made:      counter("round_decisions_total", "Offers that rounds made, and orders assigned without asking (forced).", "market", "what"),
		unmatched: counter("round_unmatched_total", "Orders that a round left without, by reason.", "market", "reason"),
		greedy:    counter("round_greedy_total", "Rounds that were decided in a hurry.", "market"),
		hurries: counter("round_hurries_total",
			"Rounds that were in a hurry: out of their budget for candidates, or with commands queued too long.", "market", "why"),
		seconds: counter("round_cost_seconds_total",
			"Seconds that rounds decided on: cost with penalties, and pickup times.", "market", "what"),
		shadow: counter("round_shadow_total",
			"What the shadow would have decided: orders matched, orders that differ, seconds of cost and of pickup.", "market", "what"),
		redispatches: counter("redispatches_total", "Orders whose driver was taken off before the pickup, by cause.", "market", "cause"),
		nudges:       counter("nudges_total", "Drivers reminded of the order that they do not come to, by cause.", "market", "cause"),
		chained:      counter("chained_matches_total", "Orders given to a driver who was at work on another.", "market"),
	}
}

// round counts what one round decided.
func (d *decisions) round(label string, s *market.RoundStats) {
	d.made.WithLabelValues(label, "offers").Add(float64(s.Offers))
	d.made.WithLabelValues(label, "forced").Add(float64(s.Forced))
	for reason, n := range map[string]int{
		dispatch.UnmatchedNobodyNear: s.Unmatched.NobodyNear,
		dispatch.UnmatchedFiltered:   s.Unmatched.Filtered,
		dispatch.UnmatchedOutbid:     s.Unmatched.Outbid,
	} {
		d.unmatched.WithLabelValues(label, reason).Add(float64(n))
	}
	if s.Greedy {
		d.greedy.WithLabelValues(label).Inc()
	}
	d.seconds.WithLabelValues(label, "cost").Add(max(0, s.Cost.Seconds()))
	d.seconds.WithLabelValues(label, "pickup").Add(max(0, s.Pickup.Seconds()))
	if h := s.Shadow; h != nil {
		d.shadow.WithLabelValues(label, "matched").Add(float64(h.Matched))
		d.shadow.WithLabelValues(label, "differ").Add(float64(h.Differ))
		d.shadow.WithLabelValues(label, "cost_s").Add(max(0, h.Cost.Seconds()))
		d.shadow.WithLabelValues(label, "pickup_s").Add(max(0, h.Pickup.Seconds()))
	}
}

// event counts a redispatch: by the engine's reason, else by who asked for it.
func (d *decisions) event(id dispatch.MarketID, e *dispatch.Event) {
	if e.To != dispatch.StateSearching || !e.From.Assigned() {
		return
	}
	by := "dispatcher"
	switch e.By.Role {
	case dispatch.RoleEngine:
		by = e.Reason
	case dispatch.RoleDriver:
		by = "driver"
	}
	d.redispatches.WithLabelValues(string(id), by).Inc()
}
