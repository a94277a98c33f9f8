package bus

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// What is not kept travels as compact JSON without an envelope; testdata/hints.txt pins it.

type noticeRecord struct {
	Offer offerRecord  `json:"offer"`
	Order *orderRecord `json:"order,omitempty"`
}

type positionRecord struct {
	Order     dispatch.OrderID  `json:"order_id"`
	Rider     dispatch.RiderID  `json:"rider_id"`
	Driver    dispatch.DriverID `json:"driver_id"`
	Market    dispatch.MarketID `json:"market"`
	Fix       fixRecord         `json:"fix"`
	PickupETA time.Time         `json:"pickup_eta,omitzero"`
}

// fixRecord leaves out what is not known: NaN is no JSON.
type fixRecord struct {
	Lat        float64   `json:"lat"`
	Lng        float64   `json:"lng"`
	At         time.Time `json:"at"`
	HeadingDeg *float64  `json:"heading_deg,omitempty"`
	SpeedMps   *float64  `json:"speed_mps,omitempty"`
	AccuracyM  *float64  `json:"accuracy_m,omitempty"`
}

type publishedRecord struct {
	Market dispatch.MarketID `json:"market"`
	Seq    int64             `json:"seq"`
}

// Notice tells a driver's listeners of an offer. Fire and forget: an error means that it was not sent, nil
// does not mean that it was heard.
func (c *Conn) Notice(n *dispatch.Notice) error {
	b, err := json.Marshal(noticeRecord{Offer: recordOffer(&n.Offer), Order: recordOrder(n.Order)})
	if err != nil {
		return fmt.Errorf("encode notice of offer %s: %w", n.Offer.ID, err)
	}
	return c.publish(NoticeSubject(n.Offer.Market, n.Offer.Driver), b)
}

// Nudge tells an order's driver how it stands. Fire and forget, as Notice.
func (c *Conn) Nudge(o *dispatch.Order) error {
	b, err := json.Marshal(recordOrder(o))
	if err != nil {
		return fmt.Errorf("encode order %s: %w", o.ID, err)
	}
	return c.publish(NudgeSubject(o.Market, o.Driver), b)
}

// Position tells where the driver of an order is. Fire and forget, as Notice.
func (c *Conn) Position(p *dispatch.Position) error {
	b, err := json.Marshal(positionRecord{
		Order: p.Order, Rider: p.Rider, Driver: p.Driver, Market: p.Market,
		Fix: fixRecord{
			Lat: p.Fix.Lat, Lng: p.Fix.Lng, At: utc(p.Fix.At),
			HeadingDeg: known(p.Fix.HeadingDeg), SpeedMps: known(p.Fix.SpeedMps), AccuracyM: known(p.Fix.AccuracyM),
		},
		PickupETA: utc(p.PickupETA),
	})
	if err != nil {
		return fmt.Errorf("encode position for order %s: %w", p.Order, err)
	}
	return c.publish(PositionSubject(p.Market, p.Order), b)
}

// published tells the seq up to which a market's events are on the bus.
func (c *Conn) published(m dispatch.MarketID, seq int64) error {
	b, err := json.Marshal(publishedRecord{Market: m, Seq: seq})
	if err != nil {
		return fmt.Errorf("encode published seq of %s: %w", m, err)
	}
	return c.publish(PublishedSubject(m), b)
}

func (c *Conn) publish(subject string, b []byte) error {
	if err := c.nc.Publish(subject, b); err != nil {
		return fmt.Errorf("publish on %s: %w", subject, err)
	}
	return nil
}

func decodeNotice(b []byte) (*dispatch.Notice, error) {
	var r noticeRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("decode notice: %w", err)
	}
	return &dispatch.Notice{Offer: r.Offer.offer(), Order: r.Order.order()}, nil
}

func decodeNudge(b []byte) (*dispatch.Order, error) {
	var r orderRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("decode nudge: %w", err)
	}
	return r.order(), nil
}

func decodePosition(b []byte) (*dispatch.Position, error) {
	var r positionRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("decode position: %w", err)
	}
	p := &dispatch.Position{
		Order: r.Order, Rider: r.Rider, Driver: r.Driver, Market: r.Market, PickupETA: utc(r.PickupETA),
	}
	p.Fix.Lat, p.Fix.Lng, p.Fix.At = r.Fix.Lat, r.Fix.Lng, utc(r.Fix.At)
	p.Fix.HeadingDeg, p.Fix.SpeedMps = orNaN(r.Fix.HeadingDeg), orNaN(r.Fix.SpeedMps)
	p.Fix.AccuracyM = orNaN(r.Fix.AccuracyM)
	return p, nil
}

func known(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}
