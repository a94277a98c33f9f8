package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/hexfleet/hexfleet/geo"
)

// hex is a cell of a map; Class is its step of the colours.
type hex struct{ Class, D, Title string }

// scaleBar is how long a round number of kilometres is.
type scaleBar struct {
	Label      string
	X, Y, Long float64
}

// mapHeight is a map's, which has no axes.
const mapHeight = 330.0

// mapInset is what a map leaves free: its title above, its scale below.
const (
	mapTop    = 30.0
	mapBottom = 24.0
	mapSide   = 6.0
)

// projection lays cells out flat: equirectangular about the middle of the map, which is true to a thousandth over a city.
type projection struct {
	lat, lng       float64 // of the middle
	perLat, perLng float64 // units a degree
	reach          float64 // half a cell, in units
}

// outliers is the share of the orders that may lie outside of the map on each of its four sides: a few far ones would
// else make a dot of the city.
const outliers = 0.004

// project finds the projection in which most orders of all policies are on the map; false without cells.
func project(policies []Policy) (p projection, ok bool) {
	var lats, lngs []weight
	var first geo.LatLng
	resolution := 0
	for i := range policies {
		for _, c := range mapped(&policies[i]) {
			n, at := atLeast0(c.Requested), c.Cell.Center()
			if !ok {
				first, resolution, ok = at, c.Cell.Resolution(), true
			}
			lats = append(lats, weight{at.Lat, n})
			lngs = append(lngs, weight{first.Lng + math.Remainder(at.Lng-first.Lng, 360), n})
		}
	}
	if !ok {
		return p, false
	}
	south, north := inner(lats)
	west, east := inner(lngs)
	p.lat, p.lng = (south+north)/2, (west+east)/2
	shrink := math.Cos(p.lat * math.Pi / 180)
	cell := float64(geo.CellReach(resolution)) / meridian
	const room = 2.2 // cells more than their centres, on both sides together
	p.perLat = min((mapHeight-mapTop-mapBottom)/(north-south+room*cell), (width-2*mapSide)/((east-west)*shrink+room*cell))
	p.perLng = p.perLat * shrink
	p.reach = cell * p.perLat
	return p, true
}

// meridian is the metres of one degree of latitude.
const meridian = float64(geo.EarthRadius) * math.Pi / 180

type weight struct{ at, n float64 }

// inner is the range that leaves out the outliers at either end.
func inner(all []weight) (low, high float64) {
	slices.SortFunc(all, func(a, b weight) int {
		if a.at < b.at {
			return -1
		}
		if a.at > b.at {
			return 1
		}
		return 0
	})
	sum := 0.0
	for _, w := range all {
		sum += w.n
	}
	low, high = all[0].at, all[len(all)-1].at
	part := 0.0
	for _, w := range all {
		if part <= outliers*sum {
			low = w.at
		}
		part += w.n
		if part >= (1-outliers)*sum {
			high = w.at
			break
		}
	}
	return low, high
}

// mapped are the cells in which something was asked for.
func mapped(p *Policy) []Cell {
	return slices.DeleteFunc(slices.Clone(p.Cells), func(c Cell) bool { return c.Cell == 0 || atLeast0(c.Requested) == 0 })
}

// place gives where a place is drawn, to a hundredth, and whether it is on the map.
func (p *projection) place(at geo.LatLng) (x, y float64, on bool) {
	x = width/2 + math.Remainder(at.Lng-p.lng, 360)*p.perLng
	y = mapTop + (mapHeight-mapTop-mapBottom)/2 - (at.Lat-p.lat)*p.perLat
	on = x >= mapSide && x <= width-mapSide && y >= mapTop && y <= mapHeight-mapBottom-p.reach
	return math.Round(100*x) / 100, math.Round(100*y) / 100, on
}

// outline draws a cell.
func (p *projection) outline(c geo.Cell) string {
	var d pen
	for _, corner := range c.Boundary() {
		x, y, _ := p.place(corner)
		d.to(x, y)
	}
	return d.path() + "Z"
}

// scale is the bar of a round number of kilometres, about a quarter of the map.
func (p *projection) scale() *scaleBar {
	perKm := p.perLat / meridian * 1000
	at, km := math.Pow(10, math.Floor(math.Log10(width/4/perKm))), 0.0
	for _, times := range []float64{1, 2, 5} {
		if times*at*perKm <= width/4 {
			km = times * at
		}
	}
	return &scaleBar{Label: label(km, km) + " km", X: mapSide + 4, Y: mapHeight - 8, Long: round(km * perKm)}
}

// shades are the steps of colour; a value is of step i from bounds[i-1] to below bounds[i].
const shades = 6

// bounds are round values that part those of the cells into steps of about as many each, the lowest not empty.
func bounds(values []float64) []float64 {
	slices.Sort(values)
	var all []float64
	for i := 1; i < shades && len(values) > 0; i++ {
		v := roundOff(values[(len(values)-1)*i/shades])
		if v > values[0] && (len(all) == 0 || v > all[len(all)-1]) {
			all = append(all, v)
		}
	}
	return all
}

// roundOff leaves two digits of a value, and of one below ten the first.
func roundOff(v float64) float64 {
	if v <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	if v >= 10 {
		unit /= 10
	}
	return math.Max(1, math.Round(v/unit)) * unit
}

// shade is a value's step; the steps of fewer bounds are spread over the colours.
func shade(v float64, all []float64) int {
	n := 0
	for n < len(all) && v >= all[n] {
		n++
	}
	if len(all) == 0 {
		return shades - 1
	}
	return n * (shades - 1) / len(all)
}

// heat is one kind of map: a value of the cells, where they have one.
type heat struct {
	value func(Cell) (float64, bool)
	// write tells a value, none what a cell without one is.
	write func(float64) string
	none  string
}

// draw makes a map for each policy, all with the same colours.
func (h heat) draw(policies []Policy, s section) section {
	flat, ok := project(policies)
	if !ok {
		return s
	}
	var values []float64
	for i := range policies {
		for _, c := range mapped(&policies[i]) {
			if v, ok := h.value(c); ok {
				values = append(values, v)
			}
		}
	}
	all := bounds(values)
	s.Legend = h.legend(all)
	for i := range policies {
		p := &policies[i]
		cells := mapped(p)
		if len(cells) == 0 {
			continue
		}
		c := chart{Title: p.Name, Scale: flat.scale(), Height: mapHeight}
		outside := 0.0
		for _, cell := range cells {
			if _, _, on := flat.place(cell.Cell.Center()); !on {
				outside += atLeast0(cell.Requested)
				continue
			}
			c.Hexes = append(c.Hexes, h.hex(&flat, cell, all))
		}
		if outside > 0 {
			c.Scale.Label += fmt.Sprintf(" · orders outside of the map: %s", number(outside, digitsOf(outside)))
		}
		s.Charts = append(s.Charts, c)
	}
	return s
}

func (h heat) hex(flat *projection, c Cell, all []float64) hex {
	out := hex{Class: "none", D: flat.outline(c.Cell)}
	text := h.none
	if v, ok := h.value(c); ok {
		out.Class, text = fmt.Sprintf("h%d", shade(v, all)), h.write(v)
	}
	out.Title = fmt.Sprintf("%s: %s of %s orders", c.Cell, text, number(atLeast0(c.Requested), digitsOf(atLeast0(c.Requested))))
	return out
}

func (h heat) legend(all []float64) []key {
	keys := []key{{"none", h.none}}
	for n := range len(all) + 1 {
		var text string
		switch {
		case len(all) == 0:
			text = "any"
		case n == 0:
			text = "below " + h.write(all[0])
		case n == len(all):
			text = h.write(all[n-1]) + " and more"
		default:
			text = h.write(all[n-1]) + " to " + h.write(all[n])
		}
		step := shades - 1
		if len(all) > 0 {
			step = n * (shades - 1) / len(all)
		}
		keys = append(keys, key{fmt.Sprintf("h%d", step), text})
	}
	return keys
}

// unservedMap draws where orders are not served.
func unservedMap(policies []Policy) section {
	return heat{
		value: func(c Cell) (float64, bool) { return c.Unserved, known(c.Unserved) && c.Unserved > 0 },
		write: func(v float64) string { return number(v, digitsOf(v)) },
		none:  "none",
	}.draw(policies, section{
		Title: "Unserved demand",
		Means: "Orders that were lost or cancelled, by the H3 cell of their pickup. Cells without any order are left out; the colours are the same in all maps.",
	})
}

// waitMap draws where orders wait long.
func waitMap(policies []Policy) section {
	return heat{
		value: func(c Cell) (float64, bool) { return c.WaitMean, known(c.WaitMean) && c.Requested > c.Unserved },
		write: span,
		none:  "nobody served",
	}.draw(policies, section{
		Title: "Mean wait by place",
		Means: "From the order to the driver at the pickup, the mean over the orders picked up in each H3 cell. The colours are the same in all maps.",
	})
}
