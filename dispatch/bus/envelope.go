package bus

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hexfleet/hexfleet/dispatch"
)

// An event travels as a CloudEvents 1.0 structured JSON message:
//
//	id               <market>:<seq>, also the JetStream message id
//	source           /hexfleet/markets/<market>
//	type             com.hexfleet.<event type>, such as com.hexfleet.order.offered
//	subject          the order's or the driver's id
//	time             market time of the event
//	datacontenttype  application/json
//	data             eventRecord: the event of the public contract, with the whole order as it stood after
//	                 it, or the duty
//
// Times keep their nanoseconds. Unknown members are ignored: a newer node may write them while an older one
// still listens. testdata/events.json pins the format, and the tests read what we write with the SDK of
// CloudEvents, which is too slow to write with: it takes an event through JSON three times.
const (
	specVersion  = "1.0"
	sourcePrefix = "/hexfleet/markets/"
	typePrefix   = "com.hexfleet."
	contentType  = "application/json"
)

// envelope is an event on its way, all of it, so that it is written and read in one go.
type envelope struct {
	SpecVersion     string      `json:"specversion"`
	ID              string      `json:"id"`
	Source          string      `json:"source"`
	Type            string      `json:"type"`
	Subject         string      `json:"subject"`
	DataContentType string      `json:"datacontenttype"`
	Time            time.Time   `json:"time"`
	Data            eventRecord `json:"data"`
}

// MessageID is an event's CloudEvents id and JetStream dedupe id.
func MessageID(m dispatch.MarketID, seq int64) string {
	return string(m) + ":" + strconv.FormatInt(seq, 10)
}

// eventRecord is the data of an event's envelope.
type eventRecord struct {
	OrderID string             `json:"order_id,omitempty"`
	Driver  string             `json:"driver_id,omitempty"`
	Version int64              `json:"version"`
	Market  string             `json:"market"`
	Seq     int64              `json:"seq"`
	Type    dispatch.EventType `json:"type"`
	From    dispatch.State     `json:"from,omitempty"`
	To      dispatch.State     `json:"to,omitempty"`
	At      time.Time          `json:"at"`
	By      byRecord           `json:"by"`
	Offer   string             `json:"offer_id,omitempty"`
	Reason  string             `json:"reason,omitempty"`
	Policy  string             `json:"policy,omitempty"`
	Order   *orderRecord       `json:"order,omitempty"`
	Duty    *dutyRecord        `json:"duty,omitempty"`
}

type byRecord struct {
	Role dispatch.Role `json:"role"`
	Sub  string        `json:"sub,omitempty"`
}

// EncodeEvent writes the envelope of e.
func EncodeEvent(e *dispatch.Event) ([]byte, error) {
	env := envelope{
		SpecVersion:     specVersion,
		ID:              MessageID(e.Market, e.Seq),
		Source:          sourcePrefix + string(e.Market),
		Type:            typePrefix + string(e.Type),
		DataContentType: contentType,
		Time:            e.At.UTC(),
		Data:            recordEvent(e),
	}
	switch {
	case e.Order != nil:
		env.Subject = string(e.Order.ID)
	case e.Duty != nil:
		env.Subject = string(e.Duty.Driver)
	}
	if e.Market == "" || e.Type == "" || env.Subject == "" {
		return nil, fmt.Errorf("encode event %s: market, type and subject must not be empty", env.ID)
	}
	out, err := json.Marshal(&env)
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", env.ID, err)
	}
	return out, nil
}

// DecodeEvent reads an envelope and refuses one that contradicts itself.
func DecodeEvent(b []byte) (*dispatch.Event, error) {
	var env envelope
	if err := json.Unmarshal(b, &env); err != nil {
		return nil, fmt.Errorf("decode event: %w", err)
	}
	e := env.Data.event()
	switch {
	case env.SpecVersion != specVersion:
		return nil, fmt.Errorf("decode event %s: CloudEvents %q, want %s", env.ID, env.SpecVersion, specVersion)
	case env.Type != typePrefix+string(e.Type):
		return nil, fmt.Errorf("decode event %s: type %q does not fit data of %q", env.ID, env.Type, e.Type)
	case !strings.HasPrefix(env.Source, sourcePrefix):
		return nil, fmt.Errorf("decode event %s: source %q is not %s", env.ID, env.Source, sourcePrefix)
	case env.ID != MessageID(e.Market, e.Seq):
		return nil, fmt.Errorf("decode event %s: data is of %s", env.ID, MessageID(e.Market, e.Seq))
	case (e.Order == nil) == (e.Duty == nil):
		return nil, fmt.Errorf("decode event %s: exactly one of order and duty is needed", env.ID)
	}
	return e, nil
}

func recordEvent(e *dispatch.Event) eventRecord {
	r := eventRecord{
		Driver:  string(e.Driver),
		Version: e.Version,
		Market:  string(e.Market),
		Seq:     e.Seq,
		Type:    e.Type,
		From:    e.From,
		To:      e.To,
		At:      e.At.UTC(),
		By:      byRecord{Role: e.By.Role, Sub: e.By.Sub},
		Offer:   string(e.Offer),
		Reason:  e.Reason,
		Policy:  e.Policy,
		Order:   recordOrder(e.Order),
		Duty:    recordDuty(e.Duty),
	}
	if e.Order != nil {
		r.OrderID = string(e.Order.ID)
	}
	return r
}

func (r *eventRecord) event() *dispatch.Event {
	return &dispatch.Event{
		Market:  dispatch.MarketID(r.Market),
		Seq:     r.Seq,
		Type:    r.Type,
		At:      r.At.UTC(),
		By:      dispatch.By{Role: r.By.Role, Sub: r.By.Sub},
		Version: r.Version,
		Order:   r.Order.order(),
		From:    r.From,
		To:      r.To,
		Driver:  dispatch.DriverID(r.Driver),
		Offer:   dispatch.OfferID(r.Offer),
		Reason:  r.Reason,
		Policy:  r.Policy,
		Duty:    r.Duty.duty(),
	}
}
