package auth

import (
	"slices"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
)

// TestAllow_roles is the contract's "who" columns, every role by every action.
func TestAllow_roles(t *testing.T) {
	const (
		rider, driver, service, dispatcher, admin = dispatch.RoleRider, dispatch.RoleDriver, dispatch.RoleService, dispatch.RoleDispatcher, dispatch.RoleAdmin
	)
	table := map[Action]string{
		Create:        "rider service dispatcher admin",
		Cancel:        "rider driver service dispatcher admin",
		Accept:        "driver",
		Decline:       "driver",
		Advance:       "driver",
		Duty:          "driver",
		Assign:        "dispatcher admin",
		Unassign:      "dispatcher admin",
		Priority:      "dispatcher admin",
		Search:        "dispatcher admin",
		PostAdvance:   "dispatcher admin",
		Telemetry:     "driver service",
		PostTelemetry: "driver",
		ReadOrder:     "rider driver service dispatcher admin",
		ReadDriver:    "driver service dispatcher admin",
		Nearby:        "service dispatcher admin",
		ReadMarket:    "rider driver service dispatcher admin",
		ReadSupply:    "service dispatcher admin",
		ReadExplain:   "service dispatcher admin",
		ReadOffer:     "driver",
		ReadPosition:  "rider",
		WatchBoard:    "dispatcher admin",
	}
	if len(table) != len(Actions()) {
		t.Errorf("the table has %d actions, there are %d", len(table), len(Actions()))
	}
	for _, a := range Actions() {
		may, known := table[a]
		if !known {
			t.Errorf("action %s is not in the table", a)
		}
		for _, role := range []dispatch.Role{rider, driver, service, dispatcher, admin, dispatch.RoleEngine, "", "root"} {
			refused := Allow(Principal{Actor: dispatch.Actor{Role: role, Sub: "x"}}, a, Target{})
			want := role != "" && slices.Contains(strings.Fields(may), string(role))
			if (refused == nil) != want {
				t.Errorf("%s by %q: got %v, want allowed %v", a, role, refused, want)
			}
			if refused != nil && refused.Code != dispatch.CodeForbidden {
				t.Errorf("%s by %q: code %s, want forbidden", a, role, refused.Code)
			}
		}
	}
	if refused := Allow(Principal{Actor: dispatch.Actor{Role: admin}}, "something.new", Target{}); refused == nil {
		t.Error("an action without roles is allowed")
	}
}

func TestAllow_targets(t *testing.T) {
	by := func(role dispatch.Role, sub string, markets ...dispatch.MarketID) Principal {
		return Principal{Actor: dispatch.Actor{Role: role, Sub: sub, Markets: markets}}
	}
	order := &dispatch.Order{ID: "o1", Market: "sf", Rider: "r1", Driver: "d1"}
	for _, c := range []struct {
		name string
		p    Principal
		a    Action
		on   Target
		want dispatch.Code
	}{
		{"rider reads its order", by("rider", "r1"), ReadOrder, Target{Order: order}, ""},
		{"rider reads another's order", by("rider", "r2"), ReadOrder, Target{Order: order}, "not_found"},
		{"rider named as the driver reads the order", by("rider", "d1"), ReadOrder, Target{Order: order}, "not_found"},
		{"driver reads its order", by("driver", "d1"), ReadOrder, Target{Order: order}, ""},
		{"driver reads another's order", by("driver", "d2"), ReadOrder, Target{Order: order}, "not_found"},
		{"driver named as the rider reads the order", by("driver", "r1"), ReadOrder, Target{Order: order}, "not_found"},
		{"service reads any order", by("service", "s"), ReadOrder, Target{Order: order}, ""},
		{"dispatcher of another market reads the order", by("dispatcher", "s", "nyc"), ReadOrder, Target{Order: order}, "not_found"},
		{"rider of another market reads its order", by("rider", "r1", "nyc"), ReadOrder, Target{Order: order}, "not_found"},
		{"rider creates elsewhere", by("rider", "r1", "nyc"), Create, Target{Market: "sf"}, "forbidden"},
		{"rider creates in its market", by("rider", "r1", "nyc", "sf"), Create, Target{Market: "sf"}, ""},
		{"driver on duty elsewhere", by("driver", "d1", "nyc"), Duty, Target{Market: "sf"}, "forbidden"},
		{"dispatcher looks for drivers elsewhere", by("dispatcher", "s", "nyc"), Nearby, Target{Market: "sf"}, "not_found"},
		{"service reads the supply elsewhere", by("service", "s", "nyc"), ReadSupply, Target{Market: "sf"}, "not_found"},
		{"dispatcher watches its board", by("dispatcher", "s", "sf"), WatchBoard, Target{Market: "sf"}, ""},
		{"dispatcher watches a board elsewhere", by("dispatcher", "s", "nyc"), WatchBoard, Target{Market: "sf"}, "not_found"},
		{"service watches a board", by("service", "s"), WatchBoard, Target{Market: "sf"}, "forbidden"},
		{"driver reads itself", by("driver", "d1"), ReadDriver, Target{Driver: "d1"}, ""},
		{"driver reads another", by("driver", "d1"), ReadDriver, Target{Driver: "d2"}, "not_found"},
		{"driver is sent another's offer", by("driver", "d1"), ReadOffer, Target{Driver: "d2"}, "not_found"},
		{"rider reads a driver", by("rider", "d1"), ReadDriver, Target{Driver: "d1"}, "forbidden"},
		{"service reads a driver elsewhere", by("service", "s", "nyc"), ReadDriver, Target{Driver: "d1", Market: "sf"}, "not_found"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			got := dispatch.Code("")
			if refused := Allow(c.p, c.a, c.on); refused != nil {
				got = refused.Code
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
