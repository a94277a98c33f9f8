package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

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
		{method: http.MethodGet, path: "/v1/markets/{id}/supply", action: auth.ReadSupply, serve: s.getSupply},
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
	told := s.tellMarket(&m)
	if m.Zones != nil {
		told.Zones = jsontext.Value(m.Zones.GeoJSON())
	}
	return success(told)
}

// getSupply tells where drivers and orders are, for pricing outside.
func (s *Server) getSupply(c *call) (answer, *dispatch.Error) {
	id := dispatch.MarketID(c.r.PathValue("id"))
	if _, found := s.cfg.Markets().Get(id); !found {
		return answer{}, notFound()
	}
	if refused := auth.Allow(c.p, auth.ReadSupply, auth.Target{Market: id}); refused != nil {
		return answer{}, refused
	}
	if s.cfg.Board == nil {
		return answer{}, dispatch.Unavailable("this server shows no board", nil)
	}
	supply, err := s.cfg.Board.Supply(c.r.Context(), id)
	if err != nil {
		return answer{}, refusal(err)
	}
	return success(wire.SupplyFrom(supply))
}

func (s *Server) tellMarket(m *dispatch.Market) wire.Market {
	return wire.MarketFrom(m, s.cfg.Market.Now(), s.cfg.Market.Scale())
}
