package gateway

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// metrics is what operators see of the sockets and the hub. No label holds an id, or anything else that a
// client chooses.
type metrics struct {
	sockets   *prometheus.GaugeVec   // role
	framesIn  *prometheus.CounterVec // type
	framesOut *prometheus.CounterVec // type
	closes    *prometheus.CounterVec // code
	overflows prometheus.Counter
	requests  *prometheus.HistogramVec // type, code
	points    *prometheus.CounterVec   // fate
	lag       prometheus.Histogram
	holes     *prometheus.CounterVec // market
	boards    boardMetrics
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		sockets: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hexfleet_gateway_sockets", Help: "Open sockets that have been welcomed.",
		}, []string{"role"}),
		framesIn: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hexfleet_gateway_frames_in_total", Help: "Frames received, by message type.",
		}, []string{"type"}),
		framesOut: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hexfleet_gateway_frames_out_total", Help: "Frames queued for a socket, by message type.",
		}, []string{"type"}),
		closes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hexfleet_gateway_closes_total", Help: "Sockets closed, by close code.",
		}, []string{"code"}),
		overflows: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hexfleet_gateway_queue_overflows_total", Help: "Sockets cut because their queue was full.",
		}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hexfleet_gateway_request_seconds", Help: "Time from a socket request to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"type", "code"}),
		points: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hexfleet_gateway_points_total", Help: "Telemetry points, by what became of them.",
		}, []string{"fate"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hexfleet_gateway_hub_lag_seconds", Help: "Wall time from an event to its delivery to sockets.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}),
		holes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hexfleet_gateway_hub_holes_total", Help: "Holes in a market's events, read from the history.",
		}, []string{"market"}),
	}
	reg.MustRegister(m.sockets, m.framesIn, m.framesOut, m.closes, m.overflows, m.requests, m.points, m.lag, m.holes)
	m.boards = newBoardMetrics(reg)
	return m
}

func codeLabel(code int) string { return strconv.Itoa(code) }

// kindLabel bounds the message type of a received frame to those of the contract.
func kindLabel(kind string) string {
	switch kind {
	case wire.TypeAuth, wire.TypeResume, wire.TypeTelemetry, wire.TypeDuty, wire.TypeOfferAccept,
		wire.TypeOfferDecline, wire.TypeTripAdvance, wire.TypeOrderCreate, wire.TypeOrderCancel,
		wire.TypeOrderWatch, wire.TypeOrderUnwatch, wire.TypeBoardWatch:
		return kind
	}
	return "other"
}

// outcome is the code label of an answer.
func outcome(e *dispatch.Error) string {
	if e == nil {
		return "ok"
	}
	return string(e.Code)
}
