package gateway

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// document is what the tests read of openapi.json.
type document struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Parameters map[string]parameter `json:"parameters"`
		Responses  map[string]any       `json:"responses"`
		Schemas    map[string]schema    `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	Parameters []parameter    `json:"parameters"`
	Responses  map[string]any `json:"responses"`
}

type parameter struct {
	Ref  string `json:"$ref"`
	Name string `json:"name"`
	In   string `json:"in"`
}

type schema struct {
	Properties map[string]any `json:"properties"`
	Required   []string       `json:"required"`
}

func readOpenAPI(t *testing.T) document {
	t.Helper()
	var doc document
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestOpenAPI_routes: what is served is described with its query parameters, and nothing else is.
func TestOpenAPI_routes(t *testing.T) {
	doc := readOpenAPI(t)
	served := map[string][]string{"GET /v1/ws": nil}
	for _, ep := range (&Server{cfg: Config{Registry: prometheus.NewRegistry()}}).endpoints() {
		served[ep.method+" "+ep.path] = ep.params
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			call := strings.ToUpper(method) + " " + path
			params, isServed := served[call]
			if !isServed {
				t.Errorf("%s is described but not served", call)
				continue
			}
			delete(served, call)
			var described []string
			for _, p := range op.Parameters {
				if p.In == "query" {
					described = append(described, p.Name)
				}
				if p.Ref != "" {
					if _, known := doc.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]; !known {
						t.Errorf("%s: dangling %s", call, p.Ref)
					}
				}
			}
			slices.Sort(described)
			if want := slices.Sorted(slices.Values(params)); !slices.Equal(described, want) {
				t.Errorf("%s: parameters %v described, %v served", call, described, want)
			}
			if len(op.Responses) == 0 {
				t.Errorf("%s has no responses", call)
			}
		}
	}
	for call := range served {
		t.Errorf("%s is served but not described", call)
	}
}

// TestOpenAPI_schemas: the properties are the members of the wire's structs; what the path or the socket tells
// is no property of a body.
func TestOpenAPI_schemas(t *testing.T) {
	doc := readOpenAPI(t)
	elsewhere := []string{"type", "id", "order_id"}
	bodies := []any{
		wire.OrderCreate{}, wire.OrderCancel{}, wire.OrderAssign{}, wire.OrderUnassign{}, wire.OrderPriority{},
		wire.OrderSearch{}, wire.TripAdvance{}, wire.Telemetry{}, wire.TicketRedeem{},
	}
	offers := []any{wire.OfferAccept{}, wire.OfferDecline{}}
	answers := []any{
		wire.Stop{}, wire.Order{}, wire.By{}, wire.Event{}, wire.Ack{}, wire.Point{}, wire.Fix{}, wire.Driver{},
		wire.Near{}, wire.Policy{}, wire.Terms{}, wire.Cost{}, wire.Market{}, wire.Supply{}, wire.SupplyCells{}, wire.Problem{}, wire.Health{}, wire.Readiness{},
		wire.TicketToken{}, wire.Explain{}, wire.Round{}, wire.Considered{}, wire.OrderOffer{},
	}
	want := map[string][]string{
		"OrderList": members(reflect.TypeFor[wire.List[wire.Order]]()), "EventList": members(reflect.TypeFor[wire.List[wire.Event]]()),
		"NearList": members(reflect.TypeFor[wire.List[wire.Near]]()), "MarketList": members(reflect.TypeFor[wire.List[wire.Market]]()),
	}
	add := func(values []any, without ...string) {
		for _, v := range values {
			typ := reflect.TypeOf(v)
			want[typ.Name()] = slices.DeleteFunc(members(typ), func(m string) bool { return slices.Contains(without, m) })
		}
	}
	add(answers)
	add(bodies, elsewhere...)
	add(offers, append(elsewhere, "offer_id")...)
	for name, s := range doc.Components.Schemas {
		if s.Properties == nil && !slices.Contains([]string{"ID", "Time", "State", "OrderSearch"}, name) {
			t.Errorf("schema %s has no properties", name)
		}
		if s.Properties == nil {
			continue
		}
		got := make([]string, 0, len(s.Properties))
		for property := range s.Properties {
			got = append(got, property)
		}
		slices.Sort(got)
		if slices.Sort(want[name]); !slices.Equal(got, want[name]) {
			t.Errorf("schema %s has %v, the struct %v", name, got, want[name])
		}
		for _, r := range s.Required {
			if !slices.Contains(got, r) {
				t.Errorf("schema %s requires %s, which it does not have", name, r)
			}
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("struct %s has no schema", name)
	}
}

// TestOpenAPI_references: every reference leads somewhere.
func TestOpenAPI_references(t *testing.T) {
	doc := readOpenAPI(t)
	for rest := string(openAPI); ; {
		_, after, found := strings.Cut(rest, `"#/components/`)
		if !found {
			break
		}
		target, tail, _ := strings.Cut(after, `"`)
		rest = tail
		group, name, _ := strings.Cut(target, "/")
		known := false
		switch group {
		case "schemas":
			_, known = doc.Components.Schemas[name]
		case "responses":
			_, known = doc.Components.Responses[name]
		case "parameters":
			_, known = doc.Components.Parameters[name]
		}
		if !known {
			t.Errorf("#/components/%s leads nowhere", target)
		}
	}
}

// members gives the JSON names of a struct's fields.
func members(typ reflect.Type) []string {
	var names []string
	for field := range typ.Fields() {
		if field.Anonymous {
			names = append(names, members(field.Type)...)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
