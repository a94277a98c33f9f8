package node

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
	"github.com/hexfleet/hexfleet/geo"
)

func TestAcceptance_expect(t *testing.T) {
	offers := func(a *acceptance, d dispatch.DriverID, states ...dispatch.OfferState) {
		for _, s := range states {
			a.told(&dispatch.Offer{Driver: d, State: s})
		}
	}
	yes, no, late, other := dispatch.OfferAccepted, dispatch.OfferDeclined, dispatch.OfferExpired, dispatch.OfferWithdrawn
	for _, c := range []struct {
		name     string
		states   []dispatch.OfferState
		min, max float64
	}{
		{"nobody_is_judged_by_four_answers", []dispatch.OfferState{no, no, no, no}, 0, 0},
		{"what_is_live_or_withdrawn_is_no_answer", []dispatch.OfferState{no, no, no, no, other, other, dispatch.OfferLive}, 0, 0},
		{"five_times_yes", []dispatch.OfferState{yes, yes, yes, yes, yes}, 1, 1},
		{"never", []dispatch.OfferState{no, late, no, late, no}, leastShare, leastShare},
		{"the_latest_count_most", []dispatch.OfferState{no, no, no, yes, yes, yes}, 0.51, 0.6},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &acceptance{}
			offers(a, "d1", c.states...)
			found := []market.Candidate{{Driver: "d1"}, {Driver: "stranger"}}
			a.expect(found)
			if got := found[0].Accept; got < c.min || got > c.max || found[1].Accept != 0 {
				t.Errorf("got %v and %v, want from %v to %v and 0", got, found[1].Accept, c.min, c.max)
			}
			a.forget("d1")
			found[0].Accept = 0
			if a.expect(found); found[0].Accept != 0 {
				t.Errorf("forgotten, but %v", found[0].Accept)
			}
		})
	}
}

// A round is told what the places are worth that its drivers would leave and reach, and who is likely to say no.
func TestFinder_Find_values(t *testing.T) {
	n := newNight(t, 0, 200, nil)
	s := n.seek(20, 8)
	s.Chain = 300 * time.Second
	for i := range 50 {
		n.busy(i, dispatch.StateEnRouteToDropoff, 1)
	}
	sees := func() (pairs, trips, doubtful int) {
		found := n.leader.finder.Find(t.Context(), s)
		for _, c := range found.Pairs {
			if c.Leaves == 77*time.Second {
				pairs++
			}
			if c.Accept == leastShare {
				doubtful++
			}
		}
		for _, c := range found.Trips {
			if c.Gains == 77*time.Second {
				trips++
			}
		}
		if len(found.Pairs) == 0 || len(found.Trips) == 0 {
			t.Fatalf("found %d pairs, %d trips", len(found.Pairs), len(found.Trips))
		}
		if pairs != 0 && (pairs != len(found.Pairs) || trips != len(found.Trips)) {
			t.Errorf("%d of %d pairs and %d of %d trips have a value", pairs, len(found.Pairs), trips, len(found.Trips))
		}
		return pairs, trips, doubtful
	}
	if pairs, trips, doubtful := sees(); pairs+trips+doubtful != 0 {
		t.Errorf("%d pairs, %d trips, %d doubtful, where nothing is worth anything and nobody was asked", pairs, trips, doubtful)
	}
	zones, err := geo.ParseZones(json.RawMessage(`{"type":"FeatureCollection","features":[{"type":"Feature",
		"properties":{"id":"all","kind":"queue","value_s":77},
		"geometry":{"type":"Polygon","coordinates":[[[-179,-80],[0,-80],[179,-80],[179,80],[0,80],[-179,80],[-179,-80]]]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	n.leader.zones.Store(zones)
	for i := range 200 {
		for range minAnswers {
			n.leader.notice(&dispatch.Notice{Offer: dispatch.Offer{
				ID: dispatch.OfferID(fmt.Sprint("f", i)), Driver: driverNamed(i), State: dispatch.OfferDeclined,
			}})
		}
	}
	if pairs, trips, doubtful := sees(); pairs == 0 || trips == 0 || doubtful == 0 {
		t.Errorf("%d pairs, %d trips, %d doubtful, want all", pairs, trips, doubtful)
	}
}
