package actor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/geo"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// metersNorth is a place m metres north of the origin of the lab.
func metersNorth(m float64) geo.LatLng {
	return geo.LatLng{Lat: m / float64(geo.EarthRadius) * 180 / 3.141592653589793}
}

// order is a ride from 100 m to 300 m north, with a stop between at 200 m when between is set.
func order(version int64, state dispatch.State, driver string, next int, between bool) *actor.Order {
	stops := []dispatch.Stop{{Type: dispatch.StopPickup, LatLng: metersNorth(100)}}
	if between {
		stops = append(stops, dispatch.Stop{Type: dispatch.StopBetween, LatLng: metersNorth(200)})
	}
	stops = append(stops, dispatch.Stop{Type: dispatch.StopDropoff, LatLng: metersNorth(300)})
	return &actor.Order{
		ID: "o", Rider: "r", Version: version, State: state, Driver: dispatch.DriverID(driver), Stops: stops, NextStop: next,
	}
}

// describe prints commands so that a table can hold them.
func describe(commands []actor.Command) string {
	var words []string
	for _, c := range commands {
		switch c := c.(type) {
		case actor.Telemetry:
			m := float64(geo.Distance(geo.LatLng{}, c.Fix.LatLng))
			words = append(words, fmt.Sprintf("at %.0f m", m))
		case actor.Online:
			words = append(words, "online "+string(c.Market))
		case actor.Offline:
			words = append(words, "offline")
		case actor.Accept:
			words = append(words, "accept "+string(c.Offer))
		case actor.Decline:
			words = append(words, "decline "+string(c.Offer))
		case actor.Advance:
			words = append(words, "advance "+string(c.Order)+" "+string(c.To))
		case actor.Watch:
			words = append(words, "watch "+string(c.Order))
		case actor.Cancel:
			words = append(words, "cancel "+string(c.Order))
		case actor.Create:
			words = append(words, "create "+string(c.Market))
		}
	}
	return strings.Join(words, ", ")
}

// step is one line of a scenario: what an actor hears at a second, and what it says.
type step struct {
	at   float64
	hear actor.Event
	say  string
}

type automaton interface {
	Next(now time.Time, ev actor.Event) []actor.Command
	Wake() time.Time
}

func play(t *testing.T, a automaton, steps []step) {
	t.Helper()
	for i, s := range steps {
		now := start.Add(time.Duration(s.at * float64(time.Second)))
		if got := describe(a.Next(now, s.hear)); got != s.say {
			t.Fatalf("step %d, %+v at %v s: said %q, want %q", i, s.hear, s.at, got, s.say)
		}
		if wake := a.Wake(); !wake.IsZero() && !wake.After(now) {
			t.Fatalf("step %d at %v s: wakes at %v, not after now: it would spin", i, s.at, wake)
		}
	}
}

func ok(to actor.Command, o *actor.Order) actor.Event { return actor.Answered{To: to, Order: o} }

func refused(to actor.Command, code dispatch.Code) actor.Event {
	return actor.Answered{To: to, Code: code}
}

func advance(to dispatch.State) actor.Command { return actor.Advance{Order: "o", To: to} }

func made(offer dispatch.OfferID) actor.Event {
	return actor.OfferMade{Offer: offer, ExpiresAt: start.Add(30 * time.Minute)}
}

func TestLegal(t *testing.T) {
	for _, c := range []struct {
		role     dispatch.Role
		from, to dispatch.State
		want     bool
	}{
		{dispatch.RoleDriver, dispatch.StateOffered, dispatch.StateEnRouteToPickup, true},
		{dispatch.RoleRider, dispatch.StateOffered, dispatch.StateEnRouteToPickup, false},
		{dispatch.RoleDispatcher, dispatch.StateEnRouteToDropoff, dispatch.StateEnRouteToDropoff, true},
		{dispatch.RoleDriver, dispatch.StateEnRouteToDropoff, dispatch.StateEnRouteToDropoff, false},
		{dispatch.RoleDispatcher, dispatch.StateSearching, dispatch.StateSearching, false},
	} {
		if got := actor.Legal(c.role, c.from, c.to); got != c.want {
			t.Errorf("%s takes %s to %s: got %v, want %v", c.role, c.from, c.to, got, c.want)
		}
	}
}
