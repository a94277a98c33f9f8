package node

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/hexfleet/hexfleet/geo"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// here is where the tests' driver drives; east gives places by metres from it.
var here = geo.LatLng{Lat: 37.78, Lng: -122.41}

func east(m float64) geo.LatLng {
	return geo.LatLng{Lat: here.Lat, Lng: here.Lng + m/(float64(geo.EarthRadius)*math.Pi/180*math.Cos(here.Lat*math.Pi/180))}
}

func seenAt(p geo.LatLng, s float64) geo.Fix {
	return geo.Fix{LatLng: p, At: noon.Add(time.Duration(s * float64(time.Second))),
		HeadingDeg: math.NaN(), SpeedMps: math.NaN(), AccuracyM: math.NaN()}
}

// script drives a track by lines "seconds metres-east verdict", where the verdict is a reason or "ok", and a "?"
// behind it says that the driver is suspect then. A fourth word is the accuracy.
func script(t *testing.T, lines string) {
	t.Helper()
	var k track
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		var s, m float64
		if _, err := fmt.Sscan(words[0]+" "+words[1], &s, &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		f := seenAt(east(m), s)
		if len(words) > 3 {
			f.AccuracyM, _ = strconv.ParseFloat(words[3], 64)
		}
		reason := k.judge(&f, noon.Add(time.Hour))
		if reason == taken {
			reason = "ok"
		}
		if k.suspect {
			reason += "?"
		}
		if reason != words[2] {
			t.Errorf("%s: got %s", strings.TrimSpace(line), reason)
		}
	}
}

func TestTrack_judge(t *testing.T) {
	for name, lines := range map[string]string{
		"a_drive_is_taken": `
			0 0 ok
			1 30 ok
			5 300 ok
			65 4000 ok`,
		"at_most_70_metres_a_second_but_for_noise": `
			0 0 ok
			10 869 ok
			20 1740 speed
			21 1741 ok`,
		"noise_is_no_speed_however_close_the_points": `
			0 0 ok
			0.001 169 ok
			0.002 0 ok`,
		"noise_counts_once_however_many_points_a_second": `
			0 0 ok
			0.1 100 ok
			0.2 200 speed
			0.3 300 speed?
			0.4 400 speed?
			0.5 500 speed?
			0.6 600 speed?`,
		"and_once_in_each_ten_seconds": `
			0 0 ok
			5 350 ok
			10 700 ok
			20 1569 ok
			30 2438 ok
			35 2960 speed`,
		"old_and_repeated_points_are_dropped": `
			10 0 ok
			10 5 repeated
			9 5 stale
			-3600 5 stale
			11 5 ok`,
		"blurred_points_are_dropped_and_change_nothing": `
			0 0 ok 50
			1 10 accuracy 50.1
			2 9000 accuracy 300
			3 20 ok 0`,
		"a_lone_slip_casts_no_doubt": `
			0 0 ok
			5 900 speed
			10 100 ok
			15 1000 speed
			20 200 ok`,
		"two_slips_in_a_row_do": `
			0 0 ok
			5 900 speed
			6 -900 speed?
			10 100 ok?
			15 150 ok?
			20 200 ok`,
		"a_teleport_casts_doubt_until_three_points_agree": `
			0 0 ok
			5 20000 teleport?
			10 100 ok?
			15 150 ok?
			20 200 ok`,
		"three_points_at_the_new_place_are_the_truth": `
			0 0 ok
			5 20000 teleport?
			10 20100 teleport?
			15 20200 ok
			20 20300 ok
			25 0 teleport?`,
		"a_row_at_the_new_place_may_begin_before_it_can_be_reached": `
			0 0 ok
			5 5000 teleport?
			100 5100 ok?
			105 5200 ok`,
		"a_broken_row_begins_anew": `
			0 0 ok
			5 20000 teleport?
			10 20100 teleport?
			15 -20000 teleport?
			20 20200 teleport?
			25 20300 teleport?
			30 20400 ok`,
		"a_repeated_point_at_the_new_place_is_no_further_witness": `
			0 0 ok
			5 20000 teleport?
			5 20000 stale?
			4 20000 stale?
			5 20000 stale?
			10 20000 teleport?
			15 20000 ok`,
		"a_late_point_of_the_old_place_is_taken": `
			0 0 ok
			5 20000 teleport?
			3 50 ok?
			6 100 ok?
			7 150 ok`,
		"a_ferry_is_a_long_gap": `
			0 0 ok
			1800 30000 ok
			1805 30050 ok`,
		"a_suspect_that_goes_back_and_forth_stays_one": `
			0 0 ok
			5 20000 teleport?
			10 0 ok?
			15 20000 teleport?
			20 0 ok?
			25 20000 teleport?
			30 0 ok?
			35 0 ok?
			40 0 ok`,
	} {
		t.Run(name, func(t *testing.T) { script(t, lines) })
	}

	t.Run("too_far_ahead_is_dropped_first", func(t *testing.T) {
		var k track
		at := seenAt(here, 0)
		f := seenAt(east(1e6), 30.001)
		if got := k.judge(&at, noon); got != taken {
			t.Errorf("30 s behind: %q", got)
		}
		if got := k.judge(&f, noon); got != droppedFuture || k.suspect {
			t.Errorf("31 s ahead: %q, suspect %v", got, k.suspect)
		}
		f = seenAt(east(10), 30)
		if got := k.judge(&f, noon); got != taken {
			t.Errorf("30 s ahead: %q", got)
		}
	})

	t.Run("is_small", func(t *testing.T) {
		if n := unsafe.Sizeof(sighting{}); n > 104 {
			t.Errorf("a sighting takes %d bytes", n)
		}
	})
}

// TestTrack_property: whatever came before, what is taken is newer than the fix before and three agreeing points in
// a row end all doubt; nothing but order, accuracy and speed counts; and doubt begins only with a drop.
func TestTrack_property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var k track
		now := noon
		var fix geo.Fix // the last taken
		any := false
		step := func(f geo.Fix) string {
			was := k
			reason := k.judge(&f, now)
			if reason == taken {
				if any && !f.At.After(fix.At) {
					t.Fatalf("took %v after %v", f.At, fix.At)
				}
				fix, any = f, true
			}
			if k.last != (spot{fix.LatLng, fix.At.UnixNano()}) && any {
				t.Fatalf("the last fix is %+v, took %+v", k.last, fix)
			}
			if k.suspect && !was.suspect && reason != droppedSpeed && reason != droppedJump {
				t.Fatalf("doubted for %q", reason)
			}
			if (reason == droppedFuture || reason == droppedStale || reason == droppedRepeat || reason == droppedBlurred) && k != was {
				t.Fatalf("%q changed %+v to %+v", reason, was, k)
			}
			return reason
		}
		draw := func() geo.Fix {
			f := seenAt(east(rapid.SampledFrom([]float64{0, 50, 160, 400, 900, 2000, 30_000, -30_000}).Draw(t, "east")), 0)
			f.At = now.Add(time.Duration(rapid.IntRange(-20_000, 40_000).Draw(t, "ms")) * time.Millisecond)
			if rapid.IntRange(0, 9).Draw(t, "blurred") == 0 {
				f.AccuracyM = 80
			}
			return f
		}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90_000).Draw(t, "wait")) * time.Millisecond)
			step(draw())
		}
		now = now.Add(2 * maxAhead) // whatever was told lies behind
		place := east(rapid.Float64Range(-50_000, 50_000).Draw(t, "new place"))
		for i := range agreeing {
			f := seenAt(place, 0)
			f.At = now.Add(time.Duration(i) * time.Second)
			if reason := step(f); i == agreeing-1 && (reason != taken || k.suspect) {
				t.Fatalf("after %d agreeing points: %q, suspect %v", agreeing, reason, k.suspect)
			}
		}
	})
}

// reference judges a step by the plain formula.
func reference(a, b spot) bool {
	return float64(geo.Distance(a.LatLng, b.LatLng)) <= 100+70*(float64(b.at-a.at)/1e9+1)
}

func TestSpot_leadsTo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	yes := 0
	for range 200_000 {
		a := spot{geo.LatLng{Lat: 180*r.Float64() - 90, Lng: 360*r.Float64() - 180}, r.Int64N(1e15)}
		if r.IntN(4) == 0 {
			a.Lng = 180 - 1e-3*r.Float64() // before the antimeridian
		}
		dt := math.Pow(10, 9*r.Float64()) // to 30 years of ns
		d := math.Pow(10, -5+6*r.Float64())
		b := spot{geo.LatLng{Lat: max(-90, min(90, a.Lat+d*(r.Float64()-0.5))), Lng: a.Lng + d*(r.Float64()-0.5)}, a.at + int64(dt*1e3)}
		if b.Lng > 180 {
			b.Lng -= 360
		}
		if b.Validate() != nil {
			continue
		}
		if got, want := a.leadsTo(&b), reference(a, b); got != want {
			t.Fatalf("%+v to %+v: %v, want %v", a, b, got, want)
		} else if got {
			yes++
		}
	}
	if yes < 10_000 {
		t.Errorf("%d of the steps agree", yes)
	}
}

// pingsPath is a Friday of San Francisco's cabs; see NOTICE for its source.
const pingsPath = "../../../shared/data/sf/pings_2008-05-30.csv.gz"

// pings calls f for each fix of the file in order.
func pings(t testing.TB, f func(cab string, fix geo.Fix)) {
	t.Helper()
	file, err := os.Open(pingsPath)
	if err != nil {
		t.Skipf("the recorded fixes are not here (%v): the scripts and drawn tracks of the other tests stand for them", err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Scan() // the header
	for lines.Scan() {
		words := strings.Split(lines.Text(), ",")
		unix, err1 := strconv.ParseInt(words[0], 10, 64)
		lat, err2 := strconv.ParseFloat(words[2], 64)
		lng, err3 := strconv.ParseFloat(words[3], 64)
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatalf("line %q", lines.Text())
		}
		f(words[1], geo.Fix{LatLng: geo.LatLng{Lat: lat, Lng: lng}, At: time.Unix(unix, 0).UTC(),
			HeadingDeg: math.NaN(), SpeedMps: math.NaN(), AccuracyM: math.NaN()})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestTrack_realFixes puts a day of 489 real cabs through the filter and into the index, and compares what is found
// there with a scan.
func TestTrack_realFixes(t *testing.T) {
	t.Parallel()
	var cabs []*cab
	known := map[string]*cab{}
	index := geo.NewIndex(indexResolution)
	counts := map[string]int{}
	doubted, points, doubts := 0, 0, 0
	r := rand.New(rand.NewPCG(30, 5))
	pings(t, func(id string, f geo.Fix) {
		points++
		c := known[id]
		if c == nil {
			c = &cab{id: id}
			known[id] = c
			cabs = append(cabs, c)
		}
		was := c.track.suspect
		reason := c.track.judge(&f, f.At)
		counts[reason]++
		if c.track.suspect {
			doubted++
			if !was {
				doubts++
			}
		}
		if reason == taken {
			if !index.Update(index.Join(id), f) {
				t.Fatalf("the index refuses what the filter took: %s %+v", id, f)
			}
			c.last = f
		}
		if points%50 == 0 {
			at := cabs[r.IntN(len(cabs))].last.LatLng // where cabs are asked for, and now and then in the hills or at sea
			if r.IntN(10) == 0 {
				at = geo.LatLng{Lat: 37.6 + 0.25*r.Float64(), Lng: -122.52 + 0.15*r.Float64()}
			}
			compare(t, index, cabs, geo.Query{At: at, K: 1 + r.IntN(16), FreshSince: f.At.Add(-2 * time.Minute)})
		}
	})
	t.Logf("%d points of %d cabs: %v; %d doubts, %d points under doubt", points, len(cabs), counts, doubts, doubted)
	// 0.55 % are dropped, and 0.8 % come while a cab is in doubt: receivers between high buildings that jump by
	// kilometres and back, and stamps that came late. Nothing is future, stale, repeated or blurred in this file.
	want := map[string]int{taken: 503_412, droppedSpeed: 572, droppedJump: 2204}
	if !maps.Equal(counts, want) {
		t.Errorf("counted %v, want %v", counts, want)
	}
}

// cab is one of the recorded ones: its filter and its last fix.
type cab struct {
	id    string
	track track
	last  geo.Fix
}

// compare holds the index against a scan of the last fixes.
func compare(t *testing.T, x *geo.Index, cabs []*cab, q geo.Query) {
	t.Helper()
	got := x.Nearest(q)
	ids := make([]string, len(got))
	for i, n := range got {
		ids[i], _ = x.ID(n.Handle)
	}
	before := func(d geo.Meters, id string, i int) bool { // nearer, or as near and before number i by id
		return d < got[i].Distance || d == got[i].Distance && id < ids[i]
	}
	for i := 1; i < len(got); i++ {
		if !before(got[i-1].Distance, ids[i-1], i) {
			t.Fatalf("%+v: number %d comes after %d", q, i-1, i)
		}
	}
	fresh, within := 0, 0
	for _, c := range cabs {
		if c.last.At.Before(q.FreshSince) {
			continue
		}
		fresh++
		d := geo.Distance(q.At, c.last.LatLng)
		last := len(got) - 1
		if last < 0 || c.id != ids[last] && !before(d, c.id, last) {
			continue
		}
		within++
		i := slices.Index(ids, c.id)
		if i < 0 || got[i].Distance != d || got[i].At != c.last.At {
			t.Fatalf("%+v: %s is not found as it is, %v away", q, c.id, d)
		}
	}
	if len(got) != min(q.K, fresh) || within != len(got) {
		t.Fatalf("%+v: %d found, %d of %d fresh ones are as near", q, len(got), within, fresh)
	}
}

// BenchmarkTrack is what the filter adds to each point: one driver's, and those of a fleet that does not fit into
// the processor's caches.
func BenchmarkTrack(b *testing.B) {
	for _, drivers := range []int{1, 100_000} {
		b.Run(fmt.Sprintf("drivers=%d", drivers), func(b *testing.B) {
			seen := make([]sighting, drivers)
			f := seenAt(here, 0)
			now := f.At.Add(1e6 * time.Hour)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%drivers == 0 {
					f.At = f.At.Add(5 * time.Second)
					f.Lng += 1e-4 * float64(1-i/drivers%2*2) // 9 m
				}
				s := &seen[i%drivers]
				s.mu.Lock()
				reason := s.track.judge(&f, now)
				s.mu.Unlock()
				if reason != taken {
					b.Fatal(reason)
				}
			}
		})
	}
}
