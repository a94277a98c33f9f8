package fleet

import (
	"errors"
	"math"

	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// request makes a command the message that says it; nil for telemetry.
func request(c actor.Command) client.Request {
	switch c := c.(type) {
	case actor.Online:
		return &wire.Duty{State: wire.DutyOnline, Market: wire.ID(c.Market)}
	case actor.Offline:
		return &wire.Duty{State: wire.DutyOffline}
	case actor.Accept:
		return &wire.OfferAccept{OfferID: wire.ID(c.Offer)}
	case actor.Decline:
		return &wire.OfferDecline{OfferID: wire.ID(c.Offer)}
	case actor.Advance:
		return &wire.TripAdvance{OrderID: wire.ID(c.Order), To: string(c.To)}
	case actor.Cancel:
		return &wire.OrderCancel{OrderID: wire.ID(c.Order), Reason: c.Reason}
	case actor.Watch:
		return &wire.OrderWatch{OrderID: wire.ID(c.Order)}
	case actor.Create:
		stops := make([]wire.Stop, len(c.New.Stops))
		for i, s := range c.New.Stops {
			stops[i] = wire.Stop{Type: string(s.Type), Lat: s.Lat, Lng: s.Lng}
		}
		return &wire.OrderCreate{
			Market: wire.ID(c.Market), Kind: string(c.New.Kind),
			VehicleClass: wire.ID(c.New.VehicleClass), Stops: stops,
		}
	}
	return nil
}

// point makes a position the message's; what is not known is left out.
func point(t actor.Telemetry) wire.Point {
	known := func(x float64) *float64 {
		if math.IsNaN(x) {
			return nil
		}
		return &x
	}
	return wire.Point{
		Lat: t.Fix.Lat, Lng: t.Fix.Lng, Timestamp: wire.TimeOf(t.Fix.At),
		SpeedMps: known(t.Fix.SpeedMps), HeadingDeg: known(t.Fix.HeadingDeg), AccuracyM: known(t.Fix.AccuracyM),
	}
}

// replaced is the answer to a request of a device that was replaced before it was answered.
const replaced = "replaced"

// answered makes an answer an event; false when there is none because the client has ended.
func answered(to actor.Command, order *wire.Order, err error) (actor.Answered, bool) {
	if gaveWay(err) {
		return actor.Answered{To: to, Code: replaced}, true
	}
	if err != nil {
		refusal, ok := errors.AsType[*client.Error](err)
		if !ok {
			return actor.Answered{}, false
		}
		return actor.Answered{To: to, Code: actor.Code(refusal.Code)}, true
	}
	event := actor.Answered{To: to}
	if order != nil && shaped(order) {
		told := orderOf(order)
		event.Order = &told
	}
	return event, true
}

// orderOf makes an order of the wire the actor's.
func orderOf(o *wire.Order) actor.Order {
	stops := make([]actor.Stop, len(o.Stops))
	for i, s := range o.Stops {
		stops[i].Type, stops[i].Lat, stops[i].Lng = actor.StopType(s.Type), s.Lat, s.Lng
	}
	told := actor.Order{
		ID: actor.OrderID(o.ID), Market: actor.MarketID(o.Market), Kind: actor.Kind(o.Kind),
		State: actor.State(o.State), Version: o.Version, Stops: stops, NextStop: o.NextStop,
	}
	if o.DriverID != nil {
		told.Driver = actor.DriverID(*o.DriverID)
	}
	if o.RiderID != nil {
		told.Rider = actor.RiderID(*o.RiderID)
	}
	return told
}

// shaped tells whether an order has the stops that its state speaks of; an actor relies on it.
func shaped(o *wire.Order) bool {
	last := len(o.Stops) - 1
	if last < 1 || o.Stops[0].Type != "pickup" || o.Stops[last].Type != "dropoff" {
		return false
	}
	switch o.State {
	case "scheduled", "searching", "offered", "no_driver", "en_route_to_pickup", "arrived_at_pickup":
		return o.NextStop == 0
	case "en_route_to_stop", "arrived_at_stop":
		return o.NextStop >= 1 && o.NextStop < last
	case "en_route_to_dropoff", "arrived_at_dropoff", "returning":
		return o.NextStop == last
	}
	return o.NextStop >= 0 && o.NextStop <= last+1
}

// eventOf makes a message of the server an actor's event; nil for what actors do not hear.
func eventOf(m client.Message) actor.Event {
	switch m := m.(type) {
	case *client.Connected:
		return actor.Connected{}
	case *client.Lost:
		return actor.OrderLost{Order: actor.OrderID(m.OrderID)}
	case *wire.OrderUpdate:
		if shaped(&m.Order) {
			return actor.OrderTold{Order: orderOf(&m.Order)}
		}
	case *wire.Offer:
		return actor.OfferMade{Offer: actor.OfferID(m.OfferID), ExpiresAt: m.ExpiresAt.Time}
	case *wire.OfferWithdrawn:
		return actor.OfferWithdrawn{Offer: actor.OfferID(m.OfferID)}
	}
	return nil
}
