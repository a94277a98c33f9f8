package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// The documents below are what a backend keeps of an order as it stood after an event, of its places and
// of a duty: JSON objects (an array for the places), keys in snake_case and in the order of the struct,
// empty members left out, instants as integer microseconds since 1970 UTC in names that end in _us. They
// are durable: a member may be added, none renamed or reused. record_test.go pins them.
//
// An order's document holds no place, so that erasing the places leaves the history whole.

// orderRecord is the document of an order.
type orderRecord struct {
	ID            dispatch.OrderID  `json:"id"`
	Market        dispatch.MarketID `json:"market"`
	Kind          dispatch.Kind     `json:"kind"`
	State         dispatch.State    `json:"state"`
	Version       int64             `json:"version"`
	Rider         dispatch.RiderID  `json:"rider_id"`
	Driver        dispatch.DriverID `json:"driver_id,omitempty"`
	VehicleClass  string            `json:"vehicle_class"`
	NextStop      int               `json:"next_stop,omitempty"`
	RequestedAtUs int64             `json:"requested_at_us,omitempty"`
	PickupAtUs    int64             `json:"pickup_at_us,omitempty"`
	PickupETAUs   int64             `json:"pickup_eta_us,omitempty"`
	DropoffETAUs  int64             `json:"dropoff_eta_us,omitempty"`
	CancelledBy   string            `json:"cancelled_by,omitempty"`
	Reason        string            `json:"reason,omitempty"`
	SearchSinceUs int64             `json:"search_since_us,omitempty"`
	ChangedAtUs   int64             `json:"changed_at_us,omitempty"`
	Bars          []barRecord       `json:"bars,omitempty"`
	Priority      int               `json:"priority,omitempty"`
}

// barRecord is a bar in a document; without until_us it is for good.
type barRecord struct {
	Driver  dispatch.DriverID `json:"driver_id"`
	UntilUs int64             `json:"until_us,omitempty"`
}

// stopRecord is one place of an order.
type stopRecord struct {
	Type dispatch.StopType `json:"type"`
	Lat  float64           `json:"lat"`
	Lng  float64           `json:"lng"`
}

// dutyRecord is the document of a duty.
type dutyRecord struct {
	Driver       dispatch.DriverID `json:"driver_id"`
	Market       dispatch.MarketID `json:"market"`
	Version      int64             `json:"version"`
	Online       bool              `json:"online"`
	VehicleClass string            `json:"vehicle_class"`
	Capacity     int               `json:"capacity"`
	Tags         []string          `json:"tags,omitempty"`
	SinceUs      int64             `json:"since_us,omitempty"`
}

// EncodeOrder gives the document of an order, without its places.
func EncodeOrder(o *dispatch.Order) ([]byte, error) {
	return json.Marshal(orderRecord{
		ID: o.ID, Market: o.Market, Kind: o.Kind, State: o.State, Version: o.Version,
		Rider: o.Rider, Driver: o.Driver, VehicleClass: o.VehicleClass, NextStop: o.NextStop,
		RequestedAtUs: Micros(o.RequestedAt), PickupAtUs: Micros(o.PickupAt),
		PickupETAUs: Micros(o.PickupETA), DropoffETAUs: Micros(o.DropoffETA),
		CancelledBy: o.CancelledBy, Reason: o.Reason,
		SearchSinceUs: Micros(o.SearchSince), ChangedAtUs: Micros(o.ChangedAt),
		Bars: barRecords(o.Bars), Priority: o.Priority,
	})
}

// DecodeOrder reads what EncodeOrder wrote; the stops are the caller's to add.
func DecodeOrder(doc []byte) (dispatch.Order, error) {
	var r orderRecord
	if err := json.Unmarshal(doc, &r); err != nil {
		return dispatch.Order{}, fmt.Errorf("decode order: %w", err)
	}
	return dispatch.Order{
		ID: r.ID, Market: r.Market, Kind: r.Kind, State: r.State, Version: r.Version,
		Rider: r.Rider, Driver: r.Driver, VehicleClass: r.VehicleClass, NextStop: r.NextStop,
		RequestedAt: Instant(r.RequestedAtUs), PickupAt: Instant(r.PickupAtUs),
		PickupETA: Instant(r.PickupETAUs), DropoffETA: Instant(r.DropoffETAUs),
		CancelledBy: r.CancelledBy, Reason: r.Reason,
		SearchSince: Instant(r.SearchSinceUs), ChangedAt: Instant(r.ChangedAtUs),
		Bars: bars(r.Bars), Priority: r.Priority,
	}, nil
}

// EncodeBars gives the document of an order's bars, nil when there is none.
func EncodeBars(b []dispatch.Bar) ([]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	return json.Marshal(barRecords(b))
}

// DecodeBars reads what EncodeBars wrote.
func DecodeBars(doc []byte) ([]dispatch.Bar, error) {
	if len(doc) == 0 {
		return nil, nil
	}
	var r []barRecord
	if err := json.Unmarshal(doc, &r); err != nil {
		return nil, fmt.Errorf("decode bars: %w", err)
	}
	return bars(r), nil
}

// EncodeStops gives the document of an order's places: personal data, kept apart from all else.
func EncodeStops(stops []dispatch.Stop) ([]byte, error) {
	r := make([]stopRecord, len(stops))
	for i, s := range stops {
		r[i] = stopRecord{Type: s.Type, Lat: s.Lat, Lng: s.Lng}
	}
	return json.Marshal(r)
}

// DecodeStops reads what EncodeStops wrote; of no document (the places were erased) it gives nil.
func DecodeStops(doc []byte) ([]dispatch.Stop, error) {
	if len(doc) == 0 {
		return nil, nil
	}
	var r []stopRecord
	if err := json.Unmarshal(doc, &r); err != nil {
		return nil, fmt.Errorf("decode stops: %w", err)
	}
	stops := make([]dispatch.Stop, len(r))
	for i, s := range r {
		stops[i] = dispatch.Stop{Type: s.Type, LatLng: geo.LatLng{Lat: s.Lat, Lng: s.Lng}}
	}
	return stops, nil
}

// EncodeDuty gives the document of a duty.
func EncodeDuty(d *dispatch.Duty) ([]byte, error) {
	return json.Marshal(dutyRecord{
		Driver: d.Driver, Market: d.Market, Version: d.Version, Online: d.Online,
		VehicleClass: d.VehicleClass, Capacity: d.Capacity, Tags: d.Tags, SinceUs: Micros(d.Since),
	})
}

// DecodeDuty reads what EncodeDuty wrote.
func DecodeDuty(doc []byte) (dispatch.Duty, error) {
	var r dutyRecord
	if err := json.Unmarshal(doc, &r); err != nil {
		return dispatch.Duty{}, fmt.Errorf("decode duty: %w", err)
	}
	return dispatch.Duty{
		Driver: r.Driver, Market: r.Market, Version: r.Version, Online: r.Online,
		VehicleClass: r.VehicleClass, Capacity: r.Capacity, Tags: r.Tags, Since: Instant(r.SinceUs),
	}, nil
}

// Micros is how an instant is kept: microseconds since 1970 UTC, what is finer cut off; 0 for the zero time.
// (1970-01-01T00:00:00Z itself therefore reads back as the zero time; no clock here shows it.)
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Instant is the instant of which Micros gave us.
func Instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func barRecords(b []dispatch.Bar) []barRecord {
	if len(b) == 0 {
		return nil
	}
	r := make([]barRecord, len(b))
	for i, bar := range b {
		r[i] = barRecord{Driver: bar.Driver, UntilUs: Micros(bar.Until)}
	}
	return r
}

func bars(r []barRecord) []dispatch.Bar {
	if len(r) == 0 {
		return nil
	}
	b := make([]dispatch.Bar, len(r))
	for i, bar := range r {
		b[i] = dispatch.Bar{Driver: bar.Driver, Until: Instant(bar.UntilUs)}
	}
	return b
}
