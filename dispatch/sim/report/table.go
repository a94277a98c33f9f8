package report

import (
	"math"
	"strconv"
	"strings"
)

// table compares the policies: a row each, and of columns those of which any policy knows.
type table struct {
	Heads []head
	Rows  []row
}

type head struct{ Name, Unit, Means string }

type row struct {
	Name, Kind, Class, Note string
	Cells                   []tableCell
}

// tableCell is a mean, and below it the range over several seeds.
type tableCell struct{ Mean, Range string }

// measure is a column: how it is told and what it means.
type measure struct {
	head
	scale  float64
	digits int
	of     func(*Policy) Figure
}

// measures are the columns in their order.
func measures() []measure {
	return append(orderMeasures(), workMeasures()...)
}

func orderMeasures() []measure {
	return []measure{
		{head{"Requested", "orders", "orders placed"}, 1, 0, func(p *Policy) Figure { return p.Requested }},
		{head{"Served", "orders", "orders picked up"}, 1, 0, func(p *Policy) Figure { return p.Served }},
		{head{"Served", "%", "orders picked up, of those placed"}, 100, 1, func(p *Policy) Figure { return p.ServedShare }},
		{head{"Lost", "orders", "ended because no driver was found in time"}, 1, 0, func(p *Policy) Figure { return p.Lost }},
		{head{"Cancelled by rider", "orders", "given up by the rider, who lost patience or was not there"}, 1, 0, func(p *Policy) Figure { return p.CancelledByRider }},
		{head{"Cancelled by driver", "orders", "given up by the driver, and no other was found"}, 1, 0, func(p *Policy) Figure { return p.CancelledByDriver }},
		{head{"Wait mean", "s", "from the order to the driver at the pickup, of orders picked up"}, 1, 0, func(p *Policy) Figure { return p.WaitMean }},
		{head{"Wait p50", "s", "half of those wait no longer"}, 1, 0, func(p *Policy) Figure { return p.WaitP50 }},
		{head{"Wait p95", "s", "95 % of those wait no longer"}, 1, 0, func(p *Policy) Figure { return p.WaitP95 }},
		{head{"Click to door mean", "s", "from a meal's order to its customer's door"}, 1, 0, func(p *Policy) Figure { return p.ClickToDoorMean }},
		{head{"Click to door p95", "s", "95 % of the meals take no longer"}, 1, 0, func(p *Policy) Figure { return p.ClickToDoorP95 }},
		{head{"On time", "%", "meals at the door within the instance's target"}, 100, 1, func(p *Policy) Figure { return p.OnTimeShare }},
	}
}

func workMeasures() []measure {
	return []measure{
		{head{"Deadhead", "s", "time driven to pickups, those given up on the way too, for each order picked up"}, 1, 0, func(p *Policy) Figure { return p.DeadheadSeconds }},
		{head{"Deadhead", "m", "straight line to the pickup from where its driver was free before: its last drop-off, or where it came on duty"}, 1, 0, func(p *Policy) Figure { return p.DeadheadMeters }},
		{head{"Drop-off to pickup", "m", "straight line from a drop-off to the same driver's next pickup: like with like with a human fleet"}, 1, 0, func(p *Policy) Figure { return p.NextMeters }},
		{head{"Utilisation", "%", "time with a passenger or goods aboard, of the time on duty"}, 100, 1, func(p *Policy) Figure { return p.Utilisation }},
		{head{"Busy", "courier hours", "time in which couriers had work"}, 1, 1, func(p *Policy) Figure { return p.BusyCourierHours }},
		{head{"Gini", "0 to 1", "inequality of earnings an hour on duty, over drivers with an hour of it or more; 0: all earn alike"}, 1, 3, func(p *Policy) Figure { return p.Gini }},
		{head{"Offers", "a match", "offers made for each one accepted"}, 1, 2, func(p *Policy) Figure { return p.OffersPerMatch }},
		{head{"Decision p50", "s", "half of the orders wait no longer for their first offer"}, 1, 1, func(p *Policy) Figure { return p.DecisionP50 }},
		{head{"Decision p99", "s", "99 % of the orders wait no longer for it"}, 1, 1, func(p *Policy) Figure { return p.DecisionP99 }},
		{head{"Round gap", "%", "how much more time to pickups the rounds decided on than their optima, over the same candidates"}, 100, 2, func(p *Policy) Figure { return p.RoundGap }},
	}
}

func newTable(policies []Policy) table {
	t := table{}
	var shown []measure
	for _, m := range measures() {
		for i := range policies {
			if _, ok := m.write(m.of(&policies[i])); ok {
				shown, t.Heads = append(shown, m), append(t.Heads, m.head)
				break
			}
		}
	}
	for i := range policies {
		p := &policies[i]
		r := row{Name: p.Name, Kind: p.Kind.String(), Note: p.Note, Class: lineClass(i, p)}
		for _, m := range shown {
			c, _ := m.write(m.of(p))
			r.Cells = append(r.Cells, c)
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

// write tells a figure; a dash and false when it is not known.
func (m *measure) write(f Figure) (tableCell, bool) {
	if f.N == 0 || !known(f.Mean) {
		return tableCell{Mean: "–"}, false
	}
	c := tableCell{Mean: number(m.scale*f.Mean, m.digits)}
	if f.N > 1 && known(f.Low) && known(f.High) {
		c.Range = number(m.scale*f.Low, m.digits) + " … " + number(m.scale*f.High, m.digits)
	}
	return c, true
}

// String is what the table calls a kind of reference; "" for a policy that was simulated.
func (k Kind) String() string {
	switch k {
	case Bound:
		return "bound"
	case Estimate:
		return "estimate"
	case Human:
		return "human"
	case Recorded:
		return "recorded"
	case Reference:
		return "reference"
	default:
		return ""
	}
}

// number writes a value with so many digits and its thousands apart.
func number(v float64, digits int) string {
	s := strconv.FormatFloat(math.Abs(v), 'f', digits, 64)
	whole, rest, _ := strings.Cut(s, ".")
	var b strings.Builder
	if v < 0 && strings.Trim(s, "0.") != "" {
		b.WriteString("−")
	}
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if rest != "" {
		b.WriteString("." + rest)
	}
	return b.String()
}
