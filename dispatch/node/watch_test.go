package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// scene drives a watch by lines "seconds metres-east", where a driver d with order o stands that far from its pickup, or
// "silent", and gives what is advised, as "seconds cause" with a "?" behind a nudge. "busy" in front of metres: it has
// another order too. The fix of a look is of the look's instant.
func scene(t *testing.T, p *dispatch.Policy, lines string) string {
	t.Helper()
	w, out := newWatch(), []string{}
	y := approach{order: "o", driver: "d", pickup: here, since: noon, heard: noon, alone: true}
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		var s, m float64
		if _, err := fmt.Sscan(words[0], &s); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if words[1] != "silent" {
			if _, err := fmt.Sscan(words[len(words)-1], &m); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			f := seenAt(east(m), s)
			y.fix, y.heard, y.alone = &f, f.At, words[1] != "busy"
		}
		for _, a := range w.look(noon.Add(time.Duration(s*float64(time.Second))), p, []approach{y}) {
			if a.order != "o" || a.driver != "d" {
				t.Errorf("%q: advised %+v", line, a)
			}
			said := words[0] + " " + string(a.cause)
			if a.nudge {
				said += "?"
			}
			out = append(out, said)
		}
	}
	return strings.Join(out, ", ")
}

func TestWatch_look(t *testing.T) {
	rules := func(change func(*dispatch.Policy)) *dispatch.Policy {
		p := dispatch.DefaultPolicy()
		if change != nil {
			change(&p)
		}
		return &p
	}
	for _, test := range []struct {
		name   string
		policy *dispatch.Policy
		lines  string
		want   string
	}{
		{"leaves_alone_who_comes", nil, `
			0 3000
			200 2000
			400 1000
			600 200
			800 30`, ""},
		{"nudges_the_silent_once_and_gives_them_up", nil, `
			0 3000
			119 silent
			120 silent
			200 silent
			299 silent
			300 silent`, "120 driver_lost?, 300 driver_lost"},
		{"tells_again_until_it_is_done", nil, `
			300 silent
			310 silent`, "300 driver_lost, 310 driver_lost"},
		{"hears_who_never_sent_a_fix_from_the_assignment_on", nil, `
			0 silent
			299 silent
			300 silent`, "299 driver_lost?, 300 driver_lost"},
		{"counts_a_fresh_fix_as_heard", rules(func(p *dispatch.Policy) { p.Freshness = time.Hour }), `
			0 3000
			3599 silent
			3600 silent`, "3599 driver_lost?, 3600 driver_lost"},
		{"nudges_at_half_when_the_nudge_would_come_too_late", rules(func(p *dispatch.Policy) { p.Redispatch.Nudge = time.Hour }), `
			0 3000
			149 silent
			150 silent`, "150 driver_lost?"},
		{"does_not_nudge_when_told_so", rules(func(p *dispatch.Policy) { p.Redispatch.Nudge = 0 }), `
			0 3000
			100 4000
			299 4000
			420 4000`, "420 driver_stalled"},
		{"sees_who_stands", nil, `
			0 3000
			119 2960
			120 2951
			121 2951
			419 2951
			420 2951`, "120 driver_stalled?, 420 driver_stalled"},
		{"calls_fifty_metres_progress", nil, `
			0 3000
			100 2949
			420 2949
			519 2949
			520 2949`, "420 driver_stalled?, 520 driver_stalled"},
		{"does_not_call_a_silent_driver_stalled", rules(func(p *dispatch.Policy) { p.Redispatch.Lost = 0 }), `
			0 3000
			9999 silent`, ""},
		{"leaves_who_stands_at_the_pickup", nil, `
			0 3000
			300 90
			2000 90`, ""},
		{"sees_who_drives_away_from_its_nearest", nil, `
			0 3000
			50 2500
			60 3240
			70 3260
			80 3980
			90 4010`, "70 driver_retreated?, 90 driver_retreated"},
		{"begins_anew_when_another_order_has_ended", nil, `
			0 busy 3000
			500 busy 6000
			510 5900
			629 5900
			630 5900
			929 5900
			930 5900`, "630 driver_stalled?, 930 driver_stalled"},
		{"does_nothing_without_rules", rules(func(p *dispatch.Policy) { p.Redispatch = dispatch.RedispatchRules{} }), `
			0 3000
			9000 9000
			99999 silent`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := test.policy
			if p == nil {
				p = rules(nil)
			}
			if got := scene(t, p, test.lines); got != test.want {
				t.Errorf("advised %q, want %q", got, test.want)
			}
		})
	}
}

func TestWatch_look_again(t *testing.T) {
	p := dispatch.DefaultPolicy()
	w := newWatch()
	y := approach{order: "o", driver: "d", pickup: here, since: noon, heard: noon, alone: true}
	if got := w.look(noon.Add(200*time.Second), &p, []approach{y}); len(got) != 1 || !got[0].nudge {
		t.Fatalf("advised %+v, want a nudge", got)
	}
	t.Run("the_next_driver_is_nudged_for_itself", func(t *testing.T) {
		next := y
		next.driver, next.since, next.heard = "e", noon.Add(200*time.Second), noon.Add(200*time.Second)
		if got := w.look(noon.Add(400*time.Second), &p, []approach{next}); len(got) != 1 || !got[0].nudge || got[0].driver != "e" {
			t.Errorf("advised %+v, want a nudge of e", got)
		}
	})
	t.Run("who_is_set_on_the_way_again_is_too", func(t *testing.T) {
		again := y
		again.driver, again.since, again.heard = "e", noon.Add(500*time.Second), noon.Add(500*time.Second)
		if got := w.look(noon.Add(700*time.Second), &p, []approach{again}); len(got) != 1 || !got[0].nudge {
			t.Errorf("advised %+v, want a nudge", got)
		}
	})
	t.Run("who_is_not_on_the_way_any_more_is_forgotten", func(t *testing.T) {
		if w.look(noon, &p, nil); len(w.courses) != 0 {
			t.Errorf("it remembers %d", len(w.courses))
		}
	})
}
