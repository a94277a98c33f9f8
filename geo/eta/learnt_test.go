package eta_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// noon is a Wednesday.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func noonNow() time.Time { return noon }

// east gives a place metres to the east of p.
func east(p geo.LatLng, metres float64) geo.LatLng {
	perDegree := float64(geo.Distance(p, geo.LatLng{Lat: p.Lat, Lng: p.Lng + 0.01})) * 100
	return geo.LatLng{Lat: p.Lat, Lng: p.Lng + metres/perDegree}
}

// taught has learnt the made-up city.
func taught(t testing.TB) *eta.Learnt {
	t.Helper()
	l := eta.NewLearnt(time.UTC, noonNow)
	if n := l.Learn(madeUp(5000)); n < 4500 {
		t.Fatalf("%d of 5000 drives were of use", n)
	}
	return l
}

func TestLearnt_Estimate(t *testing.T) {
	home := geo.LatLng{Lat: 48, Lng: 11}

	t.Run("an_empty_city_is_told_the_prior", func(t *testing.T) {
		l := eta.NewLearnt(time.UTC, noonNow)
		for _, row := range []struct{ metres, atLeast, atMost float64 }{ // seconds
			{1000, 250, 300}, {4000, 700, 850}, {19000, 1450, 1900}, {128000, 6000, 8000},
		} {
			e := l.Estimate(home, east(home, row.metres), noon)
			if s := e.Duration.Seconds(); s < row.atLeast || s > row.atMost || e.Source != eta.SourcePrior {
				t.Errorf("%v m: %+v, want %v to %v s by the prior", row.metres, e, row.atLeast, row.atMost)
			}
			if c := float64(e.Distance) / row.metres; c < 1.1 || c > 1.5 {
				t.Errorf("%v m: circuity %.2f", row.metres, c)
			}
		}
	})

	t.Run("no_way_takes_no_time", func(t *testing.T) {
		if e := taught(t).Estimate(home, home, noon); e.Duration != 0 || e.Distance != 0 {
			t.Errorf("got %+v", e)
		}
	})

	t.Run("what_is_no_place_has_no_estimate", func(t *testing.T) {
		if e := taught(t).Estimate(home, geo.LatLng{Lat: math.NaN()}, noon); e != (eta.Estimate{}) {
			t.Errorf("got %+v", e)
		}
	})

	t.Run("is_slow_where_and_when_drivers_were", func(t *testing.T) {
		l := eta.NewLearnt(time.UTC, noonNow)
		far := geo.LatLng{Lat: 48.2, Lng: 11.3}
		var drives []eta.Observation
		for i := range 600 {
			rush := noon.Add(time.Duration(i%7*24) * time.Hour).Add(-4 * time.Hour) // 8 h
			o := eta.Observation{From: home, To: east(home, 3000), Start: rush, Duration: 20 * time.Minute}
			calm := eta.Observation{From: far, To: east(far, 3000), Start: rush.Add(4 * time.Hour), Duration: 5 * time.Minute}
			drives = append(drives, o, calm)
		}
		l.Learn(drives)
		slow := l.Estimate(home, east(home, 3000), noon.Add(-4*time.Hour))
		fast := l.Estimate(far, east(far, 3000), noon)
		if slow.Source != eta.SourceLearnt || math.Abs(slow.Duration.Seconds()-1200) > 120 || math.Abs(fast.Duration.Seconds()-300) > 30 {
			t.Errorf("got %+v and %+v, want about 1200 and 300 s", slow, fast)
		}
		if other := l.Estimate(home, east(home, 3000), noon); other.Duration >= slow.Duration {
			t.Errorf("at noon %v, in the rush hour %v", other.Duration, slow.Duration)
		}
	})

	t.Run("the_hour_is_of_the_zone", func(t *testing.T) {
		zone, err := time.LoadLocation("America/New_York")
		if err != nil {
			t.Fatal(err)
		}
		l := eta.NewLearnt(zone, noonNow)
		winter, summer := time.Date(2026, 1, 7, 8, 30, 0, 0, zone), time.Date(2026, 7, 8, 8, 30, 0, 0, zone)
		for range 300 {
			l.Learn([]eta.Observation{{From: home, To: east(home, 3000), Start: winter, Duration: 30 * time.Minute}})
		}
		a, b := l.Estimate(home, east(home, 3000), winter), l.Estimate(home, east(home, 3000), summer)
		if a != b {
			t.Errorf("a Wednesday at half past eight: %+v in winter, %+v in summer", a, b)
		}
	})
}

func TestLearnt_Learn(t *testing.T) {
	t.Run("nonsense_teaches_nothing", func(t *testing.T) {
		l := eta.NewLearnt(time.UTC, noonNow)
		home := geo.LatLng{Lat: 48, Lng: 11}
		far := east(home, 3000)
		before := string(l.Document())
		for _, o := range []eta.Observation{
			{From: home, To: far, Start: noon},
			{From: home, To: far, Start: noon, Duration: -time.Hour},
			{From: home, To: far, Start: noon, Duration: 4 * time.Hour},
			{From: home, To: far, Start: noon, Duration: 20 * time.Second}, // 150 m/s
			{From: home, To: east(home, 50), Start: noon, Duration: time.Minute},
			{From: home, To: home, Start: noon, Duration: time.Minute},
			{From: geo.LatLng{Lat: 91}, To: far, Start: noon, Duration: time.Minute},
			{From: home, To: geo.LatLng{Lat: math.NaN()}, Start: noon, Duration: time.Minute},
		} {
			if l.Learn([]eta.Observation{o}) != 0 || string(l.Document()) != before {
				t.Errorf("%+v was learnt", o)
			}
		}
	})

	t.Run("one_drive_in_ten_that_stopped_for_lunch_changes_little", func(t *testing.T) {
		home := geo.LatLng{Lat: 48, Lng: 11}
		estimate := func(lunch time.Duration) float64 {
			l := eta.NewLearnt(time.UTC, noonNow)
			for i := range 2000 {
				o := eta.Observation{From: home, To: east(home, 3000), Start: noon, Duration: 8 * time.Minute}
				if i%10 == 0 {
					o.Duration += lunch
				}
				l.Learn([]eta.Observation{o})
			}
			return l.Estimate(home, east(home, 3000), noon).Duration.Seconds()
		}
		if without, with := estimate(0), estimate(90*time.Minute); with > 1.1*without {
			t.Errorf("%.0f s without, %.0f s with it", without, with)
		}
	})

	t.Run("a_city_of_more_cells_than_are_kept_stays_bounded", func(t *testing.T) {
		l := eta.NewLearnt(time.UTC, noonNow)
		rng := rand.New(rand.NewPCG(1, 2))
		drives := make([]eta.Observation, 6000)
		for i := range drives {
			p := geo.LatLng{Lat: rng.Float64()*120 - 60, Lng: rng.Float64()*360 - 180}
			drives[i] = eta.Observation{From: p, To: geo.LatLng{Lat: p.Lat + 0.02, Lng: p.Lng}, Start: noon, Duration: 5 * time.Minute}
		}
		l.Learn(drives)
		if n := len(l.Document()); n > 2<<20 || l.Cells() > 4096 {
			t.Errorf("%d bytes, %d cells", n, l.Cells())
		}
	})

	t.Run("readers_see_whole_models_while_it_learns", func(t *testing.T) {
		l := taught(t)
		home := geo.LatLng{Lat: 48, Lng: 11}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					rows, err := l.Matrix(t.Context(), []geo.LatLng{home}, []geo.LatLng{east(home, 2000), east(home, 2000)})
					if err != nil || rows[0][0] != rows[0][1] {
						t.Errorf("%+v, %v", rows, err)
						return
					}
				}
			})
		}
		for range 50 {
			l.Learn(madeUp(20))
		}
		close(stop)
		wg.Wait()
	})
}

func TestLearnt_Matrix(t *testing.T) {
	t.Run("is_the_estimates_of_now", func(t *testing.T) {
		l := taught(t)
		rides := madeUp(20)
		var from, to []geo.LatLng
		for _, o := range rides {
			from, to = append(from, o.From), append(to, o.To)
		}
		rows, err := l.Matrix(t.Context(), from, to)
		if err != nil {
			t.Fatal(err)
		}
		for i := range from {
			for j := range to {
				if rows[i][j] != l.Estimate(from[i], to[j], noon) {
					t.Errorf("entry %d, %d is %+v", i, j, rows[i][j])
				}
			}
		}
	})

	t.Run("a_cancelled_context_ends_it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if rows, err := taught(t).Matrix(ctx, make([]geo.LatLng, 1), make([]geo.LatLng, 1)); !errors.Is(err, context.Canceled) || rows != nil {
			t.Errorf("got %v, %v", rows, err)
		}
	})

	t.Run("allocates_its_result_only", func(t *testing.T) {
		l := taught(t)
		from, to := make([]geo.LatLng, 16), []geo.LatLng{{Lat: 48, Lng: 11}}
		for i := range from {
			from[i] = east(to[0], float64(i)*300)
		}
		n := testing.AllocsPerRun(100, func() {
			if _, err := l.Matrix(context.Background(), from, to); err != nil {
				t.Fatal(err)
			}
		})
		if n > 2 {
			t.Errorf("%v allocations, want the rows and their entries", n)
		}
	})
}

// places are anywhere, the poles and the antimeridian among them more often than chance has it.
func places() *rapid.Generator[geo.LatLng] {
	return rapid.Custom(func(t *rapid.T) geo.LatLng {
		lat := rapid.OneOf(rapid.Float64Range(-90, 90), rapid.SampledFrom([]float64{-90, 90, 0, 89.999, 48})).Draw(t, "lat")
		lng := rapid.OneOf(rapid.Float64Range(-180, 180), rapid.SampledFrom([]float64{-180, 180, 0, 179.999, 11})).Draw(t, "lng")
		return geo.LatLng{Lat: lat, Lng: lng}
	})
}

func drives() *rapid.Generator[[]eta.Observation] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) eta.Observation {
		from := places().Draw(t, "from")
		return eta.Observation{
			From: from, To: geo.LatLng{Lat: from.Lat + rapid.Float64Range(-0.3, 0.3).Draw(t, "north"), Lng: from.Lng},
			Start:    noon.Add(time.Duration(rapid.Int64Range(0, 7*24*3600).Draw(t, "s")) * time.Second),
			Duration: time.Duration(rapid.Int64Range(0, 12000).Draw(t, "took")) * time.Second,
			Path:     geo.Meters(rapid.Float64Range(0, 1e5).Draw(t, "path")),
		}
	}), 0, 60)
}

func TestLearnt_Properties(t *testing.T) {
	t.Run("estimates_are_sane_anywhere_whatever_was_learnt", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			l := eta.NewLearnt(time.UTC, noonNow)
			l.Learn(drives().Draw(t, "drives"))
			a, b := places().Draw(t, "a"), places().Draw(t, "b")
			e := l.Estimate(a, b, noon)
			metres := geo.Distance(a, b)
			if e.Duration < 0 || e.Duration > 400*24*time.Hour || !(e.Distance >= 0) || math.IsInf(float64(e.Distance), 0) || e.Source == "" {
				t.Fatalf("%v to %v: %+v", a, b, e)
			}
			if e.Duration.Seconds()*40 < float64(metres)-1 {
				t.Fatalf("%v to %v, %.0f m: %+v is faster than 40 m/s", a, b, metres, e)
			}
		})
	})

	t.Run("farther_on_in_the_same_cell_and_direction_takes_longer", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			l := eta.NewLearnt(time.UTC, noonNow)
			l.Learn(drives().Draw(t, "drives"))
			a, b := places().Draw(t, "a"), places().Draw(t, "b")
			step := rapid.Float64Range(0, 0.01).Draw(t, "step")
			c := geo.LatLng{Lat: min(90, max(-90, b.Lat+math.Copysign(step, b.Lat-a.Lat))), Lng: b.Lng}
			if eta.CellOf(b) != eta.CellOf(c) || geo.Distance(a, c) < geo.Distance(a, b) || eta.SectorOf(a, b) != eta.SectorOf(a, c) {
				return
			}
			near, far := l.Estimate(a, b, noon), l.Estimate(a, c, noon)
			if far.Duration < near.Duration {
				t.Fatalf("%v to %v: %v, farther on to %v: %v", a, b, near, c, far)
			}
		})
	})

	t.Run("farther_takes_longer_though_short_drives_crawled_and_long_ones_flew", func(t *testing.T) {
		l := eta.NewLearnt(time.UTC, noonNow)
		home := geo.LatLng{Lat: 48, Lng: 11}
		for i := range 4000 {
			short := eta.Observation{From: home, To: east(home, 1500), Start: noon, Duration: time.Hour}
			long := eta.Observation{From: home, To: east(home, 12000), Start: noon, Duration: 5 * time.Minute}
			l.Learn([]eta.Observation{short, long}[i%2:])
		}
		elsewhere := geo.LatLng{Lat: 45, Lng: 9} // where no cell was learnt
		var last time.Duration
		for metres := 50.0; metres < 200000; metres *= 1.07 {
			e := l.Estimate(elsewhere, east(elsewhere, metres), noon)
			if e.Duration < last {
				t.Fatalf("%.0f m take %v, less than a shorter way", metres, e.Duration)
			}
			last = e.Duration
		}
	})

	t.Run("nobody_is_believed_to_fly", func(t *testing.T) {
		l := eta.NewLearnt(time.UTC, noonNow)
		home := geo.LatLng{Lat: 48, Lng: 11}
		for range 3000 {
			l.Learn([]eta.Observation{{From: home, To: east(home, 30000), Start: noon, Duration: 680 * time.Second}}) // 44 m/s
		}
		if e := l.Estimate(home, east(home, 30000), noon); e.Duration.Seconds() < 749 || e.Duration.Seconds() > 800 {
			t.Errorf("%v for 30 km, want about 750 s: 40 m/s", e)
		}
	})

	t.Run("a_place_has_the_same_cell_whatever_was_asked_before", func(t *testing.T) {
		home := geo.LatLng{Lat: 48, Lng: 11}
		used, rng := taught(t), rand.New(rand.NewPCG(3, 4))
		document := used.Document()
		for range 20000 {
			p := geo.LatLng{Lat: 47 + 2*rng.Float64(), Lng: 10 + 2*rng.Float64()}
			used.Estimate(p, p, noon)
		}
		fresh := eta.NewLearnt(time.UTC, noonNow)
		if err := errors.Join(fresh.Restore(document), used.Restore(document)); err != nil {
			t.Fatal(err)
		}
		for range 2000 {
			p := geo.LatLng{Lat: 47.9 + 0.2*rng.Float64(), Lng: 10.8 + 0.4*rng.Float64()}
			if a, b := used.Estimate(home, p, noon), fresh.Estimate(home, p, noon); a != b {
				t.Fatalf("to %v: %+v and %+v", p, a, b)
			}
		}
	})

	t.Run("the_prior_is_the_same_there_and_back", func(t *testing.T) {
		l := eta.NewLearnt(time.UTC, noonNow)
		rapid.Check(t, func(t *rapid.T) {
			a, b := places().Draw(t, "a"), places().Draw(t, "b")
			there, back := l.Estimate(a, b, noon), l.Estimate(b, a, noon)
			if d := there.Duration - back.Duration; d < -time.Millisecond || d > time.Millisecond {
				t.Fatalf("%v there, %v back", there, back)
			}
		})
	})

	t.Run("the_same_drives_give_the_same_bytes_in_any_batches", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			all := drives().Draw(t, "drives")
			cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
			a, b := eta.NewLearnt(time.UTC, noonNow), eta.NewLearnt(time.UTC, noonNow)
			a.Learn(all)
			b.Learn(all[:cut])
			b.Learn(all[cut:])
			if string(a.Document()) != string(b.Document()) {
				t.Fatalf("%s\n%s", a.Document(), b.Document())
			}
		})
	})

	t.Run("a_document_is_read_back_as_it_was_written", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			a, b := eta.NewLearnt(time.UTC, noonNow), eta.NewLearnt(time.UTC, noonNow)
			a.Learn(drives().Draw(t, "drives"))
			if err := b.Restore(a.Document()); err != nil || string(a.Document()) != string(b.Document()) {
				t.Fatalf("%v\n%s\n%s", err, a.Document(), b.Document())
			}
		})
	})
}

func BenchmarkLearntMatrix(b *testing.B) {
	l := taught(b)
	from, to := make([]geo.LatLng, 16), []geo.LatLng{{Lat: 48, Lng: 11}}
	for i := range from {
		from[i] = east(to[0], float64(i)*300)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Matrix(context.Background(), from, to); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16, "ns/pair")
}

func BenchmarkLearntLearn(b *testing.B) {
	l, drives := taught(b), madeUp(1000)
	b.ReportAllocs()
	for b.Loop() {
		l.Learn(drives)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/drive")
}
