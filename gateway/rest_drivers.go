package gateway

import (
	"net/http"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

func (s *Server) driverEndpoints() []endpoint {
	return []endpoint{
		{method: http.MethodPost, path: "/v1/telemetry", action: auth.PostTelemetry, serve: s.postTelemetry},
		{method: http.MethodGet, path: "/v1/drivers/{id}", action: auth.ReadDriver, serve: s.getDriver},
		{
			method: http.MethodGet, path: "/v1/drivers/nearby", action: auth.Nearby, serve: s.getNearby,
			params: []string{"lat", "lng", "limit", "market"},
		},
	}
}

// postTelemetry takes points of an app in the background, as the socket does.
func (s *Server) postTelemetry(c *call) (answer, *dispatch.Error) {
	var m wire.Telemetry
	if refused := c.decode(&m, false, nil); refused != nil {
		return answer{}, refused
	}
	driver, refused := s.edge.telemetryDriver(c.p, auth.PostTelemetry, m)
	if refused != nil {
		return answer{}, refused
	}
	duty, err := s.duties.of(c.r.Context(), driver)
	if err != nil {
		return answer{}, refusal(err)
	}
	if duty.market != "" && c.p.In(duty.market) {
		s.cfg.Positions.Put(duty.market, driver, m.Fixes())
	}
	return answer{status: http.StatusNoContent}, nil
}

func (s *Server) getDriver(c *call) (answer, *dispatch.Error) {
	id := dispatch.DriverID(c.r.PathValue("id"))
	if !dispatch.ValidID(string(id)) {
		return answer{}, notFound()
	}
	if refused := auth.Allow(c.p, auth.ReadDriver, auth.Target{Driver: id}); refused != nil {
		return answer{}, refused
	}
	driver, at, err := s.cfg.Positions.Driver(c.r.Context(), id)
	if dispatch.CodeOf(err) == dispatch.CodeNotFound {
		return answer{}, notFound() // word for word what one outside of the token's markets is told
	}
	if err != nil {
		return answer{}, refusal(err)
	}
	if refused := auth.Allow(c.p, auth.ReadDriver, auth.Target{Market: driver.Duty.Market, Driver: id}); refused != nil {
		return answer{}, refused
	}
	return success(wire.DriverFrom(&driver, at))
}

func (s *Server) getNearby(c *call) (answer, *dispatch.Error) {
	place, refused := c.query.place()
	if refused != nil {
		return answer{}, refused
	}
	limit, refused := c.query.limit()
	if refused != nil {
		return answer{}, refused
	}
	market, refused := s.nearbyMarket(c, place)
	if refused != nil {
		return answer{}, refused
	}
	if refused := auth.Allow(c.p, auth.Nearby, auth.Target{Market: market}); refused != nil {
		return answer{}, refused
	}
	near, err := s.cfg.Positions.Nearby(c.r.Context(), market, place, limit)
	if err != nil {
		return answer{}, refusal(err)
	}
	list := wire.List[wire.Near]{Items: make([]wire.Near, len(near))}
	for i := range near {
		list.Items[i] = wire.NearFrom(&near[i])
	}
	return success(list)
}

// nearbyMarket is the market named, else the one that holds the place.
func (s *Server) nearbyMarket(c *call, place geo.LatLng) (dispatch.MarketID, *dispatch.Error) {
	named, refused := c.query.id("market")
	if refused != nil {
		return "", refused
	}
	if named == "" {
		m, found := s.cfg.Markets().At(place)
		if !found {
			return "", dispatch.Errorf(dispatch.CodeBadRequest, "lat", "the place lies outside of every market")
		}
		return m.ID, nil
	}
	if _, found := s.cfg.Markets().Get(dispatch.MarketID(named)); !found {
		return "", unknownMarket("market")
	}
	return dispatch.MarketID(named), nil
}
