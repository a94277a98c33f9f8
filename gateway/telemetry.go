package gateway

import (
	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

// What becomes of points at the gateway; the index counts those it drops for itself.
const (
	fatePut     = "put"
	fateOffDuty = "off_duty"
	fateUnknown = "unknown" // the journal was away
)

// telemetry takes a driver's points. It is handled by the reader itself, so that a duty sent after it knows
// the last point, and no goroutine is made for a ping; but points sent behind a duty that is still under way
// wait for it, or a driver that sends both at once and then stands still would be seen by nobody. It is
// acknowledged only when it carries an id.
func (s *session) telemetry(id *wire.ID, data []byte) {
	p := s.principal()
	driver, fixes, refused := s.points(p, data)
	if refused != nil {
		s.denied(wire.TypeTelemetry, "", idOf(id), false, refused)
		s.refuse(id, refused)
		return
	}
	if !s.requests.busy(aboutDriver) {
		s.placed(id, p, driver, fixes)
		return
	}
	turn, refused := s.requests.begin(s.life(), aboutDriver)
	if refused != nil {
		s.refuse(id, refused)
		return
	}
	go func() {
		defer turn.end()
		defer s.guard()
		turn.wait()
		s.placed(id, p, driver, fixes)
	}()
}

// points judges and decodes telemetry, and notes where the driver of this socket is.
func (s *session) points(p auth.Principal, data []byte) (dispatch.DriverID, []geo.Fix, *dispatch.Error) {
	if refused := auth.Allow(p, auth.Telemetry, auth.Target{}); refused != nil {
		return "", nil, refused
	}
	var m wire.Telemetry
	if refused := wire.Decode(data, &m); refused != nil {
		return "", nil, refused
	}
	driver, refused := s.srv.edge.telemetryDriver(p, auth.Telemetry, m)
	if refused != nil {
		return "", nil, refused
	}
	fixes := m.Fixes()
	if p.Role == dispatch.RoleDriver {
		last := fixes[len(fixes)-1].LatLng
		s.last = &last
	}
	return driver, fixes, nil
}

// placed places points and answers for them.
func (s *session) placed(id *wire.ID, p auth.Principal, driver dispatch.DriverID, fixes []geo.Fix) {
	if refused := s.place(p, driver, fixes); refused != nil {
		s.denied(wire.TypeTelemetry, object("driver", string(driver)), idOf(id), false, refused)
		s.refuse(id, refused)
		return
	}
	if id != nil {
		s.ack(*id, nil)
	}
}

// place brings points to the market in which the driver is, or was last, on duty; the market drops them when
// the driver neither is on duty nor works on an order there. Before a driver's first duty they go nowhere.
func (s *session) place(p auth.Principal, driver dispatch.DriverID, fixes []geo.Fix) *dispatch.Error {
	ctx, cancel := s.within(requestWait)
	defer cancel()
	points := s.srv.metrics.points
	at, err := s.srv.duties.of(ctx, driver)
	if err != nil {
		points.WithLabelValues(fateUnknown).Add(float64(len(fixes)))
		return refusal(err)
	}
	if at.market == "" {
		points.WithLabelValues(fateOffDuty).Add(float64(len(fixes)))
		return nil
	}
	if refused := auth.Allow(p, auth.Telemetry, auth.Target{Market: at.market, Driver: driver}); refused != nil {
		return refused
	}
	points.WithLabelValues(fatePut).Add(float64(len(fixes)))
	s.srv.cfg.Positions.Put(at.market, driver, fixes)
	return nil
}
