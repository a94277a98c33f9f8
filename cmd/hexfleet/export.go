package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/go-json-experiment/json"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/store"
)

// exportCmd prints what is held of a person.
type exportCmd struct {
	storeFlags
	personFlags
	Out string `help:"Write to this file, readable by its owner alone, instead of standard output." placeholder:"FILE"`
}

// Help says what is printed.
func (*exportCmd) Help() string {
	return `One JSON object a line, each with a "kind": person (the first line), order, event, duty, duty_event, offer,
key and sample; names and units are those of the HTTP API. A server may be running.

Of a rider: its orders with their places, their events, the keys of its requests and the points of its trips. Of
a driver: its duty, offers of the last day, the orders that it drove last, every event that names it, its keys and
its points. Other people stand there only where the API shows them to the person: a driver's export names no rider
and no place of one's order.`
}

// exportLine is one line; exactly one of the pointers is set, and Kind names it.
type exportLine struct {
	Kind      string          `json:"kind"`
	Person    *exportPerson   `json:"person,omitzero"`
	Order     *wire.Order     `json:"order,omitzero"`
	Event     *wire.Event     `json:"event,omitzero"`
	Duty      *exportDuty     `json:"duty,omitzero"`
	DutyEvent *wire.DutyEvent `json:"duty_event,omitzero"`
	Offer     *exportOffer    `json:"offer,omitzero"`
	Key       *exportKey      `json:"key,omitzero"`
	Sample    *exportSample   `json:"sample,omitzero"`
}

type exportPerson struct {
	Role string `json:"role"`
	ID   string `json:"id"`
	// ExportedAt is wall time; all other instants but a key's are market time.
	ExportedAt wire.Time `json:"exported_at"`
}

type exportDuty struct {
	Market       wire.ID   `json:"market"`
	State        string    `json:"state"` // online or offline
	VehicleClass wire.ID   `json:"vehicle_class"`
	Capacity     int       `json:"capacity"`
	Tags         []string  `json:"tags"`
	Since        wire.Time `json:"since"`
}

type exportOffer struct {
	OfferID   wire.ID   `json:"offer_id"`
	OrderID   wire.ID   `json:"order_id"`
	Market    wire.ID   `json:"market"`
	State     string    `json:"state"`
	WaitTimeS int64     `json:"wait_time_s"`
	CreatedAt wire.Time `json:"created_at"`
	ExpiresAt wire.Time `json:"expires_at"`
	Reason    string    `json:"reason,omitzero"`
}

type exportKey struct {
	Key     string    `json:"key"`
	Market  wire.ID   `json:"market"`
	OrderID wire.ID   `json:"order_id,omitzero"`
	Code    string    `json:"code,omitzero"` // of a refusal
	At      wire.Time `json:"at"`            // wall time
}

type exportSample struct {
	OrderID    wire.ID   `json:"order_id"`
	Market     wire.ID   `json:"market"`
	State      string    `json:"state"`
	Lat        float64   `json:"lat"`
	Lng        float64   `json:"lng"`
	At         wire.Time `json:"at"`
	SpeedMps   *float64  `json:"speed_mps"`
	HeadingDeg *float64  `json:"heading_deg"`
}

// Run implements the command.
func (c *exportCmd) Run(ctx context.Context, std stdio) (err error) {
	p, err := c.person()
	if err != nil {
		return err
	}
	a, err := c.people(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	to := std.Out
	if c.Out != "" {
		file, err := os.OpenFile(c.Out, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("open the file to write: %w", err)
		}
		defer file.Close() // export has told whether all was written
		to = file
	}
	lines, err := export(ctx, a, p, to)
	if err != nil {
		return fmt.Errorf("export %s %s: %w", p.Role, p.ID, err)
	}
	_, err = fmt.Fprintf(std.Err, "%d records are held of %s %s\n", lines, p.Role, p.ID)
	if err != nil {
		return err
	}
	return putOnRecord(ctx, a, "export", string(p.Role)+":"+p.ID, nil)
}

// export writes what is held of a person; it tells how many records.
func export(ctx context.Context, a peopleStore, p dispatch.Person, to io.Writer) (int, error) {
	out := bufio.NewWriter(to)
	n := 0
	put := func(l exportLine) error {
		n++
		if err := json.MarshalWrite(out, l); err != nil {
			return err
		}
		return out.WriteByte('\n')
	}
	err := put(exportLine{Kind: "person", Person: &exportPerson{string(p.Role), p.ID, wire.TimeOf(dispatch.Wall{}.Now())}})
	if err != nil {
		return 0, err
	}
	var orders []dispatch.OrderID
	err = a.Tell(ctx, p, func(r store.Record) error {
		if r.Order != nil {
			orders = append(orders, r.Order.ID)
		}
		return put(lineFrom(r, p))
	})
	if err != nil {
		return 0, err
	}
	if err := exportSamples(ctx, a, p, orders, put); err != nil {
		return 0, err
	}
	return n - 1, out.Flush()
}

// lineFrom tells a record as far as it is the person's to know.
func lineFrom(r store.Record, p dispatch.Person) exportLine {
	switch {
	case r.Order != nil:
		o := wire.OrderFrom(r.Order)
		if p.Role == dispatch.RoleDriver {
			o.RiderID, o.Stops = nil, []wire.Stop{}
		}
		return exportLine{Kind: "order", Order: &o}
	case r.Event != nil && r.Event.Duty != nil:
		e := wire.DutyEventFrom(r.Event)
		e.By.Sub = ownSub(r.Event, p)
		return exportLine{Kind: "duty_event", DutyEvent: &e}
	case r.Event != nil:
		e := wire.EventFrom(r.Event)
		e.By.Sub = ownSub(r.Event, p)
		if p.Role == dispatch.RoleDriver && string(r.Event.Driver) != p.ID {
			e.DriverID = nil
		}
		return exportLine{Kind: "event", Event: &e}
	case r.Duty != nil:
		d, state := r.Duty, "offline"
		if d.Online {
			state = "online"
		}
		return exportLine{Kind: "duty", Duty: &exportDuty{wire.ID(d.Market), state, wire.ID(d.VehicleClass), d.Capacity,
			append([]string{}, d.Tags...), wire.TimeOf(d.Since)}}
	case r.Offer != nil:
		o := r.Offer
		return exportLine{Kind: "offer", Offer: &exportOffer{wire.ID(o.ID), wire.ID(o.Order), wire.ID(o.Market), string(o.State),
			int64(o.Pickup.Seconds()), wire.TimeOf(o.CreatedAt), wire.TimeOf(o.ExpiresAt), o.Reason}}
	}
	k := r.Answer
	return exportLine{Kind: "key", Key: &exportKey{k.Key.ID, wire.ID(k.Market), wire.ID(k.Order), string(k.Code), wire.TimeOf(k.At)}}
}

// ownSub is who caused an event when it was the person, and nil when it was somebody else.
func ownSub(e *dispatch.Event, p dispatch.Person) *wire.ID {
	if e.By.Role != p.Role || e.By.Sub != p.ID {
		return nil
	}
	id := wire.ID(p.ID)
	return &id
}

// exportPage is how many samples are read at once.
const exportPage = 1000

func exportSamples(ctx context.Context, a peopleStore, p dispatch.Person, orders []dispatch.OrderID, put func(exportLine) error) error {
	filters := []dispatch.SampleFilter{{Driver: dispatch.DriverID(p.ID)}}
	if p.Role == dispatch.RoleRider {
		filters = filters[:0]
		for _, id := range orders {
			filters = append(filters, dispatch.SampleFilter{Order: id})
		}
	}
	for _, f := range filters {
		for f.Limit = exportPage; ; {
			page, err := a.Samples(ctx, f)
			if err != nil {
				return err
			}
			for i := range page {
				s := &page[i]
				err := put(exportLine{Kind: "sample", Sample: &exportSample{
					wire.ID(s.Order), wire.ID(s.Market), string(s.State), s.Lat, s.Lng, wire.TimeOf(s.At),
					known(s.SpeedMps), known(s.HeadingDeg),
				}})
				if err != nil {
					return err
				}
			}
			if len(page) < f.Limit {
				break
			}
			f.After = &page[len(page)-1]
		}
	}
	return nil
}

// known is nil for a number that was not told.
func known(f float64) *float64 {
	if math.IsNaN(f) {
		return nil
	}
	return &f
}
