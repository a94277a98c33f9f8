package wire

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Order is one order, whole; every member is always there, the nullable ones as null.
type Order struct {
	ID           ID      `json:"id"`
	Market       ID      `json:"market"`
	Kind         string  `json:"kind"`
	State        string  `json:"state"`
	Version      int64   `json:"version"`
	RiderID      *ID     `json:"rider_id"`  // nil where the reader may not know it
	DriverID     *ID     `json:"driver_id"` // nil while there is none
	VehicleClass ID      `json:"vehicle_class"`
	Stops        []Stop  `json:"stops"`
	NextStop     int     `json:"next_stop"`
	RequestedAt  Time    `json:"requested_at"`
	PickupAt     *Time   `json:"pickup_at"`
	PickupETA    *Time   `json:"pickup_eta"`
	DropoffETA   *Time   `json:"dropoff_eta"`
	CancelledBy  *string `json:"cancelled_by"` // passenger, driver or provider
	Reason       *string `json:"reason"`
}

// Stop is one place of an order: pickup, stop or dropoff.
type Stop struct {
	Type string  `json:"type"`
	Lat  float64 `json:"lat"`
	Lng  float64 `json:"lng"`
}

// UnmarshalJSONFrom reads a stop; each member is required, which a plain number could not tell from 0.
func (s *Stop) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var in struct {
		Type *string  `json:"type"`
		Lat  *float64 `json:"lat"`
		Lng  *float64 `json:"lng"`
	}
	if err := json.UnmarshalDecode(dec, &in); err != nil {
		return err
	}
	switch {
	case in.Type == nil:
		return bad("/type", "required")
	case in.Lat == nil:
		return bad("/lat", "required")
	case in.Lng == nil:
		return bad("/lng", "required")
	}
	*s = Stop{*in.Type, *in.Lat, *in.Lng}
	return nil
}

// OrderFrom tells an order whole, its rider included: the caller judges who may know that.
func OrderFrom(o *dispatch.Order) Order {
	stops := make([]Stop, len(o.Stops))
	for i, s := range o.Stops {
		stops[i] = Stop{string(s.Type), s.Lat, s.Lng}
	}
	return Order{
		ID: ID(o.ID), Market: ID(o.Market), Kind: string(o.Kind), State: string(o.State), Version: o.Version,
		RiderID: idOrNil(o.Rider), DriverID: idOrNil(o.Driver), VehicleClass: ID(o.VehicleClass),
		Stops: stops, NextStop: o.NextStop,
		RequestedAt: TimeOf(o.RequestedAt), PickupAt: timeOrNil(o.PickupAt),
		PickupETA: timeOrNil(o.PickupETA), DropoffETA: timeOrNil(o.DropoffETA),
		CancelledBy: textOrNil(o.CancelledBy), Reason: textOrNil(o.Reason),
	}
}

// By is who caused an event; Sub is nil for the engine.
type By struct {
	Role string `json:"role"`
	Sub  *ID    `json:"sub"`
}

// Event is one transition of an order.
type Event struct {
	OrderID  ID      `json:"order_id"`
	Version  int64   `json:"version"`
	Market   ID      `json:"market"`
	Seq      int64   `json:"seq"`
	Type     string  `json:"type"`
	From     *string `json:"from"` // nil for the creation
	To       string  `json:"to"`
	At       Time    `json:"at"`
	By       By      `json:"by"`
	DriverID *ID     `json:"driver_id"`
	OfferID  *ID     `json:"offer_id"`
	Reason   *string `json:"reason"`
}

// EventFrom tells an event of an order; e.Order must be set.
func EventFrom(e *dispatch.Event) Event {
	return Event{
		OrderID: ID(e.Order.ID), Version: e.Version, Market: ID(e.Market), Seq: e.Seq, Type: string(e.Type),
		From: textOrNil(e.From), To: string(e.To), At: TimeOf(e.At),
		By:       By{string(e.By.Role), idOrNil(e.By.Sub)},
		DriverID: idOrNil(e.Driver), OfferID: idOrNil(e.Offer), Reason: textOrNil(e.Reason),
	}
}

// DutyEvent is one change of a driver's duty; Version counts that driver's.
type DutyEvent struct {
	DriverID ID     `json:"driver_id"`
	Version  int64  `json:"version"`
	Market   ID     `json:"market"`
	Seq      int64  `json:"seq"`
	Type     string `json:"type"`
	At       Time   `json:"at"`
	By       By     `json:"by"`
}

// DutyEventFrom tells an event of a driver's duty; e.Duty must be set.
func DutyEventFrom(e *dispatch.Event) DutyEvent {
	return DutyEvent{
		DriverID: ID(e.Duty.Driver), Version: e.Version, Market: ID(e.Market), Seq: e.Seq,
		Type: string(e.Type), At: TimeOf(e.At), By: By{string(e.By.Role), idOrNil(e.By.Sub)},
	}
}

// OrderUpdate is the server's order message: the order as of the event; Event is nil when it only tells the
// present state.
type OrderUpdate struct {
	Type  string `json:"type"`
	Order Order  `json:"order"`
	Event *Event `json:"event"`
}

// OrderCreate asks for a new order; on REST the body of POST /v1/orders. Kind and stops are required.
type OrderCreate struct {
	Type         string `json:"type,omitzero"`
	ID           ID     `json:"id,omitzero"`
	Market       ID     `json:"market,omitzero"`
	Kind         string `json:"kind"`
	VehicleClass ID     `json:"vehicle_class,omitzero"`
	PickupAt     *Time  `json:"pickup_at,omitzero"`
	RiderID      ID     `json:"rider_id,omitzero"`
	Stops        []Stop `json:"stops"`
}

// Validate refuses what no order can be.
func (m *OrderCreate) Validate() *dispatch.Error {
	switch dispatch.Kind(m.Kind) {
	case dispatch.KindRide, dispatch.KindDelivery:
	case "":
		return bad("/kind", "required")
	default:
		return bad("/kind", "must be ride or delivery")
	}
	if m.Stops == nil {
		return bad("/stops", "required")
	}
	return validStops(m.Stops)
}

func validStops(stops []Stop) *dispatch.Error {
	if len(stops) < dispatch.MinStops || len(stops) > dispatch.MaxStops {
		return bad("/stops", "must be %d to %d stops", dispatch.MinStops, dispatch.MaxStops)
	}
	for i, s := range stops {
		field := pointer("/stops", i)
		want, where := dispatch.StopBetween, "a stop between"
		switch i {
		case 0:
			want, where = dispatch.StopPickup, "the first"
		case len(stops) - 1:
			want, where = dispatch.StopDropoff, "the last"
		}
		if dispatch.StopType(s.Type) != want {
			return bad(field+"/type", "%s must be of type %s", where, want)
		}
		if e := validPlace(field, s.Lat, s.Lng); e != nil {
			return e
		}
	}
	return nil
}

// OrderCancel ends an order, or gives it back when a driver says it.
type OrderCancel struct {
	Type    string `json:"type,omitzero"`
	ID      ID     `json:"id,omitzero"`
	OrderID ID     `json:"order_id"`
	Reason  string `json:"reason,omitzero"`
}

// Validate implements the limits of the contract.
func (m *OrderCancel) Validate() *dispatch.Error {
	return first(required("/order_id", m.OrderID), validReason(m.Reason))
}

// OrderWatch asks for every event of an order after AfterVersion, then the live ones; from the present on
// when AfterVersion is nil.
type OrderWatch struct {
	Type         string `json:"type,omitzero"`
	ID           ID     `json:"id,omitzero"`
	OrderID      ID     `json:"order_id"`
	AfterVersion *int64 `json:"after_version,omitzero"`
}

// Validate implements the limits of the contract.
func (m *OrderWatch) Validate() *dispatch.Error {
	if e := required("/order_id", m.OrderID); e != nil {
		return e
	}
	if m.AfterVersion != nil && *m.AfterVersion < 0 {
		return bad("/after_version", "must be at least 0")
	}
	return nil
}

// OrderUnwatch ends a watch; after_version is taken, as for the watch, and means nothing.
type OrderUnwatch struct {
	Type         string `json:"type,omitzero"`
	ID           ID     `json:"id,omitzero"`
	OrderID      ID     `json:"order_id"`
	AfterVersion *int64 `json:"after_version,omitzero"`
}

// Validate implements the limits of the contract.
func (m *OrderUnwatch) Validate() *dispatch.Error { return (*OrderWatch)(m).Validate() }
