package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/gateway/client/fleet"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

// loadInput is what load plays: recorded trips and sessions from one instant to before another, or what is
// to be made up.
type loadInput struct {
	from, to time.Time
	trips    []sim.Trip
	sessions []sim.Session
	// haunts are where a free driver cruises to: where riders are found.
	haunts []geo.LatLng
	// meals is the meal instance; nil for rides.
	meals *sim.Meals
	// patience is how long each rider waits, market time; 0 for ever.
	patience time.Duration
	// What follows is for made-up demand; drivers is 0 for recorded.
	drivers  int
	rate     float64       // orders a wall second
	duration time.Duration // wall time
	seed     uint64
}

// check refuses flags that make no sense, alone or together.
func (c *loadCmd) check() error {
	recorded := c.Trips != "" || c.Sessions != "" || c.Instances != "" || c.From != "" || c.To != ""
	madeUp := c.Drivers != 0 || c.Rate != 0 || c.Duration != 0
	switch {
	case c.Instance != "" && c.Instances == "":
		return usagef("--instance goes with --instances")
	case recorded && (c.Trips == "" || c.Sessions == ""):
		return usagef("--trips and --sessions go together, and --instances, --from and --to with them")
	case recorded && madeUp:
		return usagef("--drivers, --rate and --duration make demand up: they do not go with --trips")
	case c.Drivers < 0:
		return usagef("--drivers must be at least 0, not %d", c.Drivers)
	case !(c.Rate >= 0 && c.Rate <= maxRate):
		return usagef("--rate must be from 0 to %d orders a second, not %v", maxRate, c.Rate)
	case c.Duration < 0:
		return usagef("--duration must not be negative, not %s", c.Duration)
	case c.Patience < 0:
		return usagef("--patience must not be negative, not %s", c.Patience)
	case c.Lag < 0 || c.Lag > fleet.MaxLag:
		return usagef("--lag must be from 0 to %s, not %s", fleet.MaxLag, c.Lag)
	case c.Market != "" && !dispatch.ValidID(c.Market):
		return usagef("--market: %q is no market id", c.Market)
	}
	return c.checkChances()
}

func (c *loadCmd) checkChances() error {
	for _, chance := range []struct {
		flag string
		p    float64
	}{
		{"--decline", c.Decline}, {"--ignore", c.Ignore}, {"--driver-cancel", c.DriverCancel}, {"--no-show", c.NoShow},
		{"--cut", c.Cut}, {"--twins", c.Twins},
	} {
		if !(chance.p >= 0 && chance.p <= 1) {
			return usagef("%s must be from 0 to 1, not %v", chance.flag, chance.p)
		}
	}
	if c.Decline+c.Ignore > 1 {
		return usagef("--decline and --ignore together must be at most 1, not %v", c.Decline+c.Ignore)
	}
	return nil
}

// maxRate is the most orders a second that may be asked for: far above what one machine of riders can send.
const maxRate = 100_000

// minHaunts is how many trips before the span played tell where riders are found.
const minHaunts = 100

// input reads the files, or notes what is to be made up.
func (c *loadCmd) input() (loadInput, error) {
	in := loadInput{patience: c.Patience}
	if c.Trips == "" {
		in.drivers, in.rate, in.duration = cmp.Or(c.Drivers, 100), cmp.Or(c.Rate, 1), cmp.Or(c.Duration, time.Minute)
		in.seed = c.Seed
		return in, nil
	}
	trips, err := c.readFiles(&in)
	if err != nil {
		return in, err
	}
	if len(trips) == 0 {
		return in, fmt.Errorf("--trips: %s holds no trip", c.Trips)
	}
	day := in.meals != nil
	first, last := trips[0].At, trips[len(trips)-1].At
	if in.from, err = instant("--from", c.From, first, first, day); err != nil {
		return in, err
	}
	if in.to, err = instant("--to", c.To, last.Add(time.Second), in.from, day); err != nil {
		return in, err
	}
	if !in.from.Before(in.to) {
		return in, usagef("--from %s must be before --to %s", in.from.Format(time.RFC3339), in.to.Format(time.RFC3339))
	}
	if in.trips = sim.Within(trips, in.from, in.to); len(in.trips) == 0 {
		return in, fmt.Errorf("--trips: %s holds no trip from %s to %s",
			c.Trips, in.from.Format(time.RFC3339), in.to.Format(time.RFC3339))
	}
	if !day {
		in.haunts = haunts(trips, in.from)
	}
	return in, nil
}

// readFiles gives all the trips of the files, and sets the sessions and the meals.
func (c *loadCmd) readFiles(in *loadInput) ([]sim.Trip, error) {
	if c.Instances != "" {
		meals, err := sim.MealFiles{Orders: c.Trips, Couriers: c.Sessions, Instances: c.Instances}.Read(c.Instance)
		if errors.Is(err, sim.ErrNoInstance) {
			return nil, usageError{fmt.Errorf("--instance: %w", err)}
		}
		if err != nil {
			return nil, fileError("--instances", err)
		}
		in.meals, in.sessions = &meals, meals.Couriers
		return meals.Orders, nil
	}
	trips, err := sim.TripFile(c.Trips)
	if err != nil {
		return nil, fileError("--trips", err)
	}
	if in.sessions, err = sim.SessionFile(c.Sessions); err != nil {
		return nil, fileError("--sessions", err)
	}
	return trips, nil
}

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

// firstPickup is where the recorded demand begins; false for made-up demand, which goes where it is sent.
func (in *loadInput) firstPickup() (geo.LatLng, bool) {
	if in.drivers > 0 {
		return geo.LatLng{}, false
	}
	return in.trips[0].Pickup, true
}

// plan makes the plan of the fleet in market m.
func (in *loadInput) plan(m wire.Market) (fleet.Plan, error) {
	if in.drivers > 0 {
		if err := in.makeUp(m); err != nil {
			return fleet.Plan{}, err
		}
	}
	plan := fleet.Plan{Length: in.to.Sub(in.from), Drivers: in.shifts(), Haunts: in.haunts}
	kind := dispatch.KindRide
	if in.meals != nil {
		kind = dispatch.KindDelivery
	}
	for i, t := range in.trips {
		rider := fleet.RiderPlan{
			ID: partyID("rider", t.ID, i), At: t.At.Sub(in.from), Kind: string(kind), Patience: in.patience,
			Stops: []wire.Stop{
				{Type: string(dispatch.StopPickup), Lat: t.Pickup.Lat, Lng: t.Pickup.Lng},
				{Type: string(dispatch.StopDropoff), Lat: t.Dropoff.Lat, Lng: t.Dropoff.Lng},
			},
		}
		if !t.Ready.IsZero() {
			rider.Ready = t.Ready.Sub(in.from)
		}
		plan.Riders = append(plan.Riders, rider)
	}
	if len(plan.Drivers) == 0 {
		return plan, errors.New("--sessions: no driver is on shift between --from and --to")
	}
	return plan, nil
}

// makeUp fills in trips and sessions around the middle of the market. Its instants are not those of any
// clock: only their distance from the beginning counts.
func (in *loadInput) makeUp(m wire.Market) error {
	area, err := geo.ParseArea(json.RawMessage(m.Area))
	if err != nil {
		return fmt.Errorf("read the area of market %s: %w", m.ID, err)
	}
	sw, ne := area.Bounds()
	middle := geo.LatLng{Lat: (sw.Lat + ne.Lat) / 2, Lng: (sw.Lng + ne.Lng) / 2}
	if !area.Contains(middle) {
		return fmt.Errorf("the middle of market %s lies outside of it: use --trips and --sessions", m.ID)
	}
	city := sim.CityFor(middle, in.drivers, in.seed)
	in.from = time.Unix(0, 0).UTC()
	in.to = in.from.Add(time.Duration(float64(in.duration) * m.TimeScale))
	in.sessions = city.Sessions(in.drivers, in.from)
	in.trips = slices.DeleteFunc(city.Trips(in.rate/m.TimeScale, in.from, in.to), func(t sim.Trip) bool {
		return !area.Contains(t.Pickup)
	})
	return nil
}

// shifts gathers the sessions of each driver that is on shift at any time of the span. A session that begins
// before the one before it has ended begins then.
func (in *loadInput) shifts() []fleet.DriverPlan {
	var drivers []fleet.DriverPlan
	place := map[string]int{}
	for _, s := range in.sessions { // ascending by beginning
		if !s.Overlaps(in.from, in.to) {
			continue
		}
		i, known := place[s.Driver]
		if !known {
			i = len(drivers)
			place[s.Driver] = i
			drivers = append(drivers, fleet.DriverPlan{ID: partyID("driver", s.Driver, i)})
		}
		shift := fleet.ShiftPlan{On: s.On.Sub(in.from), Open: s.Off.IsZero(), At: s.At}
		if !shift.Open {
			shift.Off = s.Off.Sub(in.from)
		}
		if n := len(drivers[i].Shifts); n > 0 {
			before := drivers[i].Shifts[n-1]
			shift.On = max(shift.On, before.Off)
			if before.Open || !shift.Open && shift.On >= shift.Off {
				continue
			}
		}
		drivers[i].Shifts = append(drivers[i].Shifts, shift)
	}
	return drivers
}

// partyID makes a name of a file an id: a driver's stays as it is when it can; a rider's is never that of a
// driver.
func partyID(role, name string, i int) string {
	if id := role + ":" + name; role != "driver" && dispatch.ValidID(id) {
		return id
	}
	if role == "driver" && dispatch.ValidID(name) {
		return name
	}
	return fmt.Sprintf("%s:%06d", role, i+1)
}
