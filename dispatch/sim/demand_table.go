package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// parseDemand reads a table: lines of words, # begins a comment.
//
//	hours WEEKDAY R0 ... R23                      rides an hour, a line a weekday, 0 is Sunday
//	cell H3 LAT LNG SPREAD_M N0 N1 N2 N3 TO [I:N ...]
//
// N0 to N3 are the rides from the cell in each quarter of the day, TO those that ended in it, I:N the number
// of rides to the I-th cell line (from 0); the rest of the cell's rides go where rides go from anywhere.
func parseDemand(text string, zone *time.Location) (*Demand, error) {
	d := &Demand{zone: zone, factor: 1}
	days := 0
	for n, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		var err error
		switch kind := words[0]; {
		case kind == "hours" && len(words) == 26:
			days++
			err = d.readHours(words[1:])
		case kind == "cell" && len(words) >= 10:
			err = d.readCell(words[1:])
		default:
			err = errors.New("a line is hours with 25 words or cell with 9 or more")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	if days != 7 || len(d.cells) == 0 {
		return nil, fmt.Errorf("%d weekdays and %d cells, want 7 and some", days, len(d.cells))
	}
	return d, d.sum()
}

func (d *Demand) readHours(words []string) error {
	v, err := numbers(words)
	if err != nil {
		return err
	}
	if v[0] != float64(int(v[0])) || v[0] > 6 {
		return fmt.Errorf("weekday %q must be 0 to 6", words[0])
	}
	copy(d.hours[int(v[0])][:], v[1:])
	return nil
}

func (d *Demand) readCell(words []string) error {
	c := demandCell{id: words[0]}
	var err error
	if c.middle.Lat, err = strconv.ParseFloat(words[1], 64); err != nil {
		return err
	}
	if c.middle.Lng, err = strconv.ParseFloat(words[2], 64); err != nil {
		return err
	}
	if err := c.middle.Validate(); err != nil {
		return err
	}
	v, err := numbers(words[3:9])
	if err != nil {
		return err
	}
	c.spread, c.to = geo.Meters(v[0]), v[5]
	copy(c.from[:], v[1:5])
	sum := 0.0
	for _, word := range words[9:] {
		to, rides, ok := strings.Cut(word, ":")
		pair, err := numbers([]string{to, rides})
		if err != nil || !ok {
			return fmt.Errorf("%q must be CELL:RIDES", word)
		}
		sum += pair[1]
		c.targets, c.goes = append(c.targets, int(pair[0])), append(c.goes, sum)
	}
	d.cells = append(d.cells, c)
	return nil
}

// sum makes what is drawn from.
func (d *Demand) sum() error {
	var from [dayParts]float64
	arrived := 0.0
	for i := range d.cells {
		c := &d.cells[i]
		for part, rides := range c.from {
			c.all += rides
			from[part] += rides
			d.origins[part] = append(d.origins[part], from[part])
		}
		arrived += c.to
		d.arrivals = append(d.arrivals, arrived)
		for _, to := range c.targets {
			if to >= len(d.cells) {
				return fmt.Errorf("cell %s sends rides to cell %d of %d", c.id, to, len(d.cells))
			}
		}
		if n := len(c.goes); n > 0 && c.goes[n-1] > c.all {
			return fmt.Errorf("cell %s sends more rides than begin in it", c.id)
		}
	}
	for _, rides := range append(from[:], arrived, d.busiest()) {
		if rides == 0 {
			return errors.New("there is a part of the day without rides, or none arrive")
		}
	}
	return nil
}

// numbers reads finite numbers that are not negative.
func numbers(words []string) ([]float64, error) {
	v := make([]float64, len(words))
	for i, word := range words {
		x, err := strconv.ParseFloat(word, 64)
		if err != nil || !(x >= 0 && x < 1e12) {
			return nil, fmt.Errorf("%q must be a number from 0", word)
		}
		v[i] = x
	}
	return v, nil
}
