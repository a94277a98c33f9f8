package wire

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

var rewrite = flag.Bool("rewrite", false, "write the goldens anew")

var noon = time.Date(2008, 5, 31, 6, 10, 0, 123_456_789, time.UTC)

func sampleOrder() *dispatch.Order {
	return &dispatch.Order{
		ID: "o1", Market: "sf", Kind: dispatch.KindRide, State: dispatch.StateOffered, Version: 2, Rider: "r1",
		VehicleClass: "standard", RequestedAt: noon,
		Stops: []dispatch.Stop{
			{Type: dispatch.StopPickup, LatLng: geo.LatLng{Lat: 37.78, Lng: -122.41}},
			{Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: 37.75, Lng: -122.42}},
		},
	}
}

func assignedOrder() *dispatch.Order {
	o := sampleOrder()
	o.Kind, o.State, o.Version, o.Driver = dispatch.KindDelivery, dispatch.StateCancelled, 7, "d1"
	o.PickupAt, o.PickupETA, o.DropoffETA = noon.Add(time.Hour), noon.Add(2*time.Hour), noon.Add(3*time.Hour)
	o.CancelledBy, o.Reason, o.NextStop = "driver", "no_show", 1
	return o
}

// samples gives every message, with everything optional set and with nothing.
func samples(t *testing.T) map[string]any {
	t.Helper()
	number := func(x float64) *float64 { return &x }
	whole := func(x int) *int { return &x }
	version := func(x int64) *int64 { return &x }
	at := TimeOf(noon)
	o, id := sampleOrder(), ID("k1")
	area, err := geo.ParseArea([]byte(`{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}`))
	if err != nil {
		t.Fatal(err)
	}
	event := &dispatch.Event{
		Market: "sf", Seq: 7741, Type: "order.offered", At: noon, By: dispatch.By{Role: dispatch.RoleEngine}, Version: 2,
		Order: o, From: dispatch.StateSearching, To: dispatch.StateOffered, Offer: "f1",
	}
	created := &dispatch.Event{
		Market: "sf", Seq: 1, Type: "order.searching", At: noon, By: dispatch.By{Role: dispatch.RoleRider, Sub: "r1"},
		Version: 1, Order: o, To: dispatch.StateSearching,
	}
	told := EventFrom(event)
	order := OrderFrom(o)
	duty := &dispatch.Duty{
		Driver: "d1", Market: "sf", Version: 3, Online: true, VehicleClass: "xl", Capacity: 2, Tags: []string{"dog"},
	}
	offer := &dispatch.Offer{
		ID: "f1", State: dispatch.OfferExpired, Pickup: 91500 * time.Millisecond, ExpiresAt: noon.Add(15 * time.Second),
	}
	fix := geo.Fix{LatLng: geo.LatLng{Lat: 37.7, Lng: -122.4}, At: noon, HeadingDeg: 90, SpeedMps: 5, AccuracyM: orNaN(nil)}
	working := &dispatch.Driver{Duty: *duty, State: dispatch.DriverReserved, Orders: []dispatch.OrderID{"o1"}}
	market := &dispatch.Market{
		ID: "lab", Name: "Lab", Timezone: "Etc/UTC", Area: area, Policy: dispatch.DefaultPolicy(),
	}
	cursor := "b3JkZXJz"
	return map[string]any{
		"order": OrderFrom(o), "order_full": OrderFrom(assignedOrder()),
		"event": told, "event_created": EventFrom(created),
		"duty_event": DutyEventFrom(&dispatch.Event{
			Market: "sf", Seq: 8, Type: dispatch.EventDriverOnline, At: noon, Version: 3, Duty: duty,
			By: dispatch.By{Role: dispatch.RoleDriver, Sub: "d1"},
		}),
		"order_update":         OrderUpdate{TypeOrder, order, &told},
		"order_update_present": OrderUpdate{TypeOrder, order, nil},
		"order_create": OrderCreate{
			Type: TypeOrderCreate, ID: "k1", Market: "sf", Kind: "ride", VehicleClass: "xl", PickupAt: &at, RiderID: "r1",
			Stops: order.Stops,
		},
		"order_create_least": OrderCreate{Kind: "ride", Stops: order.Stops},
		"order_cancel":       OrderCancel{TypeOrderCancel, "k1", "o1", "no_show"},
		"order_watch":        OrderWatch{TypeOrderWatch, "k1", "o1", version(0)},
		"order_unwatch":      OrderUnwatch{Type: TypeOrderUnwatch, ID: "k1", OrderID: "o1"},
		"order_assign":       OrderAssign{"o1", "d1"},
		"order_unassign":     OrderUnassign{"o1", ""},
		"order_priority":     OrderPriority{"o1", whole(-3)},
		"order_search":       OrderSearch{"o1"},
		"trip_advance":       TripAdvance{TypeTripAdvance, "k1", "o1", "completed", jsontext.Value(`{"pin":"1"}`)},
		"offer":              OfferFrom(offer, o, noon.Add(5*time.Second), 4),
		"offer_withdrawn":    OfferWithdrawnFrom(offer),
		"offer_accept":       OfferAccept{TypeOfferAccept, "k1", "f1", ""},
		"offer_decline":      OfferDecline{TypeOfferDecline, "k1", "f1", "too far"},
		"telemetry": Telemetry{TypeTelemetry, "", "d1", []Point{
			{Lat: 1, Lng: 2, Timestamp: at}, {1, 2, at, number(3), number(359.9), number(5)},
		}},
		"duty": Duty{TypeDuty, "k1", DutyOnline, "sf", "xl", whole(2), []ID{"dog"}},
		"driver_position": DriverPositionFrom(&dispatch.Position{
			Order: "o1", Fix: fix, PickupETA: noon.Add(time.Minute),
		}),
		"driver_position_aboard": DriverPositionFrom(&dispatch.Position{
			Order: "o1", Fix: geo.Fix{LatLng: fix.LatLng, At: noon, HeadingDeg: orNaN(nil)},
		}),
		"driver":     DriverFrom(working, nil),
		"near":       NearFrom(&dispatch.Near{Driver: *working, Fix: fix, Distance: 12.5}),
		"auth":       Auth{TypeAuth, "", "t", []ResumeFrom{{"o1", 0}}},
		"auth_least": Auth{Type: TypeAuth, Token: "t"},
		"resume":     Resume{TypeResume, "", []ResumeFrom{}},
		"welcome":    WelcomeTo(dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}, "s1", 1500*time.Millisecond, noon, 60),
		"ack":        AckTo("k1", nil), "ack_order": AckTo("k1", &order), "ack_rest": AckTo("", &order),
		"error": ErrorTo(nil, dispatch.Errorf(dispatch.CodeBadRequest, "", "what")),
		"error_full": ErrorTo(&id, &dispatch.Error{
			Code: dispatch.CodeUnavailable, Detail: "away", Field: "/x", RetryAfter: 1500 * time.Microsecond,
			Err: errors.New("never told"),
		}),
		"degraded": Degraded{TypeDegraded, []string{"positions"}},
		"drain":    Drain{TypeDrain, 1500},
		"problem": ProblemFrom(&dispatch.Error{
			Code: dispatch.CodeOverloaded, Detail: "too much", Field: "/x", RetryAfter: time.Second,
		}, 503, "Service Unavailable"),
		"market": MarketFrom(market, noon, 2),
		"market_zones": func() Market {
			m := MarketFrom(market, noon, 2)
			m.Zones = jsontext.Value(`{"type":"FeatureCollection","features":[]}`)
			return m
		}(),
		"supply": SupplyFrom(&dispatch.Supply{Market: "sf", At: noon, Since: noon, Cells: []dispatch.SupplyCell{
			{Cell: 0x88283082a9fffff, Available: 3, Busy: 2, Open: 4, Waiting: 1, Created5: 2, Created15: 5, Multiplier: 1.5},
		}}),
		"supply_empty": SupplyFrom(&dispatch.Supply{Market: "sf", At: noon, Since: noon}),
		"list":         List[Health]{[]Health{{"ok"}}, &cursor},
		"list_empty":   List[Health]{},
		"board_watch":  BoardWatch{TypeBoardWatch, "k1", "sf", []float64{-122.6, 37.6, -122.3, 37.9}, number(12.5)},
		"board_snapshot": Board{
			Type: TypeBoardSnapshot, Market: "sf", Seq: 1, Mode: BoardModeDrivers,
			Drivers: BoardDrivers{
				ID: []ID{"d1", "d2"}, Lat: []float64{37.7, 37.8}, Lng: []float64{-122.4, -122.5},
				State: []string{"available", "on_trip"}, HeadingDeg: []*int{whole(90), nil}, AgeS: []float64{0.5, 12},
			},
			Orders: []Order{order},
			Counters: BoardCountersFrom(&dispatch.BoardCounters{
				Drivers: map[dispatch.DriverState]int{dispatch.DriverAvailable: 1, dispatch.DriverOnTrip: 1},
				Orders:  map[dispatch.State]int{dispatch.StateOffered: 1},
				Since:   noon, Created: 9, Completed: 4, Returned: 1, Cancelled: 2, NoDriver: 1, Rounds: 30,
				Matches: 3, MatchP50: 4 * time.Second, MatchP95: 9500 * time.Millisecond,
				Published: 41, RelayLag: 7 * time.Millisecond,
			}, 12),
		},
		"board_delta": Board{
			Type: TypeBoardDelta, Market: "sf", Seq: 2, Mode: BoardModeCells,
			Cells:   BoardCells{[]string{"88283082a9fffff"}, []int{3}, []int{2}, []int{1}},
			Removed: []string{"88283082abfffff"}, Closed: []ID{"o1"},
			Counters: BoardCountersFrom(&dispatch.BoardCounters{Since: noon}, 0),
		},
		"ticket_redeem": TicketRedeem{"abc-_1"},
		"ticket_token":  TicketTokenFrom("t", noon, dispatch.RoleDispatcher, "boss"),
	}
}

// TestEncode/<message> pins the bytes of every message, and that they are read back to the same.
func TestEncode(t *testing.T) {
	for name, message := range samples(t) {
		t.Run(name, func(t *testing.T) {
			got, err := Encode(message)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", "golden", name+".json")
			if *rewrite {
				if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("no golden %s: run with -rewrite", path)
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(append(got, '\n'), want) {
				t.Errorf("bytes changed\n got %s\nwant %s", got, want)
			}
			back := reflect.New(reflect.TypeOf(message))
			if refused := Decode(got, back.Interface()); refused != nil {
				t.Fatalf("decode %s: %v", got, refused)
			}
			again, err := Encode(back.Interface())
			if err != nil || !bytes.Equal(again, got) {
				t.Errorf("read back and written again\n got %s (%v)\nwant %s", again, err, got)
			}
		})
	}
}

// TestOfferFrom keeps the rider from a driver that has not yet accepted, and counts down in wall time.
func TestOfferFrom(t *testing.T) {
	o := sampleOrder()
	f := &dispatch.Offer{ID: "f1", ExpiresAt: noon.Add(15 * time.Second)}
	got := OfferFrom(f, o, noon.Add(5*time.Second), 4)
	if got.Order.RiderID != nil {
		t.Errorf("rider_id = %v, want null", *got.Order.RiderID)
	}
	if got.ExpiresInMs != 2500 {
		t.Errorf("expires_in_ms = %d at scale 4 with 10 s of market time left, want 2500", got.ExpiresInMs)
	}
	if late := OfferFrom(f, o, noon.Add(time.Hour), 1); late.ExpiresInMs != 0 {
		t.Errorf("expires_in_ms of a late offer = %d, want 0", late.ExpiresInMs)
	}
	if o.Rider != "r1" {
		t.Error("the domain's order was written")
	}
}
