package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// madeUp is a report of a size as a day of San Francisco gives it.
func madeUp(policies int) Report {
	zone := time.FixedZone("PDT", -7*3600)
	from := time.Date(2008, 5, 30, 0, 0, 0, 0, zone)
	demand := []float64{807, 685, 387, 174, 208, 231, 402, 599, 885, 900, 814, 810, 816, 918, 849, 772, 767, 981, 1265, 1463, 1447, 1475, 1643, 1751}
	names := []string{"nearest", "nearest_freed", "batch", "batch_chain", "round optimum", "fair", "wide_radius", "patient", "greedy_at_night", "markets.geojson: a rather long name of a policy"}
	r := Report{
		Title:   "Simulation of market sf",
		Command: "hexfleet simulate --trips trips_2008-05-17_2008-06-01.csv.gz --sessions sessions.csv.gz --from 2008-05-30T00:00:00-07:00 --policy nearest,nearest_freed,batch,batch_chain --seeds 5 --report day.html",
		Facts: []Fact{
			{"Drivers", "489"}, {"Orders", "21,049"}, {"From", "2008-05-30T00:00:00-07:00"}, {"To", "2008-05-31T00:00:00-07:00"},
			{"Travel times", "learnt"}, {"Seeds", "5"},
		},
	}
	for n := range policies {
		rng := rand.New(rand.NewPCG(uint64(n), 1))
		better := 1 - 0.07*float64(n)
		p := Policy{Name: names[n%len(names)]}
		waits := 240 * better
		for seed := range uint64(5) {
			p.Seeds = append(p.Seeds, seed+1)
			p.Digests = append(p.Digests, fmt.Sprintf("%016x%016x%016x%016x", rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64()))
		}
		over := func(v float64) Figure { return Over(v*0.99, v, v*1.008, v*1.002, v*0.995) }
		p.Requested, p.Served, p.ServedShare = over(21049), over(21049*(1-0.08*better)), over(1-0.08*better)
		p.Lost, p.CancelledByRider, p.CancelledByDriver = over(1200*better), over(400*better), over(31)
		p.WaitMean, p.WaitP50, p.WaitP95 = over(waits), over(waits*0.8), over(waits*2.6)
		p.DeadheadSeconds, p.DeadheadMeters, p.NextMeters = over(waits*1.1), over(1200*better), over(1100*better)
		p.Utilisation, p.Gini, p.OffersPerMatch, p.RoundGap = over(0.61), over(0.118*better+0.05), over(1.07), over(0.012*better)
		p.DecisionP50, p.DecisionP99 = over(1.1), over(14.2)
		for i, asked := range demand {
			rush := asked / 1751
			lost := asked * 0.1 * rush * better
			p.Hours = append(p.Hours, Hour{
				At: from.Add(time.Duration(i) * time.Hour), Requested: asked, Served: asked - 1.4*lost, Lost: lost, Cancelled: 0.4 * lost,
				WaitMean: waits * (0.5 + rush) * (0.95 + 0.1*rng.Float64()), WaitP95: 2.6 * waits * (0.5 + rush) * (0.95 + 0.1*rng.Float64()),
			})
		}
		for range 20000 {
			p.Waits = append(p.Waits, waits*0.8*math.Exp(0.6*rng.NormFloat64()))
		}
		for range 480 {
			p.Earnings = append(p.Earnings, min(58, max(0, 34+8*better*rng.NormFloat64())))
		}
		p.Cells = madeUpCells(rng, better, waits)
		r.Policies = append(r.Policies, p)
	}
	return r
}

func madeUpCells(rng *rand.Rand, better, waits float64) []Cell {
	counts := map[geo.Cell]float64{}
	for range 12000 {
		c, _ := geo.CellAt(geo.LatLng{Lat: 37.777 + 0.018*rng.NormFloat64(), Lng: -122.425 + 0.024*rng.NormFloat64()}, 8)
		counts[c]++
	}
	for range 60 { // the airport, and somebody far away
		c, _ := geo.CellAt(geo.LatLng{Lat: 37.616, Lng: -122.386}, 8)
		counts[c] += 12
	}
	far, _ := geo.CellAt(geo.LatLng{Lat: 38.1, Lng: -121.8}, 8)
	counts[far] = 3
	var cells []Cell
	for c, n := range counts {
		lost := math.Floor(n * 0.12 * better * rng.Float64())
		cells = append(cells, Cell{Cell: c, Requested: n, Unserved: lost, WaitMean: waits * (0.6 + rng.Float64())})
	}
	return cells
}

// references are rows that know little.
func references() []Policy {
	return []Policy{
		{Name: "clairvoyant", Kind: Estimate, Note: "knows every order beforehand; over the 32 nearest predecessors of each order", ServedShare: Over(0.987), DeadheadMeters: Over(350)},
		{Name: "human fleet", Kind: Human, Note: "who drove the recorded trips; 20,162 chains, median 716 m", NextMeters: Over(1936)},
	}
}

// written gives the page, which must be well-formed XML and load nothing.
func written(t *testing.T, r Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader(b.Bytes()))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok {
			check(t, e)
		}
	}
	for _, wrong := range []string{"NaN", "Inf", "ZgotmplZ", "<no value>", "%!"} {
		if strings.Contains(b.String(), wrong) {
			t.Errorf("the page has %s", wrong)
		}
	}
	return b.String()
}

var pathForm = regexp.MustCompile(`^(M-?[0-9.]+ -?[0-9.]+(L-?[0-9.]+ -?[0-9.]+)*)*Z?$`)

// check holds an element against what a page without scripts may have.
func check(t *testing.T, e xml.StartElement) {
	t.Helper()
	switch e.Name.Local {
	case "script", "link", "img", "iframe", "image", "use":
		t.Errorf("the page has a %s", e.Name.Local)
	}
	for _, a := range e.Attr {
		switch a.Name.Local {
		case "href", "src", "onclick":
			t.Errorf("%s has %s %q", e.Name.Local, a.Name.Local, a.Value)
		case "d":
			if !pathForm.MatchString(a.Value) {
				t.Errorf("a path is %q", a.Value)
			}
		case "x", "y", "width", "height":
			var v float64
			if n, err := fmt.Sscanf(a.Value, "%g", &v); e.Name.Local != "meta" && (n != 1 || err != nil || v < 0 || v > 400) {
				t.Errorf("%s of %s is %q", a.Name.Local, e.Name.Local, a.Value)
			}
		}
	}
}

func TestWrite(t *testing.T) {
	t.Run("nothing_is_a_page_too", func(t *testing.T) {
		page := written(t, Report{})
		if strings.Contains(page, "<figure>") || !strings.Contains(page, "No policy was simulated") {
			t.Error("an empty report has charts, or does not say that it is empty")
		}
	})
	for _, n := range []int{1, 4, 10} {
		t.Run(fmt.Sprintf("has_all_charts_of_%d_policies", n), func(t *testing.T) {
			r := madeUp(n)
			r.Policies = append(r.Policies, references()...)
			page := written(t, r)
			// Two of waits by hour, one of all waits, one of Lorenz; and four a policy.
			if got := strings.Count(page, "<figure>"); got != 4+4*n {
				t.Errorf("%d charts for %d policies, want %d", got, n, 4+4*n)
			}
			for _, want := range []string{r.Command[:40], "489", "estimate</span>", "human</span>", "1,936", r.Policies[0].Digests[4], "outside of the map"} {
				if !strings.Contains(page, want) {
					t.Errorf("the page does not tell %q", want)
				}
			}
			if strings.Contains(page, "Click to door") {
				t.Error("a page without meals has their columns")
			}
			classes := map[string]bool{}
			for i := range n {
				classes[lineClass(i, &r.Policies[i])] = true
			}
			if len(classes) != n {
				t.Errorf("%d policies have %d kinds of lines", n, len(classes))
			}
			if path := os.Getenv("HEXFLEET_REPORT"); path != "" && n == 4 {
				if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	t.Run("names_are_told_not_run", func(t *testing.T) {
		const nasty = `</title><script>alert("1")</script>&'` + "`{{.}}"
		r := madeUp(1)
		r.Title, r.Command, r.Facts = nasty, nasty, []Fact{{nasty, nasty}}
		r.Policies[0].Name, r.Policies[0].Note, r.Policies[0].Digests[0] = nasty, nasty, nasty
		if page := written(t, r); strings.Contains(page, "<script") {
			t.Error("a name came through as it was")
		}
	})
	t.Run("what_is_no_number_is_left_out", func(t *testing.T) {
		nan, inf := math.NaN(), math.Inf(1)
		cell, _ := geo.CellAt(geo.LatLng{Lat: 37.77, Lng: -122.42}, 8)
		p := Policy{
			Name: "odd", WaitMean: Figure{Mean: nan, N: 1}, Gini: Figure{Mean: inf, N: 2}, Lost: Figure{Mean: 1, Low: nan, High: inf, N: 2},
			Hours:    []Hour{{Served: 1, WaitMean: nan, WaitP95: inf, Lost: nan, Cancelled: -1}, {Served: nan}, {At: time.Unix(0, 0), Served: 5, WaitMean: 3}},
			Waits:    []float64{nan, inf, -1, 0},
			Earnings: []float64{nan, 0},
			Cells:    []Cell{{}, {Cell: cell, Requested: nan}, {Cell: cell, Requested: 1, Unserved: inf, WaitMean: nan}},
		}
		written(t, Report{Policies: []Policy{p}})
	})
	t.Run("a_single_order_is_drawn", func(t *testing.T) {
		cell, _ := geo.CellAt(geo.LatLng{Lat: 0.2, Lng: 179.999}, 8)
		at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
		p := Policy{
			Name: "one", Hours: []Hour{{At: at, Requested: 1, Served: 1, WaitMean: 30, WaitP95: 30}}, Waits: []float64{30}, Earnings: []float64{12},
			Cells: []Cell{{Cell: cell, Requested: 1, WaitMean: 30}},
		}
		page := written(t, Report{Policies: []Policy{p}})
		if got := strings.Count(page, "<figure>"); got != 8 {
			t.Errorf("%d charts, want 8", got)
		}
	})
	t.Run("an_error_of_the_writer_comes_back", func(t *testing.T) {
		if err := Write(full{}, madeUp(1)); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("got %v", err)
		}
	})
}

// full takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWrite_reference_is_seen_over_a_policy(t *testing.T) {
	r := madeUp(1)
	same := r.Policies[0]
	same.Name, same.Kind, same.Note = "round optimum", Reference, "an optimum"
	r.Policies = append(r.Policies, same)
	page := written(t, r)
	for _, want := range []string{`class="line c0 d0"`, `class="line c1 reference"`, `<span class="badge">reference</span>`, "</strong>: an optimum"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

func TestProjection_place_leaves_the_scale_free(t *testing.T) {
	policies := madeUp(1).Policies
	flat, ok := project(policies)
	if !ok {
		t.Fatal("no map")
	}
	on := 0
	for _, c := range mapped(&policies[0]) {
		if _, _, drawn := flat.place(c.Cell.Center()); !drawn {
			continue
		}
		on++
		for _, corner := range c.Cell.Boundary() {
			if _, y, _ := flat.place(corner); y > mapHeight-mapBottom+0.1 {
				t.Errorf("a cell reaches to %.1f, over the scale below %.1f", y, mapHeight-mapBottom)
			}
		}
	}
	if on < 100 {
		t.Errorf("%d cells are on the map", on)
	}
}
