package dispatch

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

const square = `{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]]}`

// feature is a Feature with these properties and geometry.
func feature(properties, geometry string) string {
	return `{"type":"Feature","properties":` + properties + `,"geometry":` + geometry + `}`
}

// collection is a markets file.
func collection(features ...string) string {
	return `{"type":"FeatureCollection","features":[` + strings.Join(features, ",") + `]}`
}

// withPolicy is a markets file of one market, m, of this policy.
func withPolicy(policy string) string {
	return collection(feature(`{"id":"m","name":"M","timezone":"UTC","policy":`+policy+`}`, square))
}

func TestDefaultMarkets(t *testing.T) {
	ms := DefaultMarkets()

	t.Run("they_are_the_contracts", func(t *testing.T) {
		for i, want := range []struct {
			id             MarketID
			zone           string
			south, north   float64
			west, east     float64
			inside, beside geo.LatLng
		}{
			{"lab", "UTC", -0.5, 0.5, -0.5, 0.5, geo.LatLng{Lat: 0.1, Lng: -0.1}, geo.LatLng{Lat: 0.51}},
			{"nyc", "America/New_York", 40.4, 41.1, -74.3, -73.6, geo.LatLng{Lat: 40.75, Lng: -73.99}, geo.LatLng{Lat: 40.75, Lng: -73.5}},
			{"sf", "America/Los_Angeles", 37.2, 38.2, -122.7, -121.7, geo.LatLng{Lat: 37.78, Lng: -122.41}, geo.LatLng{Lat: 38.3, Lng: -122.41}},
		} {
			m := ms[i]
			sw, ne := m.Area.Bounds()
			if m.ID != want.id || m.Timezone != want.zone || !reflect.DeepEqual(m.Policy, DefaultPolicy()) ||
				sw != (geo.LatLng{Lat: want.south, Lng: want.west}) || ne != (geo.LatLng{Lat: want.north, Lng: want.east}) {
				t.Errorf("market %d is %s, %s, %v to %v, %+v", i, m.ID, m.Timezone, sw, ne, m.Policy)
			}
			if found, ok := ms.At(want.inside); !ok || found.ID != want.id {
				t.Errorf("%v is in %q", want.inside, found.ID)
			}
			if found, ok := ms.At(want.beside); ok {
				t.Errorf("%v is in %q", want.beside, found.ID)
			}
		}
		if len(ms) != 3 {
			t.Errorf("%d markets", len(ms))
		}
	})
}

func TestParseMarkets(t *testing.T) {
	t.Run("a_policy_overrides_what_it_names", func(t *testing.T) {
		ms, err := ParseMarkets([]byte(withPolicy(`{"mode":"nearest","window_ms":500,"offer_ttl_s":1,"search_timeout_s":2,
			"max_pickup_s":3,"freshness_s":4,"candidates":5,"no_show_s":0,"lead_s":7}`)))
		want := DefaultPolicy()
		want.Mode, want.OfferTTL, want.MaxPickup = ModeNearest, time.Second, 3*time.Second
		want.Window, want.SearchTimeout, want.Freshness = 500*time.Millisecond, 2*time.Second, 4*time.Second
		want.Candidates, want.NoShow, want.Lead = 5, 0, 7*time.Second
		if err != nil || !reflect.DeepEqual(ms[0].Policy, want) {
			t.Errorf("got %+v, %v", ms, err)
		}
		ms, err = ParseMarkets([]byte(withPolicy(`{"candidates":8,"lead_s":null}`)))
		want = DefaultPolicy()
		want.Candidates = 8
		if err != nil || !reflect.DeepEqual(ms[0].Policy, want) {
			t.Errorf("got %+v, %v", ms, err)
		}
		if ms, err = ParseMarkets([]byte(withPolicy(`null`))); err != nil || !reflect.DeepEqual(ms[0].Policy, DefaultPolicy()) {
			t.Errorf("got %+v, %v", ms, err)
		}
	})

	t.Run("markets_ascend_by_id_and_may_touch", func(t *testing.T) {
		ms, err := ParseMarkets([]byte(collection(
			feature(`{"id":"z","name":"Z","timezone":"UTC"}`, square),
			feature(`{"id":"a","name":"A","timezone":"Europe/Vienna"}`, strings.ReplaceAll(square, "1", "-1")),
		)))
		if err != nil || len(ms) != 2 || ms[0].ID != "a" || ms[1].ID != "z" {
			t.Errorf("got %+v, %v", ms, err)
		}
	})

	for name, c := range map[string]struct{ file, want string }{
		"nothing":            {``, "markets: read JSON"},
		"a_damaged_file":     {collection(feature(`{"id":"m"`, square)), "markets: read JSON"},
		"no_object":          {`[]`, "markets: top level"},
		"another_type":       {`{"type":"Feature","features":[]}`, `type is "Feature", not FeatureCollection`},
		"no_features":        {collection(), "no features"},
		"unknown_key_on_top": {`{"type":"FeatureCollection","features":[],"name":1}`, "/name: unknown key"},
		"unknown_property": {
			collection(feature(`{"id":"m","name":"M","timezone":"UTC","currency":"EUR"}`, square)),
			"feature 0 (m): /properties/currency: unknown key",
		},
		"unknown_policy":  {withPolicy(`{"windows_ms":1}`), "feature 0 (m): /properties/policy/windows_ms: unknown key"},
		"another_case":    {withPolicy(`{"Mode":"batch"}`), "/properties/policy/Mode: unknown key"},
		"duplicate_key":   {withPolicy(`{"mode":"batch","mode":"batch"}`), "duplicate"},
		"unknown_mode":    {withPolicy(`{"mode":"waves"}`), `/properties/policy/mode: "waves" is not one of [batch nearest wave broadcast direct]`},
		"text_for_number": {withPolicy(`{"window_ms":"2000"}`), "/properties/policy/window_ms: must be a number from 10 to 60000"},
		"a_fraction":      {withPolicy(`{"offer_ttl_s":1.5}`), "/properties/policy/offer_ttl_s: 1.5 is not a whole number from 1 to 600"},
		"a_huge_number":   {withPolicy(`{"lead_s":1e30}`), "/properties/policy/lead_s: 1e30 is not from 0 to 86400"},
		"no_feature":      {collection(`{"type":"Point"}`), `feature 0: type is "Point", not Feature`},
		"no_id":           {collection(feature(`{"name":"M","timezone":"UTC"}`, square)), "feature 0: /properties/id"},
		"a_bad_id":        {collection(feature(`{"id":"san francisco","name":"M","timezone":"UTC"}`, square)), `"san francisco" is not`},
		"no_name":         {collection(feature(`{"id":"m","timezone":"UTC"}`, square)), "/properties/name: must have 1 to 100"},
		"no_zone":         {collection(feature(`{"id":"m","name":"M"}`, square)), `/properties/timezone: "" is no IANA`},
		"the_servers_zone": {
			collection(feature(`{"id":"m","name":"M","timezone":"Local"}`, square)), `"Local" is no IANA`,
		},
		"an_unknown_zone": {collection(feature(`{"id":"m","name":"M","timezone":"Mars/Olympus"}`, square)), `"Mars/Olympus" is no IANA`},
		"no_geometry": {
			collection(`{"type":"Feature","properties":{"id":"m","name":"M","timezone":"UTC"}}`), "(m): /geometry: missing",
		},
		"a_point": {
			collection(feature(`{"id":"m","name":"M","timezone":"UTC"}`, `{"type":"Point","coordinates":[0,0]}`)), `/geometry: geometry type is "Point"`,
		},
		"an_id_twice": {
			collection(feature(`{"id":"m","name":"M","timezone":"UTC"}`, square), feature(`{"id":"m","name":"N","timezone":"UTC"}`, square)),
			`feature 1: id "m" is there twice`,
		},
		"overlapping": {
			collection(feature(`{"id":"m","name":"M","timezone":"UTC"}`, square),
				feature(`{"id":"n","name":"N","timezone":"UTC"}`, strings.ReplaceAll(square, "1", "0.5"))),
			`"m" and "n" overlap`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			ms, err := ParseMarkets([]byte(c.file))
			if err == nil || !strings.Contains(err.Error(), c.want) || ms != nil {
				t.Errorf("%s\n got %v, %v\nwant an error with %q", c.file, ms, err, c.want)
			}
		})
	}
}

func FuzzParseMarkets(f *testing.F) {
	file, err := os.ReadFile("markets.geojson")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add([]byte(withPolicy(`{"mode":"nearest","window_ms":500}`)))
	f.Add([]byte(withPolicy(`{"window_ms":1e3}`)))
	f.Add([]byte(withPolicy(everyKey)))
	f.Fuzz(func(t *testing.T, data []byte) {
		ms, err := ParseMarkets(data)
		if err != nil {
			if err.Error() == "" || len(ms) > 0 {
				t.Errorf("%d markets and the error %q", len(ms), err)
			}
			return
		}
		if len(ms) == 0 || !slices.IsSortedFunc(ms, func(a, b Market) int { return strings.Compare(string(a.ID), string(b.ID)) }) {
			t.Errorf("%d markets, or out of order", len(ms))
		}
		for _, m := range ms {
			if !ValidID(string(m.ID)) || m.Name == "" || m.Policy.Window < 10*time.Millisecond || m.Policy.Candidates < 1 {
				t.Errorf("taken: %+v", m)
			}
		}
	})
}
