package dispatch

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// everyKey is a policy with a value for each key, none of them the default.
const everyKey = `{"mode":"wave","window_ms":500,"rich_ratio":2.5,"scarce_ratio":3,"search_timeout_s":100,"freshness_s":30,"candidates":5,
	"no_show_s":10,"lead_s":20,"offers_per_minute":9,"decline_bar_s":11,"expiry_bar_s":12,"chain_s":300,"chain_margin_s":13,
	"nudge_s":14,"lost_s":15,"stall_s":16,"retreat_m":17,"standby_gain_s":18,"contracted_tag":"fleet",
	"offer_ttl_s":19,"max_pickup_s":600,"reach_s":120,"reach_growth":1.5,"wave_size":4,"wave_s":21,
	"cost":{"age_weight":2,"idle_weight":0.5,"idle_max_s":22,"chain_weight":0.25,"destination_weight":1,"decline_weight":0,
		"prefer_tags_s":{"pets":-30,"gold":60}},
	"shadow":{"mode":"nearest","cost":{"age_weight":0}},
	"services":{"delivery":{"mode":"broadcast","cost":{"idle_weight":1}}},
	"vehicle_classes":{"van":{"max_pickup_s":1200,"cost":{"age_weight":3}}}}`

func TestParsePolicy(t *testing.T) {
	terms := Terms{
		Mode: ModeWave, OfferTTL: 19 * time.Second, MaxPickup: 600 * time.Second,
		Reach: 120 * time.Second, ReachGrowth: 1.5, WaveSize: 4, Wave: 21 * time.Second,
		Cost: CostRules{Age: 2, Idle: 0.5, IdleMax: 22 * time.Second, Chain: 0.25, Destination: 1,
			PreferTags: []TagWorth{{"gold", time.Minute}, {"pets", -30 * time.Second}}},
	}
	van, shadow, delivery := terms, terms, terms
	van.MaxPickup, van.Cost.Age = 1200*time.Second, 3
	shadow.Mode, shadow.Cost.Age = ModeNearest, 0
	delivery.Mode, delivery.Cost.Idle = ModeBroadcast, 1
	both := delivery
	both.MaxPickup, both.Cost.Age = van.MaxPickup, 3
	want := Policy{
		Terms: terms, Window: 500 * time.Millisecond, RichRatio: 2.5, ScarceRatio: 3, SearchTimeout: 100 * time.Second, Freshness: 30 * time.Second,
		Candidates: 5, NoShow: 10 * time.Second, Lead: 20 * time.Second, Offers: OfferRules{9, 11 * time.Second, 12 * time.Second},
		Chain: ChainRules{300 * time.Second, 13 * time.Second}, ContractedTag: "fleet",
		Redispatch:  RedispatchRules{Nudge: 14 * time.Second, Lost: 15 * time.Second, Stall: 16 * time.Second, Retreat: 17},
		StandbyGain: 18 * time.Second, Shadow: &shadow,
		Overrides: []Override{
			{"", "van", van}, {KindDelivery, "", delivery}, {KindDelivery, "van", both},
		},
	}
	t.Run("reads_every_key", func(t *testing.T) {
		if got, err := ParsePolicy([]byte(everyKey)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	})
	t.Run("class_and_service_go_before_class_before_service", func(t *testing.T) {
		for _, c := range []struct {
			kind  Kind
			class string
			want  Terms
		}{
			{KindRide, "standard", terms}, {KindRide, "van", van}, {KindDelivery, "standard", delivery}, {KindDelivery, "van", both},
		} {
			if got := want.For(c.kind, c.class); !reflect.DeepEqual(*got, c.want) {
				t.Errorf("%s %s: %+v", c.kind, c.class, got)
			}
		}
	})
	for name, c := range map[string]struct{ policy, want string }{
		"no_object":              {`[]`, ": must be an object"},
		"no_object_of_costs":     {`{"cost":3}`, "/cost: must be an object"},
		"a_text_for_a_weight":    {`{"cost":{"age_weight":"1"}}`, "/cost/age_weight: must be a number from 0 to 100"},
		"an_unknown_cost":        {`{"cost":{"weight":1}}`, "/cost/weight: unknown key"},
		"a_huge_weight":          {`{"cost":{"age_weight":1e400}}`, "/cost/age_weight: 1e400 is not from 0 to 100"},
		"a_truth_for_a_weight":   {`{"cost":{"age_weight":true}}`, "/cost/age_weight: must be a number from 0 to 100"},
		"an_unknown_service":     {`{"services":{"tow":{}}}`, `/services: "tow" is not ride or delivery`},
		"a_nameless_service":     {`{"services":{"":{}}}`, `/services: "" is not ride or delivery`},
		"a_key_of_the_market":    {`{"services":{"ride":{"window_ms":100}}}`, "/services/ride/window_ms: unknown key here: it holds for the whole market"},
		"a_bad_class":            {`{"vehicle_classes":{"two words":{}}}`, `/vehicle_classes: "two words" is no vehicle class`},
		"a_bad_key_of_a_class":   {`{"vehicle_classes":{"van":{"mode":1}}}`, "/vehicle_classes/van/mode: 1 is not one of"},
		"a_bad_key_of_a_shadow":  {`{"shadow":{"shadow":{}}}`, "/shadow/shadow: unknown key here: it holds for the whole market"},
		"a_worth_out_of_bounds":  {`{"cost":{"prefer_tags_s":{"a":3601}}}`, "/cost/prefer_tags_s/a: 3601 is not from -3600 to 3600"},
		"a_tag_that_is_none":     {`{"cost":{"prefer_tags_s":{"two words":1}}}`, `/cost/prefer_tags_s: "two words" is no tag`},
		"a_contract_of_no_tag":   {`{"contracted_tag":"two words"}`, `/contracted_tag: "two words" is not a tag of 1 to 64 characters`},
		"a_cost_key_in_no_cost":  {`{"age_weight":1}`, "/age_weight: unknown key here: it stands within cost"},
		"a_term_in_cost":         {`{"cost":{"mode":"wave"}}`, "/cost/mode: unknown key here: it stands beside cost"},
		"a_key_twice_in_depth":   {`{"cost":{"age_weight":1,"age_weight":1}}`, "duplicate"},
		"too_many_classes":       {`{"vehicle_classes":{` + many("c", 33, "{}") + `}}`, "/vehicle_classes: 33 classes, more than 32"},
		"too_many_tags":          {`{"cost":{"prefer_tags_s":{` + many("t", 17, "1") + `}}}`, "/cost/prefer_tags_s: 17 tags, more than 16"},
		"a_number_for_a_service": {`{"services":1}`, "/services: must be an object"},
	} {
		t.Run("refuses_"+name, func(t *testing.T) {
			if p, err := ParsePolicy([]byte(c.policy)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s\n got %+v, %v\nwant an error with %q", c.policy, p, err, c.want)
			}
		})
	}
}

func many(prefix string, n int, value string) string {
	var keys []string
	for i := range n {
		keys = append(keys, fmt.Sprintf(`"%s%d":%s`, prefix, i, value))
	}
	return strings.Join(keys, ",")
}

// keysOf are the numbers of a policy with the path under which they are written.
func keysOf(p *Policy) map[string]policyKey {
	keys := map[string]policyKey{}
	for prefix, list := range map[string][]policyKey{"": append(p.numbers(), p.Terms.numbers()...), "cost/": p.Cost.numbers()} {
		for _, k := range list {
			keys[prefix+k.name] = k
		}
	}
	return keys
}

func TestParsePolicy_bounds(t *testing.T) {
	p := DefaultPolicy()
	for path, k := range keysOf(&p) {
		t.Run(path, func(t *testing.T) {
			text := func(n float64) []byte {
				name, inner, deep := strings.Cut(path, "/")
				if deep {
					return fmt.Appendf(nil, `{%q:{%q:%s}}`, name, inner, plainly(n))
				}
				return fmt.Appendf(nil, `{%q:%s}`, name, plainly(n))
			}
			for _, n := range []float64{k.min, k.max} {
				got, err := ParsePolicy(text(n))
				if err != nil || keysOf(&got)[path].get() != n {
					t.Errorf("%s: %v", text(n), err)
				}
			}
			for _, n := range []float64{k.min - 1, k.max + 1} {
				want := fmt.Sprintf("/%s: %s is not from %s to %s", path, plainly(n), plainly(k.min), plainly(k.max))
				if _, err := ParsePolicy(text(n)); err == nil || err.Error() != want {
					t.Errorf("%s: %v, want %q", text(n), err, want)
				}
			}
			if d := k.get(); d < k.min || d > k.max {
				t.Errorf("the default %v is out of bounds", d)
			}
		})
	}
}

func TestPolicy_Version(t *testing.T) {
	read := func(text string) string {
		p, err := ParsePolicy([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return p.Version()
	}
	t.Run("is_of_what_is_said_and_not_of_how", func(t *testing.T) {
		if a, b := read(`{"window_ms":2000,"mode":"batch","lead_s":null}`), read(``); a != b || len(a) != 12 {
			t.Errorf("%s and %s", a, b)
		}
	})
	t.Run("is_another_for_each_key", func(t *testing.T) {
		seen := map[string]string{read(``): "the default", read(everyKey): "every key"}
		p := DefaultPolicy()
		for path, k := range keysOf(&p) {
			d := k.get()
			if k.set(k.max); d == k.max {
				k.set(k.min)
			}
			version := p.Version()
			if other, twice := seen[version]; twice {
				t.Errorf("%s has the version of %s", path, other)
			}
			seen[version] = path
			k.set(d)
		}
		for _, text := range []string{
			`{"mode":"direct"}`, `{"contracted_tag":"x"}`, `{"shadow":{}}`, `{"services":{"ride":{}}}`, `{"services":{"delivery":{}}}`,
			`{"vehicle_classes":{"ride":{}}}`, `{"cost":{"prefer_tags_s":{"a":1}}}`, `{"cost":{"prefer_tags_s":{"a":2}}}`,
			`{"shadow":{"mode":"nearest"}}`, `{"shadow":{"cost":{"prefer_tags_s":{"a":1}}}}`,
		} {
			version := read(text)
			if other, twice := seen[version]; twice {
				t.Errorf("%s has the version of %s", text, other)
			}
			seen[version] = text
		}
	})
}

// docs/policy.md has a row for each key, with its default and its bounds.
func TestPolicyDoc(t *testing.T) {
	doc, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_/]+)` \\|.*$").FindAllStringSubmatch(string(doc), -1) {
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(row[0], "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows[row[1]] = cells
	}
	p := DefaultPolicy()
	keys := keysOf(&p)
	for path, k := range keys {
		row := rows[path]
		want := []string{plainly(k.get()), plainly(k.min) + " to " + plainly(k.max)}
		if len(row) < 4 || !slices.Equal(row[1:3], want) {
			t.Errorf("docs/policy.md says of %s: %q, want %q", path, row, want)
		}
	}
	for _, path := range []string{"mode", "contracted_tag", "cost/prefer_tags_s", "shadow", "services", "vehicle_classes"} {
		if len(rows[path]) < 4 {
			t.Errorf("docs/policy.md has no row for %s", path)
		}
		delete(rows, path)
	}
	for path := range rows {
		if _, ok := keys[path]; !ok {
			t.Errorf("docs/policy.md has a row for %s, which is no key", path)
		}
	}
}
