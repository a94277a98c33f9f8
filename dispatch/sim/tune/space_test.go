package tune_test

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim/tune"
)

func space(t *testing.T, base string, keys ...string) (*tune.Space, error) {
	t.Helper()
	var parsed []tune.Key
	for _, text := range keys {
		k, err := tune.ParseKey(text)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, k)
	}
	return tune.NewSpace([]byte(base), parsed)
}

func TestParseKey(t *testing.T) {
	got, err := tune.ParseKey(" cost/age_weight = 0.5, 2 ,")
	if want := (tune.Key{Name: "cost/age_weight", Values: []string{"0.5", "2"}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, text := range []string{"", "candidates", "candidates=", "=3", "candidates=,"} {
		if got, err := tune.ParseKey(text); err == nil {
			t.Errorf("%q gave %+v", text, got)
		}
	}
}

func TestSpace_Policy(t *testing.T) {
	s, err := space(t, `{"cost":{"idle_weight":1},"candidates":8,"services":{"delivery":{"wave_size":5}}}`,
		"cost/age_weight=3,4", "candidates=16", "mode=wave", "services/delivery/wave_size=7")
	if err != nil {
		t.Fatal(err)
	}
	if sizes := s.Sizes(); !slices.Equal(sizes, []int{3, 2, 2, 2}) {
		t.Errorf("sizes %v", sizes)
	}
	base, text, err := s.Policy(tune.Point{0, 0, 0, 0})
	if err != nil || base.Candidates != 8 || base.Mode != dispatch.ModeBatch || s.Changes(tune.Point{0, 0, 0, 0}) != nil {
		t.Errorf("the base is %s: %+v, %v", text, base, err)
	}
	p, text, err := s.Policy(tune.Point{2, 1, 1, 1})
	if err != nil {
		t.Fatal(err)
	}
	if p.Cost.Age != 4 || p.Cost.Idle != 1 || p.Candidates != 16 || p.Mode != dispatch.ModeWave {
		t.Errorf("%s is %+v", text, p)
	}
	// What an override does not name follows the market.
	if d := p.For(dispatch.KindDelivery, ""); d.WaveSize != 7 || d.Cost.Age != 4 || d.Mode != dispatch.ModeWave {
		t.Errorf("for deliveries %+v", d)
	}
	want := []tune.Change{{"cost/age_weight", "4"}, {"candidates", "16"}, {"mode", "wave"}, {"services/delivery/wave_size", "7"}}
	if got := s.Changes(tune.Point{2, 1, 1, 1}); !slices.Equal(got, want) {
		t.Errorf("changes %v", got)
	}
}

func TestNewSpace(t *testing.T) {
	t.Run("drops_values_that_say_the_same", func(t *testing.T) {
		s, err := space(t, `{"chain_s":300}`, "chain_s=300,120,120,0", "cost/idle_weight=0,0.0,null", "standby_gain_s=0")
		if err != nil || !slices.Equal(s.Sizes(), []int{3, 1, 1}) {
			t.Errorf("sizes %v, %v", s.Sizes(), err)
		}
	})
	t.Run("an_error_names_key_and_limit", func(t *testing.T) {
		for _, c := range []struct{ key, want string }{
			{"candidates=8,513", "/candidates: 513 is not from 1 to 512"},
			{"candidates=1.5", "/candidates: 1.5 is not a whole number from 1 to 512"},
			{"candidates=many", "/candidates: must be a number from 1 to 512"},
			{"cost/age_weight=-1", "/cost/age_weight: -1 is not from 0 to 100"},
			{"age_weight=1", "/age_weight: unknown key here: it stands within cost"},
			{"cost/candidates=1", "/cost/candidates: unknown key here: it holds for the whole market"},
			{"candidate=8", "/candidate: unknown key"},
			{"mode=best", `/mode: "best" is not one of [batch nearest wave broadcast direct]`},
			{"cost=3", "/cost: must be an object"},
			{"chain_s/x=3", "/chain_s/x: goes into what is no object"},
		} {
			if _, err := space(t, `{"chain_s":300}`, c.key); err == nil || err.Error() != c.want {
				t.Errorf("%s: got %v, want %s", c.key, err, c.want)
			}
		}
		if _, err := space(t, `{"chain_s":-1}`); err == nil {
			t.Error("a base out of bounds was taken")
		}
		if _, err := space(t, ``, "candidates=8", "candidates=32"); err == nil {
			t.Error("a key was taken twice")
		}
	})
}

func TestTrim(t *testing.T) {
	for _, c := range []struct{ policy, want string }{
		{``, `{}`},
		{`null`, `{}`},
		{`{"mode":"batch","window_ms":2000,"candidates":16}`, `{}`},
		{`{"mode":"batch","window_ms":1000,"shadow":null}`, `{"window_ms":1000}`},
		{`{"cost":{"destination_weight":0, "idle_weight":2,"prefer_tags_s":{}}, "standby_gain_s": 0}`, `{"cost":{"idle_weight":2}}`},
		{`{"cost":{"idle_weight":0}}`, `{}`},
		// By default 5, but not as deliveries have it.
		{`{"wave_size":5,"services":{"delivery":{"wave_size":3,"wave_s":10}}}`, `{"services":{"delivery":{"wave_size":3}},"wave_size":5}`},
	} {
		got, err := tune.Trim([]byte(c.policy))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.policy, got, err, c.want)
		}
	}
	if _, err := tune.Trim([]byte(`{"candidates":0}`)); err == nil {
		t.Error("a policy out of bounds was taken")
	}
}

func TestObjective_Cost(t *testing.T) {
	o := tune.DefaultObjective()
	day := tune.Day{Requested: 10, Served: 8, Wait: 100 * time.Second, Deadhead: 50 * time.Second}
	if got := o.Cost(day); math.Abs(got-840) > 1e-9 {
		t.Errorf("got %v s", got)
	}
	o = tune.Objective{Wait: 2, Deadhead: 0.5, Unserved: 10 * time.Second}
	if got := o.Cost(day); math.Abs(got-182) > 1e-9 {
		t.Errorf("got %v s", got)
	}
	if got := o.Cost(tune.Day{}); got != 0 {
		t.Errorf("a day without orders costs %v s", got)
	}
	if got := o.Cost(tune.Day{Requested: 3}); got != 10 {
		t.Errorf("a day without served orders costs %v s", got)
	}
}
