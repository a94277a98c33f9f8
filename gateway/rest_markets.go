package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

func (s *Server) marketEndpoints() []endpoint {
	return []endpoint{
		{
			method: http.MethodGet, path: "/v1/markets", action: auth.ReadMarket, serve: s.getMarkets,
			params: []string{"cursor", "limit"},
		},
		{method: http.MethodGet, path: "/v1/markets/{id}", action: auth.ReadMarket, serve: s.getMarket},
	}
}

// getMarkets lists every market, whatever the token's: where they lie is no secret.
func (s *Server) getMarkets(c *call) (answer, *dispatch.Error) {
	limit, refused := c.query.limit()
	if refused != nil {
		return answer{}, refused
	}
	const kind = "markets"
	after, refused := c.query.cursor(kind)
	if refused != nil {
		return answer{}, refused
	}
	markets := slices.DeleteFunc(slices.Clone(s.cfg.Markets()), func(m dispatch.Market) bool {
		return strings.Compare(string(m.ID), after) <= 0
	})
	return success(pageOf(markets, limit, kind, func(m *dispatch.Market) string { return string(m.ID) }, s.tellMarket))
}

func (s *Server) getMarket(c *call) (answer, *dispatch.Error) {
	m, found := s.cfg.Markets().Get(dispatch.MarketID(c.r.PathValue("id")))
	if !found {
		return answer{}, notFound()
	}
	return success(s.tellMarket(&m))
}

func (s *Server) tellMarket(m *dispatch.Market) wire.Market {
	return wire.MarketFrom(m, s.cfg.Market.Now(), s.cfg.Market.Scale())
}
