package eta_test

import (
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// The comparison of docs/bench/eta.md can be made of any file of these columns:
//
//	go test ./geo/eta -run TestLearnt_RealTrips -v -every 1 -trips FILE -zone America/Chicago -split 2020-05-25
var (
	tripsFlag = flag.String("trips", "", "compare on this trip file (gzip or not) instead of the known ones")
	zoneFlag  = flag.String("zone", "UTC", "time zone of -trips")
	splitFlag = flag.String("split", "", "learn on the days of -trips before this one, test from it on (default: half of the rides)")
	everyFlag = flag.Int("every", 8, "test on each ride of so many; docs/bench/eta.md has all, -every 1")
)

const (
	sfTrips  = "../../../shared/data/sf/trips_2008-05-17_2008-06-01.csv.gz"
	nycTrips = "../../../shared/data/nyc/green_trips_2013-08.csv.gz"
)

// sfRides are read once for all tests.
var sfRides = sync.OnceValues(func() ([]eta.Observation, error) { return readTrips(sfTrips) })

// readTrips reads the rides of a file of the columns that docs/contract.md names, oldest first; a column path_m
// or metered_m is the length of the way.
func readTrips(name string) ([]eta.Observation, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return nil, err
	}
	column := map[string]int{}
	for i, name := range header {
		column[name] = i
	}
	path, ok := column["path_m"]
	if !ok {
		path, ok = column["metered_m"]
	}
	var out []eta.Observation
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			slices.SortStableFunc(out, func(a, b eta.Observation) int { return a.Start.Compare(b.Start) })
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		number := func(name string) float64 {
			v, parseErr := strconv.ParseFloat(row[column[name]], 64)
			err = errors.Join(err, parseErr)
			return v
		}
		o := eta.Observation{
			From:  geo.LatLng{Lat: number("pickup_lat"), Lng: number("pickup_lon")},
			To:    geo.LatLng{Lat: number("dropoff_lat"), Lng: number("dropoff_lon")},
			Start: time.Unix(int64(number("pickup_unix")), 0),
		}
		o.Duration = time.Unix(int64(number("dropoff_unix")), 0).Sub(o.Start)
		if ok && row[path] != "" {
			metres, parseErr := strconv.ParseFloat(row[path], 64)
			o.Path, err = geo.Meters(metres), errors.Join(err, parseErr)
		}
		if err != nil {
			return nil, fmt.Errorf("ride %d: %w", len(out)+1, err)
		}
		out = append(out, o)
	}
}

// score is how wrong an estimator was.
type score struct {
	mae, median   float64 // seconds
	mape, shareOf float64 // mean and median of the error's share of the duration
}

func judge(rides []eta.Observation, estimate func(*eta.Observation) time.Duration) score {
	var s score
	var misses, shares []float64
	for i := 0; i < len(rides); i += *everyFlag {
		if rides[i].Duration <= 0 {
			continue
		}
		miss := math.Abs((estimate(&rides[i]) - rides[i].Duration).Seconds())
		share := miss / rides[i].Duration.Seconds()
		misses, shares = append(misses, miss), append(shares, share)
		s.mae += miss
		s.mape += share
	}
	n := float64(len(misses))
	s.mae, s.mape = s.mae/n, s.mape/n
	s.median, s.shareOf = median(misses), median(shares)
	return s
}

func (s score) String() string {
	return fmt.Sprintf("mean %6.1f s, median %6.1f s, mean %5.1f %%, median %5.1f %%", s.mae, s.median, 100*s.mape, 100*s.shareOf)
}

// bestFixedSpeed is the one speed along the straight line that has the least mean absolute error on rides: the
// median of seconds a metre, weighted by the metres.
func bestFixedSpeed(rides []eta.Observation) float64 {
	type pace struct{ pace, metres float64 }
	var all []pace
	var sum float64
	for i := range rides {
		if metres := float64(geo.Distance(rides[i].From, rides[i].To)); metres > 0 && rides[i].Duration > 0 {
			all = append(all, pace{rides[i].Duration.Seconds() / metres, metres})
			sum += metres
		}
	}
	slices.SortFunc(all, func(a, b pace) int { return cmp.Compare(a.pace, b.pace) })
	var so float64
	for _, p := range all {
		if so += p.metres; so >= sum/2 {
			return 1 / p.pace
		}
	}
	return math.NaN()
}

// madeUp are rides of a city that does not exist: speeds grow with the distance, fall in the rush hours, and are
// higher along a freeway in the east; durations scatter, and in the first half one in twenty is nonsense.
func madeUp(n int) []eta.Observation {
	rng := rand.New(rand.NewPCG(6, 1))
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	out := make([]eta.Observation, n)
	for i := range out {
		place := func() geo.LatLng {
			return geo.LatLng{Lat: 48 + rng.NormFloat64()*0.05, Lng: 11 + rng.NormFloat64()*0.08}
		}
		o := eta.Observation{From: place(), To: place(), Start: begin.Add(time.Duration(float64(i) / float64(n) * 14 * 24 * float64(time.Hour)))}
		metres := float64(geo.Distance(o.From, o.To))
		speed := 2 * math.Pow(1+metres/500, 0.6)
		if h := o.Start.Hour(); h == 8 || h == 17 {
			speed *= 0.7
		}
		if o.From.Lng > 11.1 && o.To.Lng > 11.1 {
			speed *= 1.5
		}
		seconds := metres / speed * math.Exp(0.25*rng.NormFloat64())
		if rng.IntN(20) == 0 && i < n/2 {
			seconds *= 6
		}
		o.Path = geo.Meters(metres * 1.3)
		o.Duration = time.Duration(seconds) * time.Second
		out[i] = o
	}
	return out
}

// days splits rides at a local day, or in the middle.
func days(t *testing.T, rides []eta.Observation, zone *time.Location, day string) (learn, test []eta.Observation) {
	at := len(rides) / 2
	if day != "" {
		cut, err := time.ParseInLocation(time.DateOnly, day, zone)
		if err != nil {
			t.Fatal(err)
		}
		at, _ = slices.BinarySearchFunc(rides, cut, func(o eta.Observation, c time.Time) int { return o.Start.Compare(c) })
	}
	if at == 0 || at == len(rides) {
		t.Fatalf("all %d rides are on one side of %s", len(rides), day)
	}
	return rides[:at], rides[at:]
}

func TestLearnt_RealTrips(t *testing.T) {
	type city struct{ name, file, zone, split string }
	cities := []city{
		{"San Francisco", sfTrips, "America/Los_Angeles", "2008-05-25"},
		{"New York", nycTrips, "America/New_York", "2013-08-25"},
	}
	if *tripsFlag != "" {
		cities = []city{{*tripsFlag, *tripsFlag, *zoneFlag, *splitFlag}}
	}
	for _, c := range cities {
		t.Run(c.name+"_at_least_a_quarter_better_than_the_best_fixed_speed", func(t *testing.T) {
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			read := func() ([]eta.Observation, error) { return readTrips(c.file) }
			if c.file == sfTrips {
				read = sfRides
			}
			rides, err := read()
			if errors.Is(err, fs.ErrNotExist) && *tripsFlag == "" {
				t.Logf("no trips of %s here: a made-up city instead", c.name)
				rides, zone, c.split, err = madeUp(20000), time.UTC, "", nil
			}
			if err != nil {
				t.Fatal(err)
			}
			learn, test := days(t, rides, zone, c.split)
			compare(t, zone, learn, test)
		})
	}
}

// compare prints the table of docs/bench/eta.md.
func compare(t *testing.T, zone *time.Location, learn, test []eta.Observation) {
	speed := bestFixedSpeed(learn)
	fixed := judge(test, func(o *eta.Observation) time.Duration {
		return time.Duration(float64(geo.Distance(o.From, o.To)) / speed * float64(time.Second))
	})
	before := judge(test, func(o *eta.Observation) time.Duration { return eta.Default().Estimate(o.From, o.To).Duration })
	line := eta.NewLearnt(zone, nil)
	ask := func(o *eta.Observation) time.Duration { return line.Estimate(o.From, o.To, o.Start).Duration }
	prior := judge(test, ask)
	used := line.Learn(learn)
	learnt := judge(test, ask)
	t.Logf("learnt from %d of %d rides (%d cells), tested on %d", used, len(learn), line.Cells(), len(test) / *everyFlag)
	t.Logf("5.6 m/s x 1.2            %v", before)
	t.Logf("best fixed, %5.2f m/s    %v", speed, fixed)
	t.Logf("prior                    %v", prior)
	t.Logf("learnt                   %v", learnt)
	t.Logf("learnt against fixed: mean %.1f %%, median %.1f %%, mean share %.1f %%, median share %.1f %%; prior against fixed: mean %.1f %%",
		100*(learnt.mae/fixed.mae-1), 100*(learnt.median/fixed.median-1), 100*(learnt.mape/fixed.mape-1), 100*(learnt.shareOf/fixed.shareOf-1),
		100*(prior.mae/fixed.mae-1))
	if learnt.mae > 0.75*fixed.mae {
		t.Errorf("the mean error is %.1f s, of a fixed speed %.1f s", learnt.mae, fixed.mae)
	}
	if learnt.median > 0.8*fixed.median || learnt.mape > 0.85*fixed.mape {
		t.Errorf("learnt %v, fixed %v", learnt, fixed)
	}
}
