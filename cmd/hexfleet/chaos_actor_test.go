package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/client"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// nycBody is an order in nyc.
const nycBody = `{"market":"nyc","kind":"ride","stops":[{"type":"pickup","lat":40.75,"lng":-73.99},` +
	`{"type":"dropoff","lat":40.7,"lng":-74}]}`

// What the parties of a crowd do, each in a goroutine of its own until the crowd leaves.

// rider orders a ride, sometimes thinks better of it, and waits a little for it to be over.
func (c *crowd) rider(sub string, rng *rand.Rand) {
	closed := make(chan wire.ID, 64) // what is not taken is not waited for
	one := c.dial(dispatch.RoleRider, sub, func(m client.Message) {
		if u, ok := m.(*wire.OrderUpdate); ok && dispatch.State(u.Order.State).Closed() {
			select {
			case closed <- u.Order.ID:
			default:
			}
		}
	})
	c.actors.Go(func() {
		for !c.over() {
			order, err := c.ask(sub, one, &wire.OrderCreate{Market: "sf", Kind: "ride", Stops: []wire.Stop{
				{Type: "pickup", Lat: pickupLat, Lng: pickupLng}, {Type: "dropoff", Lat: 37.75, Lng: -122.42}}})
			if err != nil {
				c.wrong("%s: a new order was refused: %v", sub, err)
				return
			}
			if rng.IntN(6) == 0 {
				c.rest(time.Duration(rng.IntN(100)) * time.Millisecond)
				_, _ = c.ask(sub, one, &wire.OrderCancel{OrderID: order.ID}) // too late is an answer as well
				continue
			}
			c.waits(closed, order.ID, 300*time.Millisecond)
		}
	})
}

// waits until an order is told closed, for so long at most.
func (c *crowd) waits(closed <-chan wire.ID, id wire.ID, most time.Duration) {
	enough := time.After(most)
	for {
		select {
		case got := <-closed:
			if got == id {
				return
			}
		case <-enough:
			return
		case <-c.quit:
			return
		}
	}
}

// driver takes every offer, and mostly goes through with it.
func (c *crowd) driver(sub string, rng *rand.Rand) {
	offers := make(chan wire.ID, 16) // one is live at a time; more only while the driver is busy
	one := c.dial(dispatch.RoleDriver, sub, func(m client.Message) {
		if o, ok := m.(*wire.Offer); ok {
			select {
			case offers <- o.OfferID:
			default:
			}
		}
	})
	c.actors.Go(func() {
		_, _ = c.ask(sub, one, &wire.Duty{State: wire.DutyOnline, Market: "sf"})
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-c.quit:
				return
			case <-tick.C: // a server that starts knows no fix
				one.Telemetry(wire.Point{Lat: pickupLat, Lng: pickupLng, Timestamp: wire.TimeOf(time.Now())})
			case offer := <-offers:
				order, err := c.ask(sub, one, &wire.OfferAccept{OfferID: offer})
				if err == nil {
					c.drive(sub, one, order.ID, rng)
				}
			}
		}
	})
}

// drive takes a trip to its end, or gives it back.
func (c *crowd) drive(sub string, one *client.Client, order wire.ID, rng *rand.Rand) {
	if rng.IntN(8) == 0 {
		_, _ = c.ask(sub, one, &wire.OrderCancel{OrderID: order, Reason: "changed my mind"})
		return
	}
	for _, to := range []string{"arrived_at_pickup", "en_route_to_dropoff", "arrived_at_dropoff", "completed"} {
		if _, err := c.ask(sub, one, &wire.TripAdvance{OrderID: order, To: to}); err != nil {
			return // cancelled meanwhile
		}
	}
}

// dispatcher works on orders of its own with two drivers whom the engine does not know a place of, and so never
// makes an offer.
func (c *crowd) dispatcher(n int, rng *rand.Rand) {
	sub := fmt.Sprintf("staff%d", n)
	drivers := []string{sub + "-a", sub + "-b"}
	clients := make([]*client.Client, len(drivers))
	for i, d := range drivers {
		clients[i] = c.dial(dispatch.RoleDriver, d, nil)
	}
	c.actors.Go(func() {
		for i, d := range drivers {
			_, _ = c.ask(d, clients[i], &wire.Duty{State: wire.DutyOnline, Market: "nyc"})
		}
		for !c.over() {
			_, order := c.post(dispatch.RoleDispatcher, sub, "/v1/orders", strings.Replace(nycBody, "{", fmt.Sprintf(`{"rider_id":"guest-%s",`, sub), 1))
			path := "/v1/orders/" + string(order.ID)
			for range 1 + rng.IntN(4) {
				switch rng.IntN(3) {
				case 0:
					c.post(dispatch.RoleDispatcher, sub, path+"/unassign", `{"reason":"other plans"}`)
				default:
					driver := drivers[rng.IntN(len(drivers))]
					c.post(dispatch.RoleDispatcher, sub, path+"/assign", fmt.Sprintf(`{"driver_id":%q}`, driver))
				}
			}
			c.post(dispatch.RoleDispatcher, sub, path+"/cancel", `{}`)
		}
	})
}

// wanderer is on duty now here, now there.
func (c *crowd) wanderer() {
	one := c.dial(dispatch.RoleDriver, "wanderer", nil)
	c.actors.Go(func() {
		for i := 0; !c.over(); i++ {
			market := wire.ID([]string{"sf", "nyc"}[i%2])
			for _, state := range []string{wire.DutyOnline, wire.DutyOffline} {
				if _, err := c.ask("wanderer", one, &wire.Duty{State: state, Market: market}); err != nil {
					c.wrong("wanderer: %s in %s was refused: %v", state, market, err)
				}
			}
			c.rest(30 * time.Millisecond)
		}
	})
}
