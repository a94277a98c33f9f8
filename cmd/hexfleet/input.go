package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/dispatch/sim/actor"
	"github.com/hexfleet/hexfleet/geo"
)

// What load and simulate play: recorded days, and people who do not always do as they should.

// recordedFiles hold recorded days.
type recordedFiles struct {
	Trips     string `group:"Recorded demand" help:"Trip file: recorded rides are the orders. With --instances the orders of meal instances." placeholder:"FILE"`
	Sessions  string `group:"Recorded demand" help:"Session file: the drivers' shifts. Where free drivers cruise (load; simulate --cruise) it is to where trips of the file began and ended before --from (with fewer than 100 of those: to where any of it begins, which is foresight). With --instances the couriers, who stay where they are." placeholder:"FILE"`
	Instances string `group:"Recorded demand" help:"Meal instances: the orders are deliveries, speed and service times are this file's." placeholder:"FILE"`
}

// recordedFlags say which recorded days are played.
type recordedFlags struct {
	recordedFiles
	Instance string `group:"Recorded demand" help:"Which of the instances: its seed (default: the only one)." placeholder:"I"`
	From     string `group:"Recorded demand" help:"First instant played (default: the first trip's): RFC 3339 or, with --instances, the time from the beginning of the day, such as 10h30m; +D counts from the first trip." placeholder:"T"`
	To       string `group:"Recorded demand" help:"Instant before which is played (default: after the last trip): as --from; +D counts from --from, so +3h plays three hours." placeholder:"T"`
}

// conductFlags say what goes wrong with people.
type conductFlags struct {
	Decline      float64       `group:"Conduct" help:"Chance that a driver declines an offer, 0 to 1." placeholder:"P"`
	Ignore       float64       `group:"Conduct" help:"Chance that a driver leaves an offer unanswered." placeholder:"P"`
	DriverCancel float64       `group:"Conduct" help:"Chance that a driver gives an order back on the way to the pickup." placeholder:"P"`
	NoShow       float64       `group:"Conduct" help:"Chance that nobody comes to the pickup, so that the driver cancels after the market's wait." placeholder:"P"`
	Patience     time.Duration `group:"Conduct" help:"How long a rider waits for a driver before it cancels, market time (default: for ever)." placeholder:"D"`
}

// How the simulated people behave, unless files or flags say otherwise; market time.
const (
	loadThink   = 2 * time.Second
	loadService = 20 * time.Second
)

// given tells whether any recorded day was named.
func (f *recordedFlags) given() bool {
	return f.Trips != "" || f.Sessions != "" || f.Instances != "" || f.From != "" || f.To != ""
}

// check refuses flags that make no sense together.
func (f *recordedFlags) check() error {
	switch {
	case f.Instance != "" && f.Instances == "":
		return usagef("--instance goes with --instances")
	case f.given() && (f.Trips == "" || f.Sessions == ""):
		return usagef("--trips and --sessions go together, and --instances, --from and --to with them")
	}
	return nil
}

func (f *conductFlags) check() error {
	if f.Patience < 0 {
		return usagef("--patience must not be negative, not %s", f.Patience)
	}
	for _, c := range []share{
		{"--decline", f.Decline}, {"--ignore", f.Ignore}, {"--driver-cancel", f.DriverCancel}, {"--no-show", f.NoShow},
	} {
		if err := c.check(); err != nil {
			return err
		}
	}
	if f.Decline+f.Ignore > 1 {
		return usagef("--decline and --ignore together must be at most 1, not %v", f.Decline+f.Ignore)
	}
	return nil
}

func (f *conductFlags) chances() actor.Chances {
	return actor.Chances{Decline: f.Decline, Ignore: f.Ignore, GiveBack: f.DriverCancel, NoShow: f.NoShow}
}

// share is a flag that takes a number from 0 to 1.
type share struct {
	flag string
	p    float64
}

func (s share) check() error {
	if !(s.p >= 0 && s.p <= 1) {
		return usagef("%s must be from 0 to 1, not %v", s.flag, s.p)
	}
	return nil
}

// recorded is what the recorded days hold, from one instant to before another.
type recorded struct {
	from, to time.Time
	// trips are those of the span, all those of the file.
	trips, all []sim.Trip
	sessions   []sim.Session
	// meals is the meal instance; nil for rides.
	meals *sim.Meals
}

// read reads the files.
func (f *recordedFlags) read() (recorded, error) {
	var in recorded
	err := f.readFiles(&in, f.Instance)
	if err != nil {
		return in, err
	}
	day := in.meals != nil
	first, last := in.all[0].At, in.all[len(in.all)-1].At
	if in.from, err = instant("--from", f.From, first, first, day); err != nil {
		return in, err
	}
	if in.to, err = instant("--to", f.To, last.Add(time.Second), in.from, day); err != nil {
		return in, err
	}
	if !in.from.Before(in.to) {
		return in, usagef("--from %s must be before --to %s", in.from.Format(time.RFC3339), in.to.Format(time.RFC3339))
	}
	if in.trips = sim.Within(in.all, in.from, in.to); len(in.trips) == 0 {
		return in, fmt.Errorf("--trips: %s holds no trip from %s to %s",
			f.Trips, in.from.Format(time.RFC3339), in.to.Format(time.RFC3339))
	}
	return in, nil
}

// readFiles reads all trips and sessions, or the meals of an instance.
func (f *recordedFiles) readFiles(in *recorded, instance string) (err error) {
	if f.Instances != "" {
		meals, err := sim.MealFiles{Orders: f.Trips, Couriers: f.Sessions, Instances: f.Instances}.Read(instance)
		if errors.Is(err, sim.ErrNoInstance) {
			return usageError{fmt.Errorf("--instance: %w", err)}
		}
		if err != nil {
			return fileError("--trips, --sessions, --instances", err)
		}
		in.meals, in.sessions, in.all = &meals, meals.Couriers, meals.Orders
		return f.some(in)
	}
	if in.all, err = sim.TripFile(f.Trips); err != nil {
		return fileError("--trips", err)
	}
	if in.sessions, err = sim.SessionFile(f.Sessions); err != nil {
		return fileError("--sessions", err)
	}
	return f.some(in)
}

func (f *recordedFiles) some(in *recorded) error {
	switch {
	case in.meals != nil && len(in.all) == 0:
		return fmt.Errorf("--trips: %s holds no order of instance %s", f.Trips, in.meals.Seed)
	case in.meals != nil && len(in.sessions) == 0:
		return fmt.Errorf("--sessions: %s holds no courier of instance %s", f.Sessions, in.meals.Seed)
	case len(in.all) == 0:
		return fmt.Errorf("--trips: %s holds no trip", f.Trips)
	case len(in.sessions) == 0:
		return fmt.Errorf("--sessions: %s holds no session", f.Sessions)
	}
	return nil
}

// minHaunts is how many trips before the span played tell where riders are found.
const minHaunts = 100

// haunts are where trips began and ended before the instant from: what drivers could know by then. Only a
// file with too few of those gives away its own pickups.
func haunts(trips []sim.Trip, from time.Time) []geo.LatLng {
	var known, all []geo.LatLng
	for _, t := range trips {
		all = append(all, t.Pickup)
		if t.At.Before(from) {
			known = append(known, t.Pickup, t.Dropoff)
		}
	}
	if len(known) < 2*minHaunts {
		return all
	}
	return known
}

// instant reads a flag: otherwise when it is not set; a span after base for +D; else RFC 3339 or, on a day
// without a date, the time since its beginning.
func instant(flag, text string, otherwise, base time.Time, day bool) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	if later, ok := strings.CutPrefix(text, "+"); ok {
		d, err := time.ParseDuration(later)
		if err != nil {
			return base, usagef("%s must be + and a span of time, such as +3h, not %q", flag, text)
		}
		return base.Add(d), nil
	}
	if day {
		d, err := time.ParseDuration(text)
		if err != nil {
			return base, usagef("%s must be the time from the beginning of the day, such as 10h30m or 37800s, not %q", flag, text)
		}
		return sim.DayStart().Add(d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usagef("%s must be a time in RFC 3339, such as 2008-05-31T06:10:00Z, not %q", flag, text)
	}
	return t.UTC(), nil
}

// fileError is a usage error when there is no such file.
func fileError(flag string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	return fmt.Errorf("%s: %w", flag, err)
}
