package report

import (
	"fmt"
	"slices"
)

// drawn is how many points a curve has at most.
const drawn = 120

// sorted gives the known values at or above 0, ascending.
func sorted(values []float64) []float64 {
	out := make([]float64, 0, len(values))
	for _, v := range values {
		if known(v) && v >= 0 {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out
}

// waitShares draws how many orders wait no longer than a span.
func waitShares(policies []Policy) (c chart, ok bool) {
	all, most := make([][]float64, len(policies)), 0.0
	for i := range policies {
		if all[i] = sorted(policies[i].Waits); len(all[i]) > 0 {
			most, ok = max(most, all[i][(len(all[i])-1)*99/100]), true
		}
	}
	unit := durationUnit(most)
	c = chart{Title: "How many wait at most so long", X: level(unit.unit, most*unit.scale), Y: upright("% of orders picked up", 100), Height: height}
	for i, waits := range all {
		if len(waits) == 0 {
			continue
		}
		var d pen
		d.to(c.X.x(0), c.Y.y(0))
		inside, _ := slices.BinarySearch(waits, c.X.high/unit.scale)
		for n := range drawn + 1 {
			if at := (len(waits) - 1) * n / drawn; at < inside {
				d.to(c.X.x(waits[at]*unit.scale), c.Y.y(100*float64(at+1)/float64(len(waits))))
			}
		}
		d.to(c.X.x(c.X.high), c.Y.y(100*float64(inside)/float64(len(waits))))
		c.Lines = append(c.Lines, line{Class: lineClass(i, &policies[i]), D: d.path(), Title: policies[i].Name})
	}
	return c, ok
}

// bins is about how many bars a histogram has.
const bins = 20

// earnings draws how evenly drivers earn and how much, a histogram for each policy.
func earnings(policies []Policy) section {
	s := lorenz(policies)
	if len(s.Charts) == 0 {
		return s
	}
	s.Legend = append(s.Legend, key{"served", "drivers"}, key{"median", "median"})
	histograms(policies, &s)
	return s
}

func histograms(policies []Policy, s *section) {
	all, most, tallest := make([][]float64, len(policies)), 0.0, 0.0
	for i := range policies {
		if all[i] = sorted(policies[i].Earnings); len(all[i]) > 0 {
			most = max(most, all[i][len(all[i])-1])
		}
	}
	x := level("minutes an hour", most)
	counts := make([][bins]float64, len(policies))
	for i, values := range all {
		for _, v := range values {
			counts[i][min(bins-1, int(v/x.high*bins))] += 100 / float64(len(values))
		}
		tallest = max(tallest, slices.Max(counts[i][:]))
	}
	for i, values := range all {
		if len(values) == 0 {
			continue
		}
		c := chart{Title: policies[i].Name, X: x, Y: upright("% of drivers", tallest), Height: height}
		for n, share := range counts[i] {
			if share == 0 {
				continue
			}
			from, to := x.high*float64(n)/bins, x.high*float64(n+1)/bins
			top := c.Y.y(share)
			c.Bars = append(c.Bars, bar{
				Class: "served", X: round(c.X.x(from) + 0.5), W: round(c.X.x(to) - c.X.x(from) - 1), Y: top, H: round(c.Y.y(0) - top),
				Title: fmt.Sprintf("%s to %s min/h: %s %%", number(from, 1), number(to, 1), number(share, 1)),
			})
		}
		var d pen
		middle := c.X.x(values[(len(values)-1)/2])
		d.to(middle, plotTop)
		d.to(middle, plotBase)
		c.Lines = []line{{Class: "median", D: d.path(), Title: "median " + number(values[(len(values)-1)/2], 1) + " min/h"}}
		s.Charts = append(s.Charts, c)
	}
}

// lorenz draws which share of all earnings the drivers who earn least have together.
func lorenz(policies []Policy) section {
	s := section{
		Title: "Earnings of drivers",
		Means: "A driver's earnings are its minutes with a passenger for each hour on duty, told of drivers with at least an hour of it. " +
			"Lorenz curve: the share of the sum of them that so many drivers have together, beginning with those who earn least; the straight " +
			"line is where all earn alike. Gini: the area between the two, over that below the straight one; 0 is even, 1 is all for one.",
	}
	c := chart{Title: "Lorenz curve", X: level("% of drivers", 100), Y: upright("% of earnings", 100), Height: height}
	var even pen
	even.to(c.X.x(0), c.Y.y(0))
	even.to(c.X.x(100), c.Y.y(100))
	c.Lines = []line{{Class: "even", D: even.path(), Title: "all earn alike"}}
	for i := range policies {
		p := &policies[i]
		values := sorted(p.Earnings)
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		if sum == 0 {
			continue
		}
		var d pen
		d.to(c.X.x(0), c.Y.y(0))
		every, part := max(1, len(values)/drawn), 0.0
		for n, v := range values {
			if part += v; (n+1)%every == 0 || n == len(values)-1 {
				d.to(c.X.x(100*float64(n+1)/float64(len(values))), c.Y.y(100*part/sum))
			}
		}
		c.Lines = append(c.Lines, line{Class: lineClass(i, p), D: d.path(), Title: p.Name})
		g := p.Gini.Mean
		if p.Gini.N == 0 || !known(g) {
			g = gini(values, sum)
		}
		s.Legend = append(s.Legend, key{lineClass(i, p), fmt.Sprintf("%s (Gini %s)", p.Name, number(g, 3))})
	}
	if len(s.Legend) > 0 {
		s.Legend = append(s.Legend, key{"even", "all earn alike"})
		s.Charts = []chart{c}
	}
	return s
}

// gini is the Gini coefficient of ascending values of at least 0 and their sum.
func gini(values []float64, sum float64) float64 {
	weighted, n := 0.0, float64(len(values))
	for i, v := range values {
		weighted += float64(i+1) * v
	}
	return 2*weighted/(n*sum) - (n+1)/n
}
