package sim

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

var rewrite = flag.Bool("rewrite", false, "write demand_sf.txt anew from the trips")

const (
	demandTable = "demand_sf.txt"
	demandTrips = "../../../shared/data/sf/trips_2008-05-17_2008-06-01.csv.gz"
	// demandResolution is that of the cells: 0.7 km2 each, fine enough to tell one quarter from another and
	// coarse enough that no ride can be made out.
	demandResolution = 8
	// demandLeast is how many rides must begin or end in a cell for it to stand in the table: four a day.
	demandLeast = 64
	// demandTargets is how many destinations a cell has of its own.
	demandTargets = 24
)

const demandHead = `# Rides of San Francisco's Yellow Cab fleet, 17 May to 1 June 2008: rides an hour, and counts by H3 cell of
# resolution 8, for cells in which at least 64 rides begin or end. Written by "make fit" (demand_fit_test.go);
# its form is told at parseDemand. Hours are local.
#
# Source: CRAWDAD epfl/mobility (v. 2009-02-24), by Michal Piorkowski, Natasa Sarafijanovic-Djukic and Matthias
# Grossglauser, https://doi.org/10.15783/C7J010. The data set itself is not part of this product.
`

// TestDemandFit keeps the table to what the trips say, where they are.
func TestDemandFit(t *testing.T) {
	if _, err := os.Stat(demandTrips); err != nil {
		if *rewrite {
			t.Fatal(err)
		}
		t.Logf("no %s here: the fit is not compared, a made-up one is", demandTrips)
		fitMadeUp(t)
		return
	}
	trips, err := TripFile(demandTrips)
	if err != nil {
		t.Fatal(err)
	}
	got := fitDemand(t, trips)
	if *rewrite {
		if err := os.WriteFile(demandTable, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != sanFrancisco {
		t.Errorf("%s is not what %s says; make fit writes it anew", demandTable, demandTrips)
	}
}

// fitMadeUp fits a stream drawn from the table and expects about the table again.
func fitMadeUp(t *testing.T) {
	d := sf(t)
	r := seeded(3)
	at := time.Date(2008, 5, 17, 7, 0, 0, 0, time.UTC)
	var trips []Trip
	for end := at.AddDate(0, 0, 16); ; {
		trip := Trip{}
		at, trip.Pickup, trip.Dropoff = d.Next(r, at)
		if trip.At = at; !at.Before(end) {
			break
		}
		trips = append(trips, trip)
	}
	again, err := parseDemand(fitDemand(t, trips), d.zone)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := again.busiest(), d.busiest(); math.Abs(got/want-1) > 0.1 {
		t.Errorf("the busiest hour of the fit has %v rides a second, want about %v", got, want)
	}
}

// fitted is one cell while it is counted.
type fitted struct {
	id        string
	points    []geo.LatLng
	from      [dayParts]int
	to        int
	goes      map[*fitted]int
	number    int
	keep      bool
	middle    geo.LatLng
	spreading geo.Meters
}

// fitDemand counts trips into a table.
func fitDemand(t *testing.T, trips []Trip) string {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	cells := map[string]*fitted{}
	cell := func(p geo.LatLng) *fitted {
		at, ok := geo.CellAt(p, demandResolution)
		if !ok {
			t.Fatalf("%v is no place", p)
		}
		id := at.String()
		c := cells[id]
		if c == nil {
			c = &fitted{id: id, goes: map[*fitted]int{}}
			cells[id] = c
		}
		c.points = append(c.points, p)
		return c
	}
	var rides [7][24]int
	days := [7]map[int]bool{}
	for _, trip := range trips {
		local := trip.At.In(zone)
		rides[local.Weekday()][local.Hour()]++
		if days[local.Weekday()] == nil {
			days[local.Weekday()] = map[int]bool{}
		}
		days[local.Weekday()][local.YearDay()] = true
		from, to := cell(trip.Pickup), cell(trip.Dropoff)
		from.from[local.Hour()*dayParts/24]++
		to.to++
		from.goes[to]++
	}
	var text strings.Builder
	text.WriteString(demandHead)
	for day := range rides {
		fmt.Fprintf(&text, "hours %d", day)
		for _, n := range rides[day] {
			fmt.Fprintf(&text, " %.0f", float64(n)/float64(len(days[day])))
		}
		text.WriteString("\n")
	}
	writeCells(&text, cells)
	return text.String()
}

// writeCells writes the cells that are busy enough, ascending by id.
func writeCells(text *strings.Builder, cells map[string]*fitted) {
	var kept []*fitted
	for _, c := range cells {
		if c.keep = len(c.points) >= demandLeast; c.keep {
			kept = append(kept, c)
		}
	}
	slices.SortFunc(kept, func(a, b *fitted) int { return cmp.Compare(a.id, b.id) })
	for i, c := range kept {
		c.number = i
		c.settle()
	}
	for _, c := range kept {
		fmt.Fprintf(text, "cell %s %.4f %.4f %.0f", c.id, c.middle.Lat, c.middle.Lng, float64(c.spreading))
		for _, n := range c.from {
			fmt.Fprintf(text, " %d", n)
		}
		fmt.Fprintf(text, " %d", c.to)
		for _, to := range c.targets() {
			fmt.Fprintf(text, " %d:%d", to.number, c.goes[to])
		}
		text.WriteString("\n")
	}
}

// settle finds the middle of what happened in the cell, and how far from it that was.
func (c *fitted) settle() {
	n := float64(len(c.points))
	for _, p := range c.points {
		c.middle.Lat += p.Lat / n
		c.middle.Lng += p.Lng / n
	}
	square := 0.0
	for _, p := range c.points {
		square += math.Pow(float64(geo.Distance(c.middle, p)), 2) / n
	}
	c.spreading = geo.Meters(math.Sqrt(square))
}

// targets are the most frequent destinations, at least twice gone to.
func (c *fitted) targets() []*fitted {
	var to []*fitted
	for target, n := range c.goes {
		if target.keep && n > 1 {
			to = append(to, target)
		}
	}
	slices.SortFunc(to, func(a, b *fitted) int {
		return cmp.Or(cmp.Compare(c.goes[b], c.goes[a]), cmp.Compare(a.number, b.number))
	})
	return to[:min(len(to), demandTargets)]
}
