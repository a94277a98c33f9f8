package report

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// A chart is so large, in the units of its drawing; the page shows it at about this size on a phone and larger elsewhere.
// The plot lies within the margins, which hold what the axes tell.
const (
	width, height                          = 380.0, 250.0
	marginLeft, marginRight                = 46.0, 20.0
	marginTop, marginBottom                = 34.0, 38.0
	plotWidth, plotHeight                  = width - marginLeft - marginRight, height - marginTop - marginBottom
	plotLeft, plotRight, plotTop, plotBase = marginLeft, width - marginRight, marginTop, height - marginBottom
)

// chart is one drawing: what is drawn within the axes, or a map without any.
type chart struct {
	Title string
	// X and Y are nil in a map.
	X, Y   *axis
	Bars   []bar
	Lines  []line
	Hexes  []hex
	Scale  *scaleBar
	Height float64
}

// axis tells a range of values and where its ticks are, in units of the drawing.
type axis struct {
	Title string
	Ticks []tick
	low   float64
	high  float64
}

type tick struct {
	At    float64
	Label string
}

// line is a path; Title is shown of what is under the pointer, as is a bar's.
type line struct{ Class, D, Title string }

type bar struct {
	Class, Title string
	X, Y, W, H   float64
}

// colours is how many a line may have; further policies have the same colours dashed.
const colours = 7

// lineClass is how the lines of the i-th policy look. A reference's are dashed: it may do just what a policy does, which is
// to be seen below it.
func lineClass(i int, of *Policy) string {
	if of.Kind != Simulated {
		return fmt.Sprintf("c%d reference", i%colours)
	}
	return fmt.Sprintf("c%d d%d", i%colours, i/colours%3)
}

func (a *axis) share(v float64) float64 {
	if a.high <= a.low {
		return 0
	}
	return min(1, max(0, (v-a.low)/(a.high-a.low)))
}

func (a *axis) x(v float64) float64 { return round(plotLeft + a.share(v)*plotWidth) }
func (a *axis) y(v float64) float64 { return round(plotBase - a.share(v)*plotHeight) }

// round keeps a tenth of a unit, which nobody sees more of.
func round(v float64) float64 { return math.Round(10*v) / 10 }

// steps gives ascending round values from 0 to the first one at or above most, at most n of them after 0: 1, 2 or 5
// times a power of ten apart.
func steps(most float64, n int) []float64 {
	if !(most > 0) || !known(most) {
		most = 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(most))-1)
	step := unit
	for _, times := range []float64{1, 2, 5, 10, 20, 50, 100} {
		if step = times * unit; math.Ceil(most/step-1e-9) <= float64(n) {
			break
		}
	}
	var all []float64
	for i := 0; ; i++ {
		v := float64(i) * step
		if all = append(all, v); i > 0 && v >= most*(1-1e-9) {
			return all
		}
	}
}

// label writes a tick's value with as many digits as its step wants.
func label(v, step float64) string {
	digits := 0
	if step < 1 {
		digits = int(math.Ceil(-math.Log10(step) - 1e-9))
	}
	return number(v, digits)
}

// upright is an axis of values from 0.
func upright(title string, most float64) *axis {
	all := steps(most, 5)
	a := &axis{Title: title, high: all[len(all)-1]}
	for _, v := range all {
		a.Ticks = append(a.Ticks, tick{a.y(v), label(v, all[1])})
	}
	return a
}

// level is the same to the right, ending where most is.
func level(title string, most float64) *axis {
	all := steps(most, 6)
	a := &axis{Title: title, high: all[len(all)-1]}
	for _, v := range all {
		a.Ticks = append(a.Ticks, tick{a.x(v), label(v, all[1])})
	}
	return a
}

// hoursAxis is one of time, to the right, from one instant to another.
func hoursAxis(from, to time.Time) *axis {
	a := &axis{low: 0, high: to.Sub(from).Hours()}
	const most = 7 // ticks, about
	step := 24 * (int(a.high/24/most) + 1)
	for _, h := range []int{1, 2, 3, 4, 6, 12, 24, 48} {
		if a.high/float64(h) <= most {
			step = h
			break
		}
	}
	a.Title = "local time"
	if step >= 24 {
		a.Title = "local date"
	}
	t := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, from.Location())
	for ; !t.After(to); t = t.Add(time.Duration(step) * time.Hour) {
		if t.Before(from) {
			continue
		}
		text := t.Format("15:04")
		if step >= 24 {
			text = t.Format("2 Jan")
		}
		a.Ticks = append(a.Ticks, tick{a.x(t.Sub(from).Hours()), text})
	}
	return a
}

// pen writes a path; a point that is not known lifts it.
type pen struct {
	b    strings.Builder
	down bool
	x, y float64
}

func (p *pen) to(x, y float64) {
	if !known(x) || !known(y) {
		p.down = false
		return
	}
	verb := "M"
	if p.down {
		verb = "L"
	}
	if p.down && x == p.x && y == p.y {
		return
	}
	fmt.Fprintf(&p.b, "%s%g %g", verb, x, y)
	p.down, p.x, p.y = true, x, y
}

func (p *pen) up() { p.down = false }

func (p *pen) path() string { return p.b.String() }

// duration tells spans in seconds up to three minutes, else in minutes.
type duration struct {
	unit  string
	scale float64
}

func durationUnit(mostSeconds float64) duration {
	if mostSeconds > 180 {
		return duration{"min", 1.0 / 60}
	}
	return duration{"s", 1}
}

// span writes seconds for people.
func span(seconds float64) string {
	if seconds < 60 {
		return number(seconds, 0) + " s"
	}
	return fmt.Sprintf("%d:%02d min", int(math.Round(seconds))/60, int(math.Round(seconds))%60)
}
