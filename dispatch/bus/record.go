package bus

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// The records below are the nouns of dispatch as they stand in the messages of the bus. They are mapped by
// hand, so that either side can change. An order travels with what a client may be shown and what decides
// who may see it; bars, priority and the instants of the search stay with the store.

type orderRecord struct {
	ID           string            `json:"id"`
	Market       string            `json:"market"`
	Kind         dispatch.Kind     `json:"kind"`
	State        dispatch.State    `json:"state"`
	Version      int64             `json:"version"`
	Rider        dispatch.RiderID  `json:"rider_id"`
	Driver       dispatch.DriverID `json:"driver_id,omitempty"`
	VehicleClass string            `json:"vehicle_class"`
	Stops        []stopRecord      `json:"stops"`
	NextStop     int               `json:"next_stop"`
	RequestedAt  time.Time         `json:"requested_at"`
	PickupAt     time.Time         `json:"pickup_at,omitzero"`
	PickupETA    time.Time         `json:"pickup_eta,omitzero"`
	DropoffETA   time.Time         `json:"dropoff_eta,omitzero"`
	CancelledBy  string            `json:"cancelled_by,omitempty"`
	Reason       string            `json:"reason,omitempty"`
}

type stopRecord struct {
	Type dispatch.StopType `json:"type"`
	Lat  float64           `json:"lat"`
	Lng  float64           `json:"lng"`
}

func recordOrder(o *dispatch.Order) *orderRecord {
	if o == nil {
		return nil
	}
	stops := make([]stopRecord, len(o.Stops))
	for i, s := range o.Stops {
		stops[i] = stopRecord{Type: s.Type, Lat: s.Lat, Lng: s.Lng}
	}
	return &orderRecord{
		ID:           string(o.ID),
		Market:       string(o.Market),
		Kind:         o.Kind,
		State:        o.State,
		Version:      o.Version,
		Rider:        o.Rider,
		Driver:       o.Driver,
		VehicleClass: o.VehicleClass,
		Stops:        stops,
		NextStop:     o.NextStop,
		RequestedAt:  utc(o.RequestedAt),
		PickupAt:     utc(o.PickupAt),
		PickupETA:    utc(o.PickupETA),
		DropoffETA:   utc(o.DropoffETA),
		CancelledBy:  o.CancelledBy,
		Reason:       o.Reason,
	}
}

func (r *orderRecord) order() *dispatch.Order {
	if r == nil {
		return nil
	}
	stops := make([]dispatch.Stop, len(r.Stops))
	for i, s := range r.Stops {
		stops[i].Type, stops[i].Lat, stops[i].Lng = s.Type, s.Lat, s.Lng
	}
	return &dispatch.Order{
		ID:           dispatch.OrderID(r.ID),
		Market:       dispatch.MarketID(r.Market),
		Kind:         r.Kind,
		State:        r.State,
		Version:      r.Version,
		Rider:        r.Rider,
		Driver:       r.Driver,
		VehicleClass: r.VehicleClass,
		Stops:        stops,
		NextStop:     r.NextStop,
		RequestedAt:  utc(r.RequestedAt),
		PickupAt:     utc(r.PickupAt),
		PickupETA:    utc(r.PickupETA),
		DropoffETA:   utc(r.DropoffETA),
		CancelledBy:  r.CancelledBy,
		Reason:       r.Reason,
	}
}

type dutyRecord struct {
	Driver       dispatch.DriverID `json:"driver_id"`
	Market       dispatch.MarketID `json:"market"`
	Version      int64             `json:"version"`
	Online       bool              `json:"online"`
	VehicleClass string            `json:"vehicle_class,omitempty"`
	Capacity     int               `json:"capacity"`
	Tags         []string          `json:"tags,omitempty"`
	Since        time.Time         `json:"since,omitzero"`
}

func recordDuty(d *dispatch.Duty) *dutyRecord {
	if d == nil {
		return nil
	}
	return &dutyRecord{
		Driver: d.Driver, Market: d.Market, Version: d.Version, Online: d.Online,
		VehicleClass: d.VehicleClass, Capacity: d.Capacity, Tags: d.Tags, Since: utc(d.Since),
	}
}

func (r *dutyRecord) duty() *dispatch.Duty {
	if r == nil {
		return nil
	}
	return &dispatch.Duty{
		Driver: r.Driver, Market: r.Market, Version: r.Version, Online: r.Online,
		VehicleClass: r.VehicleClass, Capacity: r.Capacity, Tags: r.Tags, Since: utc(r.Since),
	}
}

type offerRecord struct {
	ID        dispatch.OfferID    `json:"id"`
	Order     dispatch.OrderID    `json:"order_id"`
	Market    dispatch.MarketID   `json:"market"`
	Driver    dispatch.DriverID   `json:"driver_id"`
	State     dispatch.OfferState `json:"state"`
	PickupNs  int64               `json:"pickup_ns"`
	TripNs    int64               `json:"trip_ns"`
	Source    string              `json:"source,omitempty"`
	CreatedAt time.Time           `json:"created_at,omitzero"`
	ExpiresAt time.Time           `json:"expires_at,omitzero"`
	EndedAt   time.Time           `json:"ended_at,omitzero"`
	Reason    string              `json:"reason,omitempty"`
}

func recordOffer(o *dispatch.Offer) offerRecord {
	return offerRecord{
		ID: o.ID, Order: o.Order, Market: o.Market, Driver: o.Driver, State: o.State,
		PickupNs: int64(o.Pickup), TripNs: int64(o.Trip), Source: o.Source,
		CreatedAt: utc(o.CreatedAt), ExpiresAt: utc(o.ExpiresAt), EndedAt: utc(o.EndedAt), Reason: o.Reason,
	}
}

func (r *offerRecord) offer() dispatch.Offer {
	return dispatch.Offer{
		ID: r.ID, Order: r.Order, Market: r.Market, Driver: r.Driver, State: r.State,
		Pickup: time.Duration(r.PickupNs), Trip: time.Duration(r.TripNs), Source: r.Source,
		CreatedAt: utc(r.CreatedAt), ExpiresAt: utc(r.ExpiresAt), EndedAt: utc(r.EndedAt), Reason: r.Reason,
	}
}

// utc keeps the zero time as it is: dispatch tests it with IsZero.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
