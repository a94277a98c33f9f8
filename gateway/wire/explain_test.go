package wire

import (
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

func TestExplainFrom(t *testing.T) {
	rounds := []dispatch.Explanation{
		{Market: "sf", Order: "o1", Round: 7, At: noon, Mode: dispatch.ModeBatch, Unmatched: dispatch.UnmatchedNobodyNear, Penalty: time.Minute, Optimal: true, Dual: time.Minute},
		{
			Market: "sf", Order: "o1", Round: 8, At: noon.Add(2 * time.Second), Mode: dispatch.ModeWave, Policy: "v1", Optimal: true, Dual: -1500 * time.Microsecond,
			Candidates: []dispatch.Considered{
				{Driver: "d1", Cost: 65 * time.Second, Price: 1250 * time.Millisecond, Offered: true, Terms: []dispatch.CostTerm{
					{Name: "pickup", Cost: 70 * time.Second}, {Name: "idle", Cost: -5 * time.Second},
				}},
				{Driver: "d2", FilteredBy: dispatch.FilterBusy, Cost: time.Hour},
			},
			Chosen: []dispatch.DriverID{"d1", "d3"},
		},
		{ // no optimum
			Market: "sf", Order: "o1", Round: 9, At: noon, Mode: dispatch.ModeNearest, Penalty: time.Minute,
			Candidates: []dispatch.Considered{{Driver: "d1", Terms: []dispatch.CostTerm{{Name: "pickup"}}}},
		},
	}
	offers := []dispatch.Offer{
		{ID: "f1", Driver: "d1", State: dispatch.OfferDeclined, Pickup: 70 * time.Second, CreatedAt: noon, ExpiresAt: noon, EndedAt: noon, Reason: "lunch"},
		{ID: "f2", Driver: "d3", State: dispatch.OfferLive, CreatedAt: noon, ExpiresAt: noon},
	}
	got, err := Encode(ExplainFrom("o1", rounds, offers))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"order_id":"o1","rounds":[` +
		`{"at":"2008-05-31T06:10:00.123Z","candidates":[],"chosen":null,"chosen_all":[],"unmatched":"nobody_near","round":7,"mode":"batch","policy":null,"penalty_s":60,"dual_s":60},` +
		`{"at":"2008-05-31T06:10:02.123Z","candidates":[` +
		`{"driver_id":"d1","cost_s":65,"terms":{"pickup":70,"idle":-5},"filtered_by":null,"offered":true,"price_s":1.25},` +
		`{"driver_id":"d2","cost_s":null,"terms":{},"filtered_by":"busy","offered":false,"price_s":null}],` +
		`"chosen":"d1","chosen_all":["d1","d3"],"unmatched":null,"round":8,"mode":"wave","policy":"v1","penalty_s":0,"dual_s":-0.002},` +
		`{"at":"2008-05-31T06:10:00.123Z","candidates":[` +
		`{"driver_id":"d1","cost_s":0,"terms":{"pickup":0},"filtered_by":null,"offered":false,"price_s":null}],` +
		`"chosen":null,"chosen_all":[],"unmatched":null,"round":9,"mode":"nearest","policy":null,"penalty_s":60,"dual_s":null}],` +
		`"offers":[` +
		`{"offer_id":"f1","driver_id":"d1","state":"declined","wait_time_s":70,"created_at":"2008-05-31T06:10:00.123Z","expires_at":"2008-05-31T06:10:00.123Z","ended_at":"2008-05-31T06:10:00.123Z","reason":"lunch"},` +
		`{"offer_id":"f2","driver_id":"d3","state":"live","wait_time_s":0,"created_at":"2008-05-31T06:10:00.123Z","expires_at":"2008-05-31T06:10:00.123Z","ended_at":null,"reason":null}]}`
	if string(got) != want {
		t.Errorf("told\n%s\nwant\n%s", got, want)
	}
	if none, err := Encode(ExplainFrom("o1", nil, nil)); err != nil || string(none) != `{"order_id":"o1","rounds":[],"offers":[]}` {
		t.Errorf("of nothing %s, %v", none, err)
	}
}
