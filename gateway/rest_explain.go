package gateway

import (
	"net/http"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

func (s *Server) explainEndpoints() []endpoint {
	return []endpoint{{
		method: http.MethodGet, path: "/v1/orders/{id}/explain", action: auth.ReadExplain, serve: s.getExplain,
	}}
}

// getExplain tells how rounds dealt with an order. What rounds were is written behind and may be lost; the offers are
// the journal's.
func (s *Server) getExplain(c *call) (answer, *dispatch.Error) {
	order, refused := s.readable(c)
	if refused != nil {
		return answer{}, refused
	}
	offers, err := s.cfg.History.OrderOffers(c.r.Context(), order.ID)
	if err != nil {
		return answer{}, refusal(err)
	}
	var rounds []dispatch.Explanation
	if s.cfg.Explain != nil {
		if rounds, err = s.cfg.Explain.Explained(c.r.Context(), order.Market, order.ID); err != nil {
			return answer{}, refusal(err)
		}
	}
	return success(wire.ExplainFrom(order.ID, rounds, offers))
}
