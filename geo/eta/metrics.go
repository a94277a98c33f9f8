package eta

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// routerMetrics are a router's figures:
//
//	hexfleet_eta_requests_total{router,outcome}  ok, refused, failed, abandoned, rested (the breaker)
//	hexfleet_eta_request_seconds{router}         of those that were sent
//	hexfleet_eta_pairs_total{router,answer}      cache, router, none: left to the learnt line
//	hexfleet_eta_router_resting{router}          1 while the breaker is open
type routerMetrics struct {
	source   string
	requests *prometheus.CounterVec
	seconds  prometheus.Histogram
	pairs    *prometheus.CounterVec
}

func newRouterMetrics(source string) routerMetrics {
	labels := prometheus.Labels{"router": source}
	return routerMetrics{
		source: source,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hexfleet_eta_requests_total", Help: "Requests to the router, by outcome.", ConstLabels: labels,
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hexfleet_eta_request_seconds", Help: "Wall time of a request to the router.", ConstLabels: labels,
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1},
		}),
		pairs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hexfleet_eta_pairs_total", Help: "Pairs of places asked for, by who answered.", ConstLabels: labels,
		}, []string{"answer"}),
	}
}

func (m *routerMetrics) register(r prometheus.Registerer, b *breaker) {
	r.MustRegister(m.requests, m.seconds, m.pairs, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hexfleet_eta_router_resting", Help: "1 while the router is left alone after failures.",
		ConstLabels: prometheus.Labels{"router": m.source},
	}, func() float64 {
		if b.open() {
			return 1
		}
		return 0
	}))
}

func (m *routerMetrics) outcome(o string)     { m.requests.WithLabelValues(o).Inc() }
func (m *routerMetrics) took(d time.Duration) { m.seconds.Observe(d.Seconds()) }
func (m *routerMetrics) remembered(n int)     { m.pairs.WithLabelValues("cache").Add(float64(n)) }
func (m *routerMetrics) answered(n int)       { m.pairs.WithLabelValues("router").Add(float64(n)) }
func (m *routerMetrics) unknown(n int)        { m.pairs.WithLabelValues("none").Add(float64(n)) }
