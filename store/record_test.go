package store

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// at is an instant with microseconds.
var at = time.Date(2026, 5, 31, 6, 10, 0, 123456000, time.UTC)

func fullOrder() dispatch.Order {
	return dispatch.Order{
		ID: "o1", Market: "sf", Kind: dispatch.KindDelivery, State: dispatch.StateCancelled, Version: 7,
		Rider: "r1", Driver: "d1", VehicleClass: "xl", NextStop: 1,
		RequestedAt: at, PickupAt: at.Add(time.Hour), PickupETA: at.Add(2 * time.Hour), DropoffETA: at.Add(3 * time.Hour),
		CancelledBy: "driver", Reason: "no_show", SearchSince: at.Add(time.Second), ChangedAt: at.Add(time.Minute),
		Bars:     []dispatch.Bar{{Driver: "d7"}, {Driver: "d8", Until: at}},
		Priority: -3,
		Stops: []dispatch.Stop{
			{Type: dispatch.StopPickup, LatLng: geo.LatLng{Lat: 37.7749295, Lng: -122.4194155}},
			{Type: dispatch.StopDropoff, LatLng: geo.LatLng{Lat: -0.1, Lng: 180}},
		},
	}
}

// The documents are durable: a change here needs a migration of what is stored.
func TestEncode_documents_stay_as_they_are(t *testing.T) {
	o := fullOrder()
	order, err := EncodeOrder(&o)
	check(t, "order", order, err, `{"id":"o1","market":"sf","kind":"delivery","state":"cancelled","version":7,`+
		`"rider_id":"r1","driver_id":"d1","vehicle_class":"xl","next_stop":1,"requested_at_us":1780207800123456,`+
		`"pickup_at_us":1780211400123456,"pickup_eta_us":1780215000123456,"dropoff_eta_us":1780218600123456,`+
		`"cancelled_by":"driver","reason":"no_show","search_since_us":1780207801123456,`+
		`"changed_at_us":1780207860123456,"bars":[{"driver_id":"d7"},{"driver_id":"d8","until_us":1780207800123456}],`+
		`"priority":-3}`)
	order, err = EncodeOrder(&dispatch.Order{ID: "o1", Market: "sf", Kind: "ride", State: "searching", Version: 1,
		Rider: "r1", VehicleClass: "standard", RequestedAt: at})
	check(t, "new order", order, err, `{"id":"o1","market":"sf","kind":"ride","state":"searching","version":1,`+
		`"rider_id":"r1","vehicle_class":"standard","requested_at_us":1780207800123456}`)
	stops, err := EncodeStops(o.Stops)
	check(t, "stops", stops, err, `[{"type":"pickup","lat":37.7749295,"lng":-122.4194155},`+
		`{"type":"dropoff","lat":-0.1,"lng":180}]`)
	duty, err := EncodeDuty(&dispatch.Duty{Driver: "d1", Market: "sf", Version: 2, Online: true, VehicleClass: "xl",
		Capacity: 3, Tags: []string{"pets"}, Since: at})
	check(t, "duty", duty, err, `{"driver_id":"d1","market":"sf","version":2,"online":true,"vehicle_class":"xl",`+
		`"capacity":3,"tags":["pets"],"since_us":1780207800123456}`)
}

func check(t *testing.T, what string, got []byte, err error, want string) {
	t.Helper()
	if err != nil || string(got) != want {
		t.Errorf("%s is\n%s (%v), want\n%s", what, got, err, want)
	}
}

// Every field of an order is in its documents, also one that is added later.
func TestDecode_gives_what_was_encoded(t *testing.T) {
	want := fullOrder()
	for field, value := range reflect.ValueOf(want).Fields() {
		if value.IsZero() {
			t.Errorf("the order of this test leaves %s out", field.Name)
		}
	}
	doc, err := EncodeOrder(&want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeOrder(doc)
	if err != nil {
		t.Fatal(err)
	}
	stops, err := EncodeStops(want.Stops)
	if err != nil {
		t.Fatal(err)
	}
	if got.Stops, err = DecodeStops(stops); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order differs (-want +got):\n%s", diff)
	}
	bars, err := EncodeBars(want.Bars)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeBars(bars); err != nil || !cmp.Equal(got, want.Bars) {
		t.Errorf("bars %s read back as %v, %v", bars, got, err)
	}
}

func TestDecode_places_come_back_to_the_last_bit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) dispatch.Stop {
			return dispatch.Stop{
				Type: rapid.SampledFrom([]dispatch.StopType{dispatch.StopPickup, dispatch.StopBetween}).Draw(t, "type"),
				LatLng: geo.LatLng{
					Lat: rapid.Float64Range(-90, 90).Draw(t, "lat"), Lng: rapid.Float64Range(-180, 180).Draw(t, "lng"),
				},
			}
		}), 0, dispatch.MaxStops).Draw(t, "stops")
		doc, err := EncodeStops(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeStops(doc)
		if err != nil || !cmp.Equal(got, want, cmpopts.EquateEmpty()) {
			t.Fatalf("%s read back as %v (%v), want %v", doc, got, err, want)
		}
	})
}

func TestDecode_of_rubbish_is_an_error(t *testing.T) {
	for _, doc := range []string{"{", `[]`, `{"version":"one"}`, "\x00"} {
		if o, err := DecodeOrder([]byte(doc)); err == nil {
			t.Errorf("order %q read as %+v", doc, o)
		}
		if d, err := DecodeDuty([]byte(doc)); err == nil {
			t.Errorf("duty %q read as %+v", doc, d)
		}
	}
	for _, doc := range []string{"{", `{}`, `[1]`, "\x00"} {
		if s, err := DecodeStops([]byte(doc)); err == nil {
			t.Errorf("stops %q read as %+v", doc, s)
		}
		if b, err := DecodeBars([]byte(doc)); err == nil {
			t.Errorf("bars %q read as %+v", doc, b)
		}
	}
	if _, err := EncodeStops([]dispatch.Stop{{LatLng: geo.LatLng{Lat: math.NaN()}}}); err == nil {
		t.Error("a place that is no number was encoded")
	}
}

func TestMicros_cuts_and_keeps_the_zero_time(t *testing.T) {
	if got := Instant(Micros(at.Add(999))); !got.Equal(at) || got.Location() != time.UTC {
		t.Errorf("%v read back as %v", at.Add(999), got)
	}
	if got := Instant(Micros(time.Time{})); !got.IsZero() {
		t.Errorf("the zero time read back as %v", got)
	}
}
