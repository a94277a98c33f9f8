package eta_test

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

var pingsFlag = flag.String("pings", "../../../shared/data/sf/demo_hour_pings.csv.gz", "learn from the fixes of this file in TestRun_RealPings")

// ways gives the occupied ways of a file of fixes (unix,cab,lat,lon,occ, ascending by time), in the order in which
// they began, and the span of the file.
func ways(name string) (drives []eta.Observation, first, last time.Time, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, first, last, err
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return nil, first, last, err
	}
	rows := csv.NewReader(zip)
	rows.ReuseRecord = true
	if _, err := rows.Read(); err != nil {
		return nil, first, last, err
	}
	under := map[string]*eta.Run{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			slices.SortStableFunc(drives, func(a, b eta.Observation) int { return a.Start.Compare(b.Start) })
			return drives, first, last, nil
		}
		if err != nil {
			return nil, first, last, err
		}
		unix, err1 := strconv.ParseInt(row[0], 10, 64)
		lat, err2 := strconv.ParseFloat(row[2], 64)
		lng, err3 := strconv.ParseFloat(row[3], 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, first, last, fmt.Errorf("%v: %w", row, err)
		}
		last = time.Unix(unix, 0)
		if first.IsZero() {
			first = last
		}
		run, occupied := under[row[1]], row[4] == "1"
		if run == nil && occupied {
			run = &eta.Run{}
			under[row[1]] = run
		}
		if run == nil {
			continue
		}
		run.Add(geo.Fix{LatLng: geo.LatLng{Lat: lat, Lng: lng}, At: last}) // the first free fix ends the way
		if o, ok := run.Observation(); ok && !occupied {
			drives = append(drives, o)
		}
		if !occupied {
			delete(under, row[1])
		}
	}
}

func TestRun_RealPings(t *testing.T) {
	t.Run("an_hour_of_fixes_is_worth_learning_from", func(t *testing.T) {
		drives, first, last, err := ways(*pingsFlag)
		rides, ridesErr := sfRides()
		if errors.Is(err, fs.ErrNotExist) || errors.Is(ridesErr, fs.ErrNotExist) {
			t.Log("no fixes of San Francisco here: TestRun_Observation has made-up ones")
			return
		}
		if err := errors.Join(err, ridesErr); err != nil {
			t.Fatal(err)
		}
		zone, err := time.LoadLocation("America/Los_Angeles")
		if err != nil {
			t.Fatal(err)
		}
		learn, test := days(t, rides, zone, "2008-05-25")
		var others []eta.Observation
		for _, o := range test {
			if o.Start.Before(first.Add(-time.Hour)) || o.Start.After(last) {
				others = append(others, o)
			}
		}
		line := eta.NewLearnt(zone, nil)
		ask := func(o *eta.Observation) time.Duration { return line.Estimate(o.From, o.To, o.Start).Duration }
		prior := judge(others, ask)
		used := line.Learn(drives)
		learnt := judge(others, ask)
		speed := bestFixedSpeed(learn)
		fixed := judge(others, func(o *eta.Observation) time.Duration {
			return time.Duration(float64(geo.Distance(o.From, o.To)) / speed * float64(time.Second))
		})
		t.Logf("learnt from %d of %d ways, %v to %v", used, len(drives), first.UTC(), last.UTC())
		t.Logf("best fixed %v", fixed)
		t.Logf("prior      %v", prior)
		t.Logf("learnt     %v", learnt)
		t.Logf("learnt against fixed: mean %.1f %%", 100*(learnt.mae/fixed.mae-1))
		if used < 1000 || learnt.mae > 0.55*fixed.mae || learnt.mae > prior.mae {
			t.Errorf("%d ways: learnt %v, prior %v, fixed %v", used, learnt, prior, fixed)
		}
	})
}

func TestRun_Observation(t *testing.T) {
	begin := geo.LatLng{Lat: 48, Lng: 11}
	at := func(metres float64, s int) geo.Fix {
		return geo.Fix{LatLng: east(begin, metres), At: noon.Add(time.Duration(s) * time.Second)}
	}

	t.Run("is_from_the_first_fix_to_the_last", func(t *testing.T) {
		var r eta.Run
		for i := range 11 {
			r.Add(at(100*float64(i), 12*i))
		}
		o, ok := r.Observation()
		if !ok || o.From != begin || o.To != east(begin, 1000) || !o.Start.Equal(noon) || o.Duration != 2*time.Minute || o.Path < 990 || o.Path > 1010 {
			t.Errorf("%+v, %v", o, ok)
		}
	})

	t.Run("is_none_of", func(t *testing.T) {
		for name, fixes := range map[string][]geo.Fix{
			"nothing":           nil,
			"one_fix":           {at(0, 0)},
			"a_repeated_fix":    {at(0, 0), at(100, 0)},
			"a_silence":         {at(0, 0), at(100, 12), at(200, 400), at(300, 412)},
			"a_jump":            {at(0, 0), at(5000, 12), at(5100, 24)},
			"a_jump_and_return": {at(0, 0), at(5000, 12), at(100, 24), at(200, 36)},
		} {
			var r eta.Run
			for _, fix := range fixes {
				r.Add(fix)
			}
			if o, ok := r.Observation(); ok {
				t.Errorf("%s: %+v", name, o)
			}
		}
	})

	t.Run("leaves_out_what_comes_late", func(t *testing.T) {
		var r eta.Run
		for _, fix := range []geo.Fix{at(0, 0), at(100, 12), at(50, 6), at(200, 24)} {
			r.Add(fix)
		}
		if o, ok := r.Observation(); !ok || o.Duration != 24*time.Second || o.Path > 202 {
			t.Errorf("%+v, %v", o, ok)
		}
	})
}
