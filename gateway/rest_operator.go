package gateway

import (
	_ "embed"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// openAPI describes REST as it is; a test compares it with the routes and the wire's structs.
//
//go:embed openapi.json
var openAPI []byte

// asyncAPI describes the socket as it is; a test compares it with the messages, the wire's structs, the policy
// and the limits.
//
//go:embed asyncapi.json
var asyncAPI []byte

func (s *Server) operatorEndpoints() []endpoint {
	eps := []endpoint{
		{method: http.MethodGet, path: "/healthz", serve: s.getHealth},
		{method: http.MethodGet, path: "/readyz", serve: s.getReady},
		{method: http.MethodGet, path: "/openapi.json", raw: serveDocument(openAPI)},
		{method: http.MethodGet, path: "/asyncapi.json", raw: serveDocument(asyncAPI)},
	}
	if s.cfg.HideMetrics {
		return eps
	}
	return append(eps, endpoint{
		method: http.MethodGet, path: "/metrics",
		raw: promhttp.HandlerFor(s.cfg.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}),
	})
}

// getHealth tells that the process answers, nothing more.
func (s *Server) getHealth(*call) (answer, *dispatch.Error) {
	return success(wire.Health{Status: "ok"})
}

// getReady tells whether traffic should come here.
func (s *Server) getReady(*call) (answer, *dispatch.Error) {
	if err := s.cfg.Ready(); err != nil {
		return answer{}, dispatch.Unavailable("not ready", err)
	}
	leads, standsBy := s.cfg.Standing()
	return success(wire.Readiness{Status: "ready", Leads: wireMarkets(leads), StandsBy: wireMarkets(standsBy)})
}

func wireMarkets(markets []dispatch.MarketID) []wire.ID {
	ids := make([]wire.ID, len(markets))
	for i, m := range markets {
		ids[i] = wire.ID(m)
	}
	return ids
}

func serveDocument(document []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document) // a client that has gone cannot be told
	}
}
