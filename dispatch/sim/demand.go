package sim

import (
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// sanFrancisco is the fitted table; its head tells from what, and its form.
//
//go:embed demand_sf.txt
var sanFrancisco string

// Demand is how often and from where to where a city's riders ask, by the hour of the week. Places are those
// of a fitted table: H3 cells with their own shares in each part of the day, and of each cell where its rides
// go. It is immutable, and safe for concurrent use.
type Demand struct {
	zone *time.Location
	// hours are the rides an hour, by weekday (Sunday is 0) and local hour.
	hours [7][24]float64
	cells []demandCell
	// origins adds up the rides from the cells in each part of the day, arrivals those to each cell, in the
	// order of cells: what a share is drawn from.
	origins  [dayParts][]float64
	arrivals []float64
	factor   float64
}

// dayParts are the quarters of the local day: 0 to 6, 6 to 12, 12 to 18, 18 to 24 o'clock.
const dayParts = 4

// demandCell is one cell of the table.
type demandCell struct {
	id string
	// middle is the mean of what happened in the cell, spread the root mean square of the distance from it.
	middle geo.LatLng
	spread geo.Meters
	// from counts the rides that begin here in each part of the day, to all that end here.
	from [dayParts]float64
	to   float64
	// goes adds up the rides from here to the cells of targets; what is above its last element goes anywhere.
	targets []int
	goes    []float64
	all     float64
}

// SanFrancisco is the demand that its Yellow Cab fleet of about 500 served in the spring of 2008. It fails only
// where the time zone is not known.
func SanFrancisco() (*Demand, error) {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		return nil, fmt.Errorf("demand of San Francisco: %w", err)
	}
	d, err := parseDemand(sanFrancisco, zone)
	if err != nil {
		return nil, fmt.Errorf("demand of San Francisco: %w", err)
	}
	return d, nil
}

// Times is the same demand with factor times as many rides.
func (d *Demand) Times(factor float64) *Demand {
	scaled := *d
	scaled.factor *= factor
	return &scaled
}

// Rate is the rides a second at an instant.
func (d *Demand) Rate(at time.Time) float64 {
	local := at.In(d.zone)
	return d.factor * d.hours[local.Weekday()][local.Hour()] / time.Hour.Seconds()
}

// Share is Rate at an instant against that of the busiest hour of the week, 0 to 1.
func (d *Demand) Share(at time.Time) float64 { return d.Rate(at) / d.busiest() }

// busiest is the highest Rate of the week.
func (d *Demand) busiest() float64 {
	most := 0.0
	for _, day := range d.hours {
		for _, rides := range day {
			most = max(most, rides)
		}
	}
	return d.factor * most / time.Hour.Seconds()
}

// Next is the first ride after now: the rides are a Poisson stream of Rate. The stream has no memory, so a
// ride that lies too far ahead may be dropped and drawn anew later.
func (d *Demand) Next(r *rand.Rand, now time.Time) (at time.Time, pickup, dropoff geo.LatLng) {
	// Thinning (Lewis and Shedler 1979): candidates at the highest rate, each kept with the chance of its hour.
	busiest := d.busiest()
	for at = now; ; {
		at = at.Add(time.Duration(r.ExpFloat64() / busiest * float64(time.Second)))
		if r.Float64()*busiest < d.Rate(at) {
			break
		}
	}
	pickup, dropoff = d.Ride(r, at)
	return at, pickup, dropoff
}

// shortestRide keeps the two ends of a ride apart: below that people walk.
const shortestRide geo.Meters = 400

// Ride draws the ends of a ride that begins at an instant.
func (d *Demand) Ride(r *rand.Rand, at time.Time) (pickup, dropoff geo.LatLng) {
	const tries = 16
	from := d.cells[draw(r, d.origins[d.part(at)])]
	pickup = from.place(r)
	for range tries {
		dropoff = d.cells[d.target(r, &from)].place(r)
		if geo.Distance(pickup, dropoff) >= shortestRide {
			break
		}
	}
	return pickup, dropoff
}

// Pickup draws a place where a ride begins at about an instant.
func (d *Demand) Pickup(r *rand.Rand, at time.Time) geo.LatLng {
	return d.cells[draw(r, d.origins[d.part(at)])].place(r)
}

func (d *Demand) part(at time.Time) int { return at.In(d.zone).Hour() * dayParts / 24 }

// target draws where a ride from a cell goes, as a place in cells.
func (d *Demand) target(r *rand.Rand, from *demandCell) int {
	x := r.Float64() * from.all
	if i := sort.Search(len(from.goes), func(i int) bool { return x < from.goes[i] }); i < len(from.goes) {
		return from.targets[i]
	}
	return draw(r, d.arrivals)
}

// draw gives i with the chance sums[i] - sums[i-1] of the last of sums, which ascend.
func draw(r *rand.Rand, sums []float64) int {
	x := r.Float64() * sums[len(sums)-1]
	return sort.Search(len(sums), func(i int) bool { return x < sums[i] })
}

// place is somewhere in the cell: normally distributed about its middle, never further off than twice the
// spread, which keeps most places ashore.
func (c *demandCell) place(r *rand.Rand) geo.LatLng {
	const furthest = 2
	for {
		off := math.Sqrt(r.ExpFloat64()) // Rayleigh, its mean square 1: the distance of a normal cloud
		if off <= furthest {
			return move(c.middle, c.spread*geo.Meters(off), 2*math.Pi*r.Float64())
		}
	}
}
