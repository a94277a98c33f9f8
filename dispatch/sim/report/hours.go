package report

import (
	"fmt"
	"time"
)

// hoursSpan is from the beginning of the first hour of any policy to the end of the last; false without any.
func hoursSpan(policies []Policy) (from, to time.Time, ok bool) {
	for i := range policies {
		for _, h := range policies[i].Hours {
			if !ok || h.At.Before(from) {
				from = h.At
			}
			if end := h.At.Add(time.Hour); !ok || end.After(to) {
				to = end
			}
			ok = true
		}
	}
	return from, to, ok
}

func hasHours(p *Policy) bool { return len(p.Hours) > 0 }

// waits draws them by hour, mean and p95, and all together, a line for each policy.
func waits(policies []Policy) section {
	s := section{
		Title: "Waits", Legend: legend(policies, func(p *Policy) bool { return hasHours(p) || len(sorted(p.Waits)) > 0 }),
		Means: "From the order to the driver at the pickup, of orders picked up; by hour of those placed in it. 95 % waited no longer than the p95. " +
			"Orders that were lost do not count: read waits together with what was served. Of the curves of all waits the one further left " +
			"and up is the better; the longest 1 % may be beyond the right edge.",
	}
	if from, to, ok := hoursSpan(policies); ok {
		s.Charts = waitsByHour(policies, from, to)
	}
	if c, ok := waitShares(policies); ok {
		s.Charts = append(s.Charts, c)
	}
	return s
}

func waitsByHour(policies []Policy, from, to time.Time) []chart {
	var charts []chart
	for _, of := range []struct {
		title string
		value func(Hour) float64
	}{
		{"Mean wait by hour", func(h Hour) float64 { return h.WaitMean }}, {"p95 of the wait by hour", func(h Hour) float64 { return h.WaitP95 }},
	} {
		most := 0.0
		for i := range policies {
			for _, h := range policies[i].Hours {
				if v := of.value(h); h.Served > 0 && known(v) {
					most = max(most, v)
				}
			}
		}
		unit := durationUnit(most)
		c := chart{Title: of.title, X: hoursAxis(from, to), Y: upright(unit.unit, most*unit.scale), Height: height}
		for i := range policies {
			if p := &policies[i]; hasHours(p) {
				c.Lines = append(c.Lines, hourLine(&c, p, lineClass(i, p), from, unit, of.value))
			}
		}
		charts = append(charts, c)
	}
	return charts
}

// hourLine goes through the middle of each hour; an hour in which nobody was picked up parts it.
func hourLine(c *chart, p *Policy, class string, from time.Time, unit duration, value func(Hour) float64) line {
	var d pen
	last := time.Time{}
	for _, h := range p.Hours {
		if h.Served <= 0 || h.At.Sub(last) > time.Hour {
			d.up()
		}
		last = h.At
		if v := value(h); h.Served > 0 && known(v) {
			x, y := c.X.x(h.At.Sub(from).Hours()+0.5), c.Y.y(v*unit.scale)
			if !d.down {
				d.to(x-0.5, y) // a single hour is a dot
			}
			d.to(x, y)
		}
	}
	return line{Class: class, D: d.path(), Title: p.Name}
}

// ordersByHour draws for each policy what became of the orders of each hour, one on the other.
func ordersByHour(policies []Policy) section {
	s := section{
		Title: "Orders by hour",
		Means: "What became of the orders placed in each hour, one on the other. Served: picked up. Cancelled: by the rider or the driver. " +
			"Lost: no driver was found in time. Over several seeds their mean.",
		Legend: []key{{"served", "served"}, {"cancelled", "cancelled"}, {"lost", "lost"}},
	}
	from, to, ok := hoursSpan(policies)
	if !ok {
		return s
	}
	most := 0.0
	for i := range policies {
		for _, h := range policies[i].Hours {
			if sum := atLeast0(h.Served) + atLeast0(h.Lost) + atLeast0(h.Cancelled); sum > most {
				most = sum
			}
		}
	}
	for i := range policies {
		p := &policies[i]
		if !hasHours(p) {
			continue
		}
		c := chart{Title: p.Name, X: hoursAxis(from, to), Y: upright("orders an hour", most), Height: height}
		for _, h := range p.Hours {
			c.Bars = append(c.Bars, hourBars(&c, h, from)...)
		}
		s.Charts = append(s.Charts, c)
	}
	return s
}

func hourBars(c *chart, h Hour, from time.Time) []bar {
	begin := h.At.Sub(from).Hours()
	x, end := c.X.x(begin), c.X.x(begin+1)
	gap := min(1.5, (end-x)/5)
	var bars []bar
	base := 0.0
	for _, part := range []struct {
		class string
		n     float64
	}{{"served", h.Served}, {"cancelled", h.Cancelled}, {"lost", h.Lost}} {
		n := atLeast0(part.n)
		if n == 0 {
			continue
		}
		top := c.Y.y(base + n)
		bars = append(bars, bar{
			Class: part.class, X: round(x + gap/2), W: max(0.5, round(end-x-gap)), Y: top, H: round(c.Y.y(base) - top),
			Title: fmt.Sprintf("%s: %s %s", h.At.Format("2 Jan 15:04"), number(n, digitsOf(n)), part.class),
		})
		base += n
	}
	return bars
}

// digitsOf is one for a mean that is no whole number.
func digitsOf(n float64) int {
	if n == float64(int(n)) {
		return 0
	}
	return 1
}

func atLeast0(v float64) float64 {
	if !known(v) {
		return 0
	}
	return max(0, v)
}
