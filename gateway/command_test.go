package gateway

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

func testEdge() *edge {
	return &edge{markets: dispatch.DefaultMarkets, now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }}
}

// TestEdge_duty: where a duty is meant, and what the token lets it say.
func TestEdge_duty(t *testing.T) {
	sf, sea := &geo.LatLng{Lat: 37.78, Lng: -122.41}, &geo.LatLng{Lat: 10, Lng: 10}
	two, three := 2, 3
	online := func(m wire.Duty) wire.Duty { m.Type, m.State = wire.TypeDuty, wire.DutyOnline; return m }
	driver := func(markets ...dispatch.MarketID) auth.Principal {
		return auth.Principal{Actor: dispatch.Actor{Role: dispatch.RoleDriver, Sub: "d1", Markets: markets}}
	}
	bound := driver()
	bound.VehicleClasses, bound.MaxCapacity = []string{"xl"}, 2
	twoClasses := driver()
	twoClasses.VehicleClasses = []string{"xl", "wav"}
	for _, c := range []struct {
		name  string
		p     auth.Principal
		m     wire.Duty
		last  *geo.LatLng
		id    wire.ID
		code  dispatch.Code
		field string
		in    dispatch.MarketID
		want  dispatch.DutyRequest
	}{
		{name: "a named market", p: driver(), m: online(wire.Duty{Market: "nyc"}), last: sf, id: "k", in: "nyc"},
		{name: "the token's single one", p: driver("nyc"), m: online(wire.Duty{}), last: sf, id: "k", in: "nyc"},
		{name: "the last point's", p: driver(), m: online(wire.Duty{}), last: sf, id: "k", in: "sf"},
		{name: "the last point's of several", p: driver("sf", "nyc"), m: online(wire.Duty{}), last: sf, id: "k", in: "sf"},
		{name: "offline alike", p: driver(), m: wire.Duty{State: wire.DutyOffline}, last: sf, id: "k", in: "sf"},
		{name: "no way to tell", p: driver(), m: online(wire.Duty{}), id: "k", code: "bad_request", field: "/market"},
		{name: "a point at sea", p: driver(), m: online(wire.Duty{}), last: sea, id: "k", code: "bad_request", field: "/market"},
		{name: "an unknown market", p: driver(), m: online(wire.Duty{Market: "mars"}), id: "k", code: "bad_request", field: "/market"},
		{name: "outside of the token", p: driver("nyc"), m: online(wire.Duty{Market: "sf"}), id: "k", code: "forbidden", field: "/market"},
		{name: "a point outside of the token", p: driver("nyc", "lab"), m: online(wire.Duty{}), last: sf, id: "k", code: "forbidden", field: "/market"},
		{name: "the token's single class", p: bound, m: online(wire.Duty{}), last: sf, id: "k", in: "sf", want: dispatch.DutyRequest{VehicleClass: "xl"}},
		{name: "another class", p: bound, m: online(wire.Duty{VehicleClass: "wav"}), last: sf, id: "k", code: "forbidden", field: "/vehicle_class"},
		{name: "the default is not among two", p: twoClasses, m: online(wire.Duty{}), last: sf, id: "k", code: "forbidden", field: "/vehicle_class"},
		{name: "capacity in bounds", p: bound, m: online(wire.Duty{Capacity: &two}), last: sf, id: "k", in: "sf", want: dispatch.DutyRequest{VehicleClass: "xl", Capacity: 2}},
		{name: "capacity beyond", p: bound, m: online(wire.Duty{Capacity: &three}), last: sf, id: "k", code: "forbidden", field: "/capacity"},
		{name: "tags are a set", p: driver(), m: online(wire.Duty{Tags: []wire.ID{"b", "a", "b"}}), last: sf, id: "k", in: "sf", want: dispatch.DutyRequest{Tags: []string{"a", "b"}}},
		{name: "no id", p: driver(), m: online(wire.Duty{}), last: sf, code: "bad_request", field: "/id"},
		{name: "a rider", p: auth.Principal{Actor: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}}, m: online(wire.Duty{}), id: "k", code: "forbidden"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			got, refused := testEdge().duty(c.p, c.m, c.last, socketKey(c.id))
			if c.code != "" {
				if refused == nil || refused.Code != c.code || refused.Field != c.field {
					t.Fatalf("got %+v, %v, want %s %s", got, refused, c.code, c.field)
				}
				return
			}
			if refused != nil {
				t.Fatal(refused)
			}
			want := c.want
			want.Online = c.m.State == wire.DutyOnline
			if want.Capacity == 0 {
				want.Capacity = 1
			}
			if want.VehicleClass == "" {
				want.VehicleClass = dispatch.DefaultVehicleClass
			}
			if got.Market != c.in || got.Driver != "d1" || got.Op != dispatch.OpDuty || !reflect.DeepEqual(*got.Duty, want) {
				t.Errorf("got %+v %+v, want %s %+v", got, got.Duty, c.in, want)
			}
		})
	}
}

// TestEdge_key: a REST call and its socket twin are one operation under one key.
func TestEdge_key(t *testing.T) {
	p := auth.Principal{Actor: dispatch.Actor{Role: dispatch.RoleRider, Sub: "r1"}}
	var socket, rest wire.OrderCancel
	if e := wire.Decode([]byte(`{"type":"order.cancel","id":"k1","order_id":"o1","reason":"late"}`), &socket); e != nil {
		t.Fatal(e)
	}
	fill := func() { rest.OrderID = "o1" }
	if e := wire.DecodeBody([]byte(`{"reason":"late"}`), &rest, fill, "order_id"); e != nil {
		t.Fatal(e)
	}
	a, refused := testEdge().cancel(p, socket, socketKey(socket.ID))
	if refused != nil {
		t.Fatal(refused)
	}
	b, refused := testEdge().cancel(p, rest, key{id: "k1", given: true, field: "Idempotency-Key"})
	if refused != nil {
		t.Fatal(refused)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("socket %+v\nREST   %+v", a, b)
	}
	if c, refused := testEdge().cancel(p, rest, key{field: "Idempotency-Key"}); refused != nil || c.Key != (dispatch.Key{}) {
		t.Errorf("without a key: %+v, %v", c, refused)
	}
}

// TestEdge_telemetryDriver: a driver speaks for itself, a service for a driver it names.
func TestEdge_telemetryDriver(t *testing.T) {
	for _, c := range []struct {
		name  string
		role  dispatch.Role
		as    auth.Action
		named wire.ID
		want  dispatch.DriverID
		code  dispatch.Code
	}{
		{"a driver", dispatch.RoleDriver, auth.Telemetry, "", "x", ""},
		{"a driver by name", dispatch.RoleDriver, auth.Telemetry, "x", "x", ""},
		{"a driver for another", dispatch.RoleDriver, auth.Telemetry, "y", "", "bad_request"},
		{"a service for a driver", dispatch.RoleService, auth.Telemetry, "y", "y", ""},
		{"a service for nobody", dispatch.RoleService, auth.Telemetry, "", "", "bad_request"},
		{"a service on REST", dispatch.RoleService, auth.PostTelemetry, "y", "", "forbidden"},
		{"a rider", dispatch.RoleRider, auth.Telemetry, "", "", "forbidden"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			p := auth.Principal{Actor: dispatch.Actor{Role: c.role, Sub: "x"}}
			got, refused := testEdge().telemetryDriver(p, c.as, wire.Telemetry{DriverID: c.named})
			code := dispatch.Code("")
			if refused != nil {
				code = refused.Code
			}
			if got != c.want || code != c.code {
				t.Errorf("got %q %v, want %q %s", got, refused, c.want, c.code)
			}
		})
	}
}
