package dispatch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/geo"
)

// zone is a Feature of a zones collection: a square of 0.1 degrees to the north-east of lat, lng.
func zone(properties string, lat, lng float64) string {
	n, e := lat+0.1, lng+0.1
	return feature("{"+properties+"}", fmt.Sprintf(`{"type":"Polygon","coordinates":[[[%v,%v],[%v,%v],[%v,%v],[%v,%v],[%v,%v]]]}`,
		lng, lat, e, lat, e, n, lng, n, lng, lat))
}

// withZones is a markets file of one market, m, with zones.
func withZones(zones string) string {
	return collection(feature(`{"id":"m","name":"M","timezone":"UTC","zones":`+zones+`}`, square))
}

func TestParseMarkets_zones(t *testing.T) {
	t.Run("they_are_the_markets", func(t *testing.T) {
		ms, err := ParseMarkets([]byte(withZones(collection(zone(`"id":"zoo","kind":"surge","multiplier":2`, 0.3, 0.3)))))
		if err != nil {
			t.Fatal(err)
		}
		if all := ms[0].Zones.All(); len(all) != 1 || all[0].ID != "zoo" || ms[0].Zones.Multiplier(geo.LatLng{Lat: 0.35, Lng: 0.35}) != 2 {
			t.Errorf("zones are %+v", all)
		}
	})

	t.Run("left_out_or_null_is_none", func(t *testing.T) {
		for _, file := range []string{withPolicy("null"), withZones("null")} {
			ms, err := ParseMarkets([]byte(file))
			if err != nil || ms[0].Zones != nil {
				t.Errorf("%s: %v, %v", file, ms, err)
			}
		}
	})

	t.Run("an_error_names_the_market_the_zone_and_the_property", func(t *testing.T) {
		_, err := ParseMarkets([]byte(withZones(collection(zone(`"id":"a","kind":"queue"`, 0, 0), zone(`"id":"b","kind":"taxi"`, 0, 0)))))
		const want = `feature 0 (m): /properties/zones: feature 1 (b): /properties/kind: "taxi" is not`
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}

func TestCheckStops(t *testing.T) {
	parse := func(zones ...string) *geo.Zones {
		zs, err := geo.ParseZones([]byte(collection(zones...)))
		if err != nil {
			t.Fatal(err)
		}
		return zs
	}
	stops := func(places ...geo.LatLng) (out []Stop) {
		for _, p := range places {
			out = append(out, Stop{LatLng: p})
		}
		return out
	}
	a, b, c := geo.LatLng{Lat: 0.05, Lng: 0.05}, geo.LatLng{Lat: 0.05, Lng: 0.15}, geo.LatLng{Lat: 0.55, Lng: 0.55}
	areas := parse(zone(`"id":"east","kind":"service_area"`, 0, 0.1), zone(`"id":"west","kind":"service_area"`, 0, 0), zone(`"id":"x","kind":"no_go"`, 0.5, 0.5))
	for name, test := range map[string]struct {
		zones *geo.Zones
		stops []Stop
		field string
	}{
		"no_zones":                         {nil, stops(a, b), ""},
		"surge_and_queue_refuse_nothing":   {parse(zone(`"id":"s","kind":"surge","multiplier":3`, 0, 0), zone(`"id":"q","kind":"queue"`, 0, 0)), stops(a, c), ""},
		"a_pickup_in_a_no_go_zone":         {parse(zone(`"id":"x","kind":"no_go"`, 0, 0)), stops(a, b), "/stops/0"},
		"a_drop_off_in_a_no_go_zone":       {parse(zone(`"id":"x","kind":"no_go"`, 0, 0)), stops(b, a), "/stops/1"},
		"a_stop_between_in_a_no_go_zone":   {parse(zone(`"id":"x","kind":"no_go"`, 0, 0)), stops(b, c, a, b), "/stops/2"},
		"a_no_go_zone_within_a_service":    {parse(zone(`"id":"a","kind":"service_area"`, 0, 0), zone(`"id":"x","kind":"no_go"`, 0, 0)), stops(a, a), "/stops/0"},
		"each_stop_in_some_service_area":   {areas, stops(a, b), ""},
		"a_drop_off_out_of_every_area":     {areas, stops(a, b, geo.LatLng{Lat: 0.05, Lng: 0.25}), "/stops/2"},
		"a_pickup_out_of_every_area":       {areas, stops(geo.LatLng{Lat: 0.9, Lng: 0.9}, a), "/stops/0"},
		"the_first_of_two_refused_is_told": {areas, stops(a, c, geo.LatLng{Lat: 0.9}), "/stops/1"},
	} {
		t.Run(name, func(t *testing.T) {
			switch e := CheckStops(test.zones, test.stops); {
			case e == nil && test.field == "":
			case e == nil || e.Code != CodeBadRequest || e.Field != test.field:
				t.Errorf("got %v, want %q", e, test.field)
			}
		})
	}
}
