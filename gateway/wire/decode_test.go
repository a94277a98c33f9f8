package wire

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
)

const (
	pickup  = `{"type":"pickup","lat":37.78,"lng":-122.41}`
	between = `{"type":"stop","lat":37.78,"lng":-122.41}`
	dropoff = `{"type":"dropoff","lat":37.75,"lng":-122.42}`
	point   = `{"lat":1,"lng":2,"timestamp":"2008-05-31T06:10:00Z"}`
)

// refusals are frames that must not pass: the field that is named, and a word of the limit.
var refusals = []struct {
	name, frame, field, detail string
	into                       any
}{
	{"null is no object", `null`, "", "one JSON object", &OrderCancel{}},
	{"a list is no object", `[]`, "", "one JSON object", &OrderCancel{}},
	{"nothing is no object", ``, "", "one JSON object", &OrderCancel{}},
	{"two objects", `{"order_id":"a"} {}`, "", "one JSON object", &OrderCancel{}},
	{"no end", `{"order_id":"a"`, "", "one JSON object", &OrderCancel{}},
	{"bad UTF-8", "{\"order_id\":\"a\",\"reason\":\"\xff\"}", "/reason", "UTF-8", &OrderCancel{}},
	{"lone surrogate", `{"order_id":"a","reason":"\ud800"}`, "/reason", "UTF-8", &OrderCancel{}},
	{"unknown", `{"order_id":"a","x":1}`, "/x", "unknown", &OrderCancel{}},
	{"case variant", `{"order_id":"a","Reason":"x"}`, "/Reason", "unknown", &OrderCancel{}},
	{"duplicate", `{"order_id":"a","order_id":"a"}`, "/order_id", "duplicate", &OrderCancel{}},
	{"duplicate in disguise", `{"order_id":"a","order\u005fid":"a"}`, "/order_id", "duplicate", &OrderCancel{}},
	{"pointer is escaped", `{"order_id":"a","a/b~":1}`, "/a~1b~0", "unknown", &OrderCancel{}},
	{"missing id", `{}`, "/order_id", "required", &OrderCancel{}},
	{"null id", `{"order_id":null}`, "/order_id", "required", &OrderCancel{}},
	{"empty id", `{"order_id":""}`, "/order_id", "64", &OrderCancel{}},
	{"long id", `{"order_id":"` + strings.Repeat("a", 65) + `"}`, "/order_id", "64", &OrderCancel{}},
	{"id alphabet", `{"order_id":"a b"}`, "/order_id", "A-Z", &OrderCancel{}},
	{"number for an id", `{"order_id":5}`, "/order_id", "string", &OrderCancel{}},
	{"long reason", `{"order_id":"a","reason":"` + strings.Repeat("é", 257) + `"}`, "/reason", "256", &OrderCancel{}},
	{"reason with controls", `{"order_id":"a","reason":"a\u0000"}`, "/reason", "control", &OrderCancel{}},
	{"below version 0", `{"order_id":"a","after_version":-1}`, "/after_version", "at least 0", &OrderWatch{}},
	{"half a version", `{"order_id":"a","after_version":0.5}`, "/after_version", "whole", &OrderWatch{}},
	{"version beyond numbers", `{"order_id":"a","after_version":1e30}`, "/after_version", "", &OrderWatch{}},

	{"no kind", `{"stops":[` + pickup + `,` + dropoff + `]}`, "/kind", "required", &OrderCreate{}},
	{"other kind", `{"kind":"Ride","stops":[` + pickup + `,` + dropoff + `]}`, "/kind", "ride or delivery", &OrderCreate{}},
	{"no stops", `{"kind":"ride"}`, "/stops", "required", &OrderCreate{}},
	{"null stops", `{"kind":"ride","stops":null}`, "/stops", "required", &OrderCreate{}},
	{"one stop", `{"kind":"ride","stops":[` + pickup + `]}`, "/stops", "2 to 10", &OrderCreate{}},
	{"11 stops", `{"kind":"ride","stops":[` + pickup + strings.Repeat(","+between, 9) + `,` + dropoff + `]}`, "/stops", "2 to 10", &OrderCreate{}},
	{"first is no pickup", `{"kind":"ride","stops":[` + dropoff + `,` + dropoff + `]}`, "/stops/0/type", "pickup", &OrderCreate{}},
	{"last is no dropoff", `{"kind":"ride","stops":[` + pickup + `,` + between + `]}`, "/stops/1/type", "dropoff", &OrderCreate{}},
	{"pickup between", `{"kind":"ride","stops":[` + pickup + `,` + pickup + `,` + dropoff + `]}`, "/stops/1/type", "stop", &OrderCreate{}},
	{"no lat", `{"kind":"ride","stops":[{"type":"pickup","lng":1},` + dropoff + `]}`, "/stops/0/lat", "required", &OrderCreate{}},
	{"null lng", `{"kind":"ride","stops":[{"type":"pickup","lat":1,"lng":null},` + dropoff + `]}`, "/stops/0/lng", "required", &OrderCreate{}},
	{"no type", `{"kind":"ride","stops":[{"lat":1,"lng":1},` + dropoff + `]}`, "/stops/0/type", "required", &OrderCreate{}},
	{"null stop", `{"kind":"ride","stops":[` + pickup + `,null]}`, "/stops/1/type", "required", &OrderCreate{}},
	{"lat off the map", `{"kind":"ride","stops":[` + pickup + `,{"type":"dropoff","lat":91,"lng":1}]}`, "/stops/1/lat", "90", &OrderCreate{}},
	{"lng off the map", `{"kind":"ride","stops":[` + pickup + `,{"type":"dropoff","lat":1,"lng":-181}]}`, "/stops/1/lng", "180", &OrderCreate{}},
	{"lat beyond numbers", `{"kind":"ride","stops":[` + pickup + `,{"type":"dropoff","lat":1e999,"lng":1}]}`, "/stops/1/lat", "range", &OrderCreate{}},
	{"lat as text", `{"kind":"ride","stops":[` + pickup + `,{"type":"dropoff","lat":"1","lng":1}]}`, "/stops/1/lat", "number", &OrderCreate{}},
	{"unknown in a stop", `{"kind":"ride","stops":[` + pickup + `,{"type":"dropoff","lat":1,"lng":1,"z":0}]}`, "/stops/1/z", "unknown", &OrderCreate{}},
	{"pickup_at is no time", `{"kind":"ride","pickup_at":"tomorrow","stops":[]}`, "/pickup_at", "RFC 3339", &OrderCreate{}},
	{"pickup_at is a number", `{"kind":"ride","pickup_at":1212214200,"stops":[]}`, "/pickup_at", "RFC 3339", &OrderCreate{}},
	{"pickup_at without zone", `{"kind":"ride","pickup_at":"2008-05-31T06:10:00","stops":[]}`, "/pickup_at", "RFC 3339", &OrderCreate{}},
	{"pickup_at before time", `{"kind":"ride","pickup_at":"1969-12-31T23:59:59Z","stops":[]}`, "/pickup_at", "1970", &OrderCreate{}},
	{"pickup_at after time", `{"kind":"ride","pickup_at":"9999-12-31T23:59:59-01:00","stops":[]}`, "/pickup_at", "9999", &OrderCreate{}},
	{"vehicle class alphabet", `{"kind":"ride","vehicle_class":"ä","stops":[]}`, "/vehicle_class", "64", &OrderCreate{}},

	{"no next state", `{"order_id":"a"}`, "/to", "required", &TripAdvance{}},
	{"no such state", `{"order_id":"a","to":"flying"}`, "/to", "state", &TripAdvance{}},
	{"no offer", `{}`, "/offer_id", "required", &OfferAccept{}},
	{"decline without offer", `{}`, "/offer_id", "required", &OfferDecline{}},
	{"assign nobody", `{"order_id":"a"}`, "/driver_id", "required", &OrderAssign{}},
	{"no priority", `{"order_id":"a"}`, "/priority", "required", &OrderPriority{}},
	{"priority above", `{"order_id":"a","priority":101}`, "/priority", "100", &OrderPriority{}},
	{"priority below", `{"order_id":"a","priority":-101}`, "/priority", "-100", &OrderPriority{}},
	{"priority beyond numbers", `{"order_id":"a","priority":1e400}`, "/priority", "", &OrderPriority{}},

	{"no points", `{}`, "/points", "required", &Telemetry{}},
	{"0 points", `{"points":[]}`, "/points", "1 to 100", &Telemetry{}},
	{"101 points", `{"points":[` + point + strings.Repeat(","+point, 100) + `]}`, "/points", "1 to 100", &Telemetry{}},
	{"point without time", `{"points":[` + point + `,{"lat":1,"lng":2}]}`, "/points/1/timestamp", "required", &Telemetry{}},
	{"point off the map", `{"points":[{"lat":-91,"lng":2,"timestamp":"2008-05-31T06:10:00Z"}]}`, "/points/0/lat", "90", &Telemetry{}},
	{"heading 360", `{"points":[{"lat":1,"lng":2,"timestamp":"2008-05-31T06:10:00Z","heading_deg":360}]}`, "/points/0/heading_deg", "360", &Telemetry{}},
	{"heading below 0", `{"points":[{"lat":1,"lng":2,"timestamp":"2008-05-31T06:10:00Z","heading_deg":-1}]}`, "/points/0/heading_deg", "0", &Telemetry{}},
	{"speed below 0", `{"points":[{"lat":1,"lng":2,"timestamp":"2008-05-31T06:10:00Z","speed_mps":-0.1}]}`, "/points/0/speed_mps", "0", &Telemetry{}},
	{"accuracy below 0", `{"points":[{"lat":1,"lng":2,"timestamp":"2008-05-31T06:10:00Z","accuracy_m":-1}]}`, "/points/0/accuracy_m", "0", &Telemetry{}},

	{"no duty state", `{}`, "/state", "required", &Duty{}},
	{"other duty state", `{"state":"asleep"}`, "/state", "online or offline", &Duty{}},
	{"capacity 0", `{"state":"online","capacity":0}`, "/capacity", "32", &Duty{}},
	{"capacity 33", `{"state":"online","capacity":33}`, "/capacity", "32", &Duty{}},
	{"33 tags", `{"state":"online","tags":["a"` + strings.Repeat(`,"a"`, 32) + `]}`, "/tags", "32", &Duty{}},
	{"null tag", `{"state":"online","tags":["a",null]}`, "/tags/1", "64", &Duty{}},
	{"tag alphabet", `{"state":"online","tags":["a b"]}`, "/tags/0", "64", &Duty{}},
	{"tags are no list", `{"state":"online","tags":"a"}`, "/tags", "list", &Duty{}},

	{"board of nowhere", `{"bbox":[0,0,1,1],"zoom":1}`, "/market", "required", &BoardWatch{}},
	{"no box", `{"market":"sf","zoom":1}`, "/bbox", "required", &BoardWatch{}},
	{"box of three", `{"market":"sf","bbox":[0,0,1],"zoom":1}`, "/bbox", "north", &BoardWatch{}},
	{"box turned round", `{"market":"sf","bbox":[1,0,0,1],"zoom":1}`, "/bbox", "west", &BoardWatch{}},
	{"box over the antimeridian", `{"market":"sf","bbox":[179,0,-179,1],"zoom":1}`, "/bbox", "west", &BoardWatch{}},
	{"box without height", `{"market":"sf","bbox":[0,1,1,1],"zoom":1}`, "/bbox", "south", &BoardWatch{}},
	{"box off the map", `{"market":"sf","bbox":[-181,0,1,1],"zoom":1}`, "/bbox/0", "180", &BoardWatch{}},
	{"box beyond the pole", `{"market":"sf","bbox":[0,0,1,91],"zoom":1}`, "/bbox/3", "90", &BoardWatch{}},
	{"box beyond numbers", `{"market":"sf","bbox":[0,0,1e999,1],"zoom":1}`, "/bbox/2", "range", &BoardWatch{}},
	{"box of text", `{"market":"sf","bbox":["0",0,1,1],"zoom":1}`, "/bbox/0", "number", &BoardWatch{}},
	{"no zoom", `{"market":"sf","bbox":[0,0,1,1]}`, "/zoom", "required", &BoardWatch{}},
	{"zoom 24.1", `{"market":"sf","bbox":[0,0,1,1],"zoom":24.1}`, "/zoom", "24", &BoardWatch{}},
	{"zoom below 0", `{"market":"sf","bbox":[0,0,1,1],"zoom":-1}`, "/zoom", "24", &BoardWatch{}},
	{"no ticket", `{}`, "/ticket", "required", &TicketRedeem{}},

	{"no token", `{"type":"auth"}`, "/token", "required", &Auth{}},
	{"resume without version", `{"token":"t","resume":[{"order_id":"a"}]}`, "/resume/0/after_version", "required", &Auth{}},
	{"resume without order", `{"token":"t","resume":[{"after_version":1}]}`, "/resume/0/order_id", "required", &Auth{}},
	{"resume below 0", `{"resume":[{"order_id":"a","after_version":-1}]}`, "/resume/0/after_version", "0", &Resume{}},
	{"no resume", `{}`, "/resume", "required", &Resume{}},
	{"resume of 101", `{"resume":[{"order_id":"a","after_version":1}` + strings.Repeat(`,{"order_id":"a","after_version":1}`, 100) + `]}`, "/resume", "100", &Resume{}},
}

func TestDecode(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			into := reflect.New(reflect.TypeOf(c.into).Elem()).Interface()
			got := Decode([]byte(c.frame), into)
			if got == nil {
				t.Fatalf("%s was taken", c.frame)
			}
			if got.Code != dispatch.CodeBadRequest || got.Field != c.field || !strings.Contains(got.Detail, c.detail) {
				t.Errorf("%s\n got %s %s %q\nwant bad_request %s … %q …", c.frame, got.Code, got.Field, got.Detail, c.field, c.detail)
			}
		})
	}
	t.Run("null is left out", func(t *testing.T) {
		var with, without OrderCreate
		least := `{"kind":"ride","stops":[` + pickup + `,` + dropoff + `]`
		if e := Decode([]byte(least+`,"market":null,"pickup_at":null,"rider_id":null,"vehicle_class":null,"id":null}`), &with); e != nil {
			t.Fatal(e)
		}
		if e := Decode([]byte(least+`}`), &without); e != nil {
			t.Fatal(e)
		}
		if !reflect.DeepEqual(with, without) {
			t.Errorf("with null %+v, without %+v", with, without)
		}
	})
	t.Run("any zone is UTC and finer than a millisecond is cut", func(t *testing.T) {
		var m OrderCreate
		if e := Decode([]byte(`{"kind":"ride","pickup_at":"2008-05-31T08:10:00.1239+02:00","stops":[`+pickup+`,`+dropoff+`]}`), &m); e != nil {
			t.Fatal(e)
		}
		if got := m.PickupAt.Format(layout); got != "2008-05-31T06:10:00.123Z" {
			t.Errorf("got %s", got)
		}
	})
}

func TestDecodeBody(t *testing.T) {
	for _, member := range []string{"type", "id", "order_id"} {
		t.Run(member+" is unknown in a body", func(t *testing.T) {
			var m OrderCancel
			got := DecodeBody([]byte(`{"`+member+`":"a"}`), &m, func() { m.OrderID = "o1" }, "order_id")
			if got == nil || got.Field != "/"+member {
				t.Errorf("got %v, want field /%s", got, member)
			}
		})
	}
	t.Run("the path fills in", func(t *testing.T) {
		var m OrderCancel
		if e := DecodeBody([]byte(`{"reason":"late"}`), &m, func() { m.OrderID = "o1" }, "order_id"); e != nil {
			t.Fatal(e)
		}
		if m.OrderID != "o1" || m.Reason != "late" {
			t.Errorf("got %+v", m)
		}
	})
}

func TestKind(t *testing.T) {
	for _, c := range []struct {
		frame, kind, id, field string
		refused, notObject     bool
	}{
		{frame: `{"type":"duty","id":"k1","x":[1,{"type":"y"}]}`, kind: "duty", id: "k1"},
		{frame: ` {"id":null,"type":"duty"} ` + "\n", kind: "duty"},
		{frame: `{"ty\u0070e":"duty"}`, kind: "duty"},
		{frame: `{"type":"duty","a":1,"a":2}`, kind: "duty"}, // for Decode to refuse, with the id
		{frame: `{"type":"duty","id":5}`, kind: "duty", refused: true, field: "/id"},
		{frame: `{"type":"duty","id":""}`, kind: "duty", refused: true, field: "/id"},
		{frame: `{"type":"duty","id":"a b"}`, kind: "duty", refused: true, field: "/id"},
		{frame: `{"type":"duty","id":"a","id":"b"}`, kind: "duty", refused: true, field: "/id"},
		{frame: `{"id":"k1"}`, id: "k1", refused: true, field: "/type"},
		{frame: `{"type":7,"id":"k1"}`, id: "k1", refused: true, field: "/type"},
		{frame: `{"type":"","id":"k1"}`, id: "k1", refused: true, field: "/type"},
		{frame: `null`, refused: true, notObject: true},
		{frame: `[{"type":"duty"}]`, refused: true, notObject: true},
		{frame: `{"type":"duty"}{}`, refused: true, notObject: true},
		{frame: `{"type":"duty"`, refused: true, notObject: true},
		{frame: `{"type":"duty",}`, refused: true, notObject: true},
		{frame: "{\"type\":\"duty\",\"x\":\"\xc3\x28\"}", refused: true, notObject: true},
		{frame: ``, refused: true, notObject: true},
		{frame: `hello`, refused: true, notObject: true},
	} {
		kind, id, refused := Kind([]byte(c.frame))
		gotID := ""
		if id != nil {
			gotID = string(*id)
		}
		if kind != c.kind || gotID != c.id || (refused != nil) != c.refused {
			t.Errorf("%s: got type %q id %q err %v", c.frame, kind, gotID, refused)
			continue
		}
		if refused != nil && (refused.Field != c.field || errors.Is(refused, ErrNotObject) != c.notObject) {
			t.Errorf("%s: got field %q, no object %v", c.frame, refused.Field, !c.notObject)
		}
	}
}

func TestDigest(t *testing.T) {
	decode := func(t *testing.T, frame string, into any) any {
		t.Helper()
		if e := Decode([]byte(frame), into); e != nil {
			t.Fatal(e)
		}
		return into
	}
	socket := decode(t, `{"type":"order.cancel","id":"k1","order_id":"o1","reason":"late"}`, &OrderCancel{})
	want := Digest(dispatch.OpCancel, socket)
	t.Run("the REST twin has the same", func(t *testing.T) {
		var m OrderCancel
		if e := DecodeBody([]byte(`{"reason":"late"}`), &m, func() { m.OrderID = "o1" }, "order_id"); e != nil {
			t.Fatal(e)
		}
		if Digest(dispatch.OpCancel, &m) != want {
			t.Error("it differs")
		}
	})
	t.Run("order, null and id do not matter", func(t *testing.T) {
		a := decode(t, `{"type":"trip.advance","id":"k1","order_id":"o1","to":"completed","proof":{"b":1.0,"a":2}}`, &TripAdvance{})
		b := decode(t, `{"proof":{"a":2,"b":1},"to":"completed","order_id":"o1","id":"k2"}`, &TripAdvance{})
		if Digest(dispatch.OpAdvance, a) != Digest(dispatch.OpAdvance, b) {
			t.Error("member order matters")
		}
		c := decode(t, `{"order_id":"o1","to":"completed","proof":null}`, &TripAdvance{})
		d := decode(t, `{"order_id":"o1","to":"completed"}`, &TripAdvance{})
		if Digest(dispatch.OpAdvance, c) != Digest(dispatch.OpAdvance, d) {
			t.Error("null is not left out")
		}
	})
	t.Run("content and operation matter", func(t *testing.T) {
		other := decode(t, `{"order_id":"o1","reason":"later"}`, &OrderCancel{})
		if Digest(dispatch.OpCancel, other) == want {
			t.Error("the reason does not")
		}
		accept := decode(t, `{"offer_id":"f1"}`, &OfferAccept{})
		if Digest(dispatch.OpAccept, accept) == Digest(dispatch.OpDecline, accept) {
			t.Error("the operation does not")
		}
	})
}
