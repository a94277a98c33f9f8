package gateway

import "github.com/prometheus/client_golang/prometheus"

// boardMetrics is what operators see of the boards; their frames are counted with all others.
type boardMetrics struct {
	watches prometheus.Gauge
	bytes   *prometheus.CounterVec // type
	skipped prometheus.Counter
}

func newBoardMetrics(reg prometheus.Registerer) boardMetrics {
	m := boardMetrics{
		watches: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hexfleet_gateway_board_watches", Help: "Sockets that watch a board.",
		}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hexfleet_gateway_board_bytes_total", Help: "Bytes of board frames queued for a socket, by message type.",
		}, []string{"type"}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hexfleet_gateway_board_skipped_total", Help: "Board frames left to the next because the one before was not out.",
		}),
	}
	reg.MustRegister(m.watches, m.bytes, m.skipped)
	return m
}
