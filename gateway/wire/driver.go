package wire

import (
	"math"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// Telemetry tells where a driver is, newest point last. It is answered only when it carries an id. DriverID
// is for a service that speaks for the driver.
type Telemetry struct {
	Type     string  `json:"type,omitzero"`
	ID       ID      `json:"id,omitzero"`
	DriverID ID      `json:"driver_id,omitzero"`
	Points   []Point `json:"points"`
}

// Point is one position; nil is not known.
type Point struct {
	Lat        float64  `json:"lat"`
	Lng        float64  `json:"lng"`
	Timestamp  Time     `json:"timestamp"`
	SpeedMps   *float64 `json:"speed_mps,omitzero"`
	HeadingDeg *float64 `json:"heading_deg,omitzero"` // 0 <= HeadingDeg < 360
	AccuracyM  *float64 `json:"accuracy_m,omitzero"`
}

// UnmarshalJSONFrom reads a point; lat, lng and timestamp are required, which plain values could not tell.
func (p *Point) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var in struct {
		Lat        *float64 `json:"lat"`
		Lng        *float64 `json:"lng"`
		Timestamp  *Time    `json:"timestamp"`
		SpeedMps   *float64 `json:"speed_mps"`
		HeadingDeg *float64 `json:"heading_deg"`
		AccuracyM  *float64 `json:"accuracy_m"`
	}
	if err := json.UnmarshalDecode(dec, &in); err != nil {
		return err
	}
	switch {
	case in.Lat == nil:
		return bad("/lat", "required")
	case in.Lng == nil:
		return bad("/lng", "required")
	case in.Timestamp == nil:
		return bad("/timestamp", "required")
	}
	*p = Point{*in.Lat, *in.Lng, *in.Timestamp, in.SpeedMps, in.HeadingDeg, in.AccuracyM}
	return nil
}

// Validate implements the limits of the contract.
func (m *Telemetry) Validate() *dispatch.Error {
	if m.Points == nil {
		return bad("/points", "required")
	}
	if len(m.Points) < 1 || len(m.Points) > MaxPoints {
		return bad("/points", "must be 1 to %d points", MaxPoints)
	}
	for i := range m.Points {
		if e := m.Points[i].validate(pointer("/points", i)); e != nil {
			return e
		}
	}
	return nil
}

func (p *Point) validate(field string) *dispatch.Error {
	if e := validPlace(field, p.Lat, p.Lng); e != nil {
		return e
	}
	if p.SpeedMps != nil && *p.SpeedMps < 0 {
		return bad(field+"/speed_mps", "must be at least 0")
	}
	if p.HeadingDeg != nil && !(*p.HeadingDeg >= 0 && *p.HeadingDeg < 360) {
		return bad(field+"/heading_deg", "must be at least 0 and below 360")
	}
	if p.AccuracyM != nil && *p.AccuracyM < 0 {
		return bad(field+"/accuracy_m", "must be at least 0")
	}
	return nil
}

// Fixes gives the points as the index takes them.
func (m *Telemetry) Fixes() []geo.Fix {
	fixes := make([]geo.Fix, len(m.Points))
	for i, p := range m.Points {
		fixes[i] = geo.Fix{
			LatLng: geo.LatLng{Lat: p.Lat, Lng: p.Lng}, At: p.Timestamp.Time,
			HeadingDeg: orNaN(p.HeadingDeg), SpeedMps: orNaN(p.SpeedMps), AccuracyM: orNaN(p.AccuracyM),
		}
	}
	return fixes
}

func orNaN(x *float64) float64 {
	if x == nil {
		return math.NaN()
	}
	return *x
}

// The states that a duty message may name.
const (
	DutyOnline  = "online"
	DutyOffline = "offline"
)

// Duty takes a driver on or off duty. Capacity nil is 1.
type Duty struct {
	Type         string `json:"type,omitzero"`
	ID           ID     `json:"id,omitzero"`
	State        string `json:"state"`
	Market       ID     `json:"market,omitzero"`
	VehicleClass ID     `json:"vehicle_class,omitzero"`
	Capacity     *int   `json:"capacity,omitzero"`
	Tags         []ID   `json:"tags,omitempty"`
}

// Validate implements the limits of the contract.
func (m *Duty) Validate() *dispatch.Error {
	switch m.State {
	case DutyOnline, DutyOffline:
	case "":
		return bad("/state", "required")
	default:
		return bad("/state", "must be online or offline")
	}
	if m.Capacity != nil && (*m.Capacity < 1 || *m.Capacity > MaxCapacity) {
		return bad("/capacity", "must be from 1 to %d", MaxCapacity)
	}
	if len(m.Tags) > MaxTags {
		return bad("/tags", "must be at most %d tags", MaxTags)
	}
	for i, tag := range m.Tags {
		if tag == "" {
			return bad(pointer("/tags", i), idLimit)
		}
	}
	if len(m.Tags) == 0 {
		m.Tags = nil // [] says the same as nothing
	}
	return nil
}

// DriverPosition tells a rider where its driver is. PickupETA is nil once the pickup has been left.
type DriverPosition struct {
	Type       string   `json:"type"`
	OrderID    ID       `json:"order_id"`
	Lat        float64  `json:"lat"`
	Lng        float64  `json:"lng"`
	Timestamp  Time     `json:"timestamp"`
	HeadingDeg *float64 `json:"heading_deg,omitzero"`
	PickupETA  *Time    `json:"pickup_eta"`
}

// DriverPositionFrom tells a position.
func DriverPositionFrom(p *dispatch.Position) DriverPosition {
	return DriverPosition{
		Type: TypeDriverPosition, OrderID: ID(p.Order), Lat: p.Fix.Lat, Lng: p.Fix.Lng,
		Timestamp: TimeOf(p.Fix.At), HeadingDeg: finite(p.Fix.HeadingDeg), PickupETA: timeOrNil(p.PickupETA),
	}
}

// Fix is a driver's last accepted position; nil is not known.
type Fix struct {
	Lat        float64  `json:"lat"`
	Lng        float64  `json:"lng"`
	At         Time     `json:"at"`
	HeadingDeg *float64 `json:"heading_deg"`
	SpeedMps   *float64 `json:"speed_mps"`
	AccuracyM  *float64 `json:"accuracy_m"`
}

// Driver tells what a driver does. Fix is nil while none is known.
type Driver struct {
	ID           ID     `json:"id"`
	State        string `json:"state"`
	Market       ID     `json:"market"`
	VehicleClass ID     `json:"vehicle_class"`
	Capacity     int    `json:"capacity"`
	Tags         []ID   `json:"tags"`
	Orders       []ID   `json:"orders"`
	Fix          *Fix   `json:"fix"`
	// Suspect: its points contradict each other; it is offered nothing until three agree.
	Suspect bool `json:"suspect"`
}

// DriverFrom tells a driver; at is nil without a fix.
func DriverFrom(d *dispatch.Driver, at *geo.Fix) Driver {
	out := Driver{
		ID: ID(d.Duty.Driver), State: string(d.State), Market: ID(d.Duty.Market),
		VehicleClass: ID(d.Duty.VehicleClass), Capacity: d.Duty.Capacity,
		Tags: make([]ID, len(d.Duty.Tags)), Orders: make([]ID, len(d.Orders)), Suspect: d.Suspect,
	}
	for i, tag := range d.Duty.Tags {
		out.Tags[i] = ID(tag)
	}
	for i, id := range d.Orders {
		out.Orders[i] = ID(id)
	}
	if at != nil {
		out.Fix = &Fix{
			at.Lat, at.Lng, TimeOf(at.At), finite(at.HeadingDeg), finite(at.SpeedMps), finite(at.AccuracyM),
		}
	}
	return out
}

// Near is a driver and how far it is from the place asked for, in metres.
type Near struct {
	Driver
	DistanceM float64 `json:"distance_m"`
}

// NearFrom tells a driver of a nearby answer.
func NearFrom(n *dispatch.Near) Near {
	return Near{DriverFrom(&n.Driver, &n.Fix), float64(n.Distance)}
}
