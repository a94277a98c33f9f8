package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim"
)

// tuneDay is one day that policies are tried on.
type tuneDay struct {
	name     string
	scenario *sim.Scenario
	seed     uint64
}

// tuneSeeds is on how many made-up days a search trains, unless told.
const tuneSeeds = 3

// days are those to train on, and the others.
func (c *tuneCmd) days(std stdio) (train, validate []tuneDay, err error) {
	var all []tuneDay
	var n int
	switch {
	case c.Trips == "":
		if n = c.Seeds; n == 0 {
			n = tuneSeeds
		}
		all, err = c.seedDays(std, 2*n)
	default:
		first, others := splitNames(c.Days), splitNames(c.Validate)
		n = len(first)
		names := append(first, others...)
		switch {
		case n == 0 || len(others) == 0:
			err = usagef("--days and --validate must each name a day")
		case c.Instances != "":
			all, err = c.mealDays(std, names)
		default:
			all, err = c.calendarDays(std, names)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	for _, d := range all {
		if seen[d.name] {
			return nil, nil, usagef("--days, --validate: %s stands there twice", d.name)
		}
		seen[d.name] = true
	}
	return all[:n], all[n:], nil
}

// seedDays makes up demand, a day a seed.
func (c *tuneCmd) seedDays(std stdio, n int) ([]tuneDay, error) {
	in, err := c.place(recorded{}, []string{c.Base})
	if err != nil {
		return nil, err
	}
	var days []tuneDay
	for i := range uint64(n) {
		d, err := c.day(std, fmt.Sprintf("seed %d", c.Seed+i), &in, c.Seed+i)
		if err != nil {
			return nil, err
		}
		days = append(days, d)
	}
	return days, nil
}

// mealDays reads instances of meal delivery.
func (c *tuneCmd) mealDays(std stdio, names []string) ([]tuneDay, error) {
	var days []tuneDay
	for _, name := range names {
		var rec recorded
		if err := c.readFiles(&rec, name); err != nil {
			return nil, err
		}
		rec.trips, rec.from, rec.to = rec.all, rec.all[0].At, rec.all[len(rec.all)-1].At.Add(time.Second)
		in, err := c.place(rec, []string{c.Base})
		if err != nil {
			return nil, err
		}
		d, err := c.day(std, "instance "+name, &in, c.Seed)
		if err != nil {
			return nil, err
		}
		days = append(days, d)
	}
	return days, nil
}

// calendarDays cuts days out of recorded trips, which are read once. What is learnt for a day, such as travel times, is
// learnt of the trips before it alone, be they of a day trained on or not.
func (c *tuneCmd) calendarDays(std stdio, names []string) ([]tuneDay, error) {
	begin, end, err := hours(c.Hours)
	if err != nil {
		return nil, err
	}
	var dates []time.Time
	for _, name := range names {
		date, err := time.Parse(time.DateOnly, name)
		if err != nil {
			return nil, usagef("--days, --validate: %q is no day, such as 2008-05-19", name)
		}
		dates = append(dates, date)
	}
	var rec recorded
	if err := c.readFiles(&rec, ""); err != nil {
		return nil, err
	}
	rec.trips = rec.all
	in, err := c.place(rec, []string{c.Base})
	if err != nil {
		return nil, err
	}
	all := in.trips
	var days []tuneDay
	for i, date := range dates {
		clock := func(minutes int) time.Time {
			return time.Date(date.Year(), date.Month(), date.Day(), 0, minutes, 0, 0, in.zone).UTC()
		}
		in.from, in.to = clock(begin), clock(end)
		if in.trips = sim.Within(all, in.from, in.to); len(in.trips) == 0 {
			return nil, fmt.Errorf("--days, --validate: %s holds no trip of market %s on %s", c.Trips, in.market.ID, names[i])
		}
		if c.Cruise && len(sim.Within(all, time.Time{}, in.from)) < minHaunts {
			return nil, usagef("--cruise: fewer than %d trips before %s tell where riders are found; leave that day out", minHaunts, names[i])
		}
		d, err := c.day(std, names[i], &in, c.Seed)
		if err != nil {
			return nil, err
		}
		days = append(days, d)
	}
	return days, nil
}

// day makes a day of what was read, and says what it is.
func (c *tuneCmd) day(std stdio, name string, in *simulateInput, seed uint64) (tuneDay, error) {
	sc, err := c.scenario(in, seed)
	if err != nil {
		return tuneDay{}, fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(std.Err, "%s, ", name)
	in.tell(std.Err, sc)
	return tuneDay{name: name, scenario: sc, seed: seed}, nil
}

// hours reads a span of the day, in minutes of its clock; one that ends before it begins ends on the next day.
func hours(text string) (begin, end int, err error) {
	const day = 24 * 60
	if text == "" {
		return 0, day, nil
	}
	ends := strings.Split(text, "-")
	minutes := make([]int, len(ends))
	for i, e := range ends {
		at, err := time.Parse("15:04", e)
		switch {
		case e == "24:00":
			minutes[i] = day
		case err != nil || len(e) != len("15:04"):
			return 0, 0, usagef("--hours must be such as 17:00-20:00, not %q", text)
		default:
			minutes[i] = at.Hour()*60 + at.Minute()
		}
	}
	if len(minutes) != 2 || minutes[0] == day || slices.Max(minutes) == slices.Min(minutes) {
		return 0, 0, usagef("--hours must be such as 17:00-20:00, not %q", text)
	}
	if minutes[1] < minutes[0] {
		minutes[1] += day
	}
	return minutes[0], minutes[1], nil
}
