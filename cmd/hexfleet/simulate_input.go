package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/geo"
)

// simulateInput is what simulate plays: a recorded day, or none.
type simulateInput struct {
	recorded
	market dispatch.Market
	zone   *time.Location
	// left are the trips of other markets, which are not played, leftSessions the sessions of their drivers.
	left, leftSessions int
	// past is the log that is played; nil for none. assumed is what its people do.
	past    *pastDay
	assumed []sim.Assumption
}

// input reads the files, and chooses the market.
func (c *simulateCmd) input(progress io.Writer) (simulateInput, error) {
	var rec recorded
	if c.Log != "" {
		return c.logInput(progress)
	}
	if c.given() {
		var err error
		if rec, err = c.recordedFlags.read(); err != nil {
			return simulateInput{}, err
		}
	}
	return c.place(rec, c.names())
}

// place chooses the market, and leaves out what is not in it. The policies may name markets files.
func (c *sceneFlags) place(rec recorded, policies []string) (simulateInput, error) {
	in := simulateInput{recorded: rec}
	var err error
	if in.market, err = c.chooseMarket(in.trips, policies); err != nil {
		return in, err
	}
	if in.zone, err = time.LoadLocation(in.market.Timezone); err != nil {
		return in, fmt.Errorf("market %s: %w", in.market.ID, err)
	}
	if !in.given() {
		return in, nil
	}
	area := &in.market.Area
	outside := func(t sim.Trip) bool { return !area.Contains(t.Pickup) }
	all := len(in.trips)
	in.trips = slices.DeleteFunc(slices.Clone(in.trips), outside)
	in.all = slices.DeleteFunc(slices.Clone(in.all), outside)
	for _, s := range in.sessions {
		if !area.Contains(s.At) && s.Overlaps(in.from, in.to) {
			in.leftSessions++
		}
	}
	in.sessions = slices.DeleteFunc(slices.Clone(in.sessions), func(s sim.Session) bool { return !area.Contains(s.At) })
	if in.left = all - len(in.trips); len(in.trips) == 0 {
		return in, fmt.Errorf("--trips: no trip of the span begins in market %s", in.market.ID)
	}
	return in, nil
}

// given tells whether there is a recorded day.
func (in *recorded) given() bool { return len(in.all) > 0 }

// chooseMarket is the market named, else the one in which most of the trips begin; when more begin in none, one that is
// made up around those.
func (c *sceneFlags) chooseMarket(trips []sim.Trip, policies []string) (dispatch.Market, error) {
	markets := dispatch.DefaultMarkets()
	if c.Market != "" {
		if m, ok := markets.Get(dispatch.MarketID(c.Market)); ok {
			return m, nil
		}
		for _, p := range policyFiles(policies) {
			if m, ok := p.Get(dispatch.MarketID(c.Market)); ok {
				return m, nil
			}
		}
		return dispatch.Market{}, usagef("--market: there is no market %q", c.Market)
	}
	if len(trips) == 0 {
		m, _ := markets.Get("lab") // an embedded one
		return m, nil
	}
	for _, more := range policyFiles(policies) {
		markets = append(markets, more...)
	}
	begun := make([]int, len(markets))
	var elsewhere []sim.Trip
	for i := range trips {
		at := slices.IndexFunc(markets, func(m dispatch.Market) bool { return m.Area.Contains(trips[i].Pickup) })
		if at < 0 {
			elsewhere = append(elsewhere, trips[i])
			continue
		}
		begun[at]++
	}
	most := slices.Max(begun)
	if len(elsewhere) > most {
		return madeUpMarket(elsewhere)
	}
	return markets[slices.Index(begun, most)], nil
}

// policyFiles are the markets files among the policies; those that cannot be read are told of where policies are.
func policyFiles(policies []string) []dispatch.Markets {
	var files []dispatch.Markets
	for _, name := range policies {
		if _, err := sim.NamedPolicy(name, 0); err == nil {
			continue
		}
		if ms, err := readMarkets(name); err == nil {
			files = append(files, ms)
		}
	}
	return files
}

// madeUpMarket is a box around the pickups of a city that is no market's, its hours those of its longitude.
func madeUpMarket(trips []sim.Trip) (dispatch.Market, error) {
	const margin = 0.1 // degrees: some kilometres
	south, north := 90.0, -90.0
	for i := range trips {
		lat := trips[i].Pickup.Lat
		south, north = min(south, lat), max(north, lat)
	}
	south, north = max(south-margin, -90), min(north+margin, 90)
	west, east := meridians(trips)
	west, east = west-margin, min(east+margin, west-margin+360)
	box := func(west, east float64) [][][2]float64 {
		return [][][2]float64{{{west, south}, {east, south}, {east, north}, {west, north}, {west, south}}}
	}
	boxes := [][][][2]float64{box(west, east)}
	switch {
	case east-west >= 360:
		boxes[0] = box(-180, 180)
	case west < -180:
		boxes = [][][][2]float64{box(-180, east), box(west+360, 180)}
	case east > 180:
		boxes = [][][][2]float64{box(west, 180), box(-180, east-360)}
	}
	text, err := json.Marshal(map[string]any{"type": "MultiPolygon", "coordinates": boxes})
	if err != nil {
		return dispatch.Market{}, fmt.Errorf("make up a market: %w", err)
	}
	area, err := geo.ParseArea(text)
	if err != nil {
		return dispatch.Market{}, fmt.Errorf("make up a market: %w", err)
	}
	zone := "Etc/GMT"
	h := int(math.Round(math.Remainder((west+east)/2, 360) / 15))
	if h == -12 {
		h = 12 // who lives at the date line counts itself to the east
	}
	if h != 0 {
		zone = fmt.Sprintf("Etc/GMT%+d", -h) // POSIX: west is plus
	}
	return dispatch.Market{ID: "city", Name: "City", Timezone: zone, Area: area, Policy: dispatch.DefaultPolicy()}, nil
}

// meridians are those between which all pickups are, over the 180th when that is the narrower: west <= east, which may
// then be above 180.
func meridians(trips []sim.Trip) (west, east float64) {
	west, east = 180, -180
	over, until := 360.0, 0.0
	for i := range trips {
		lng := trips[i].Pickup.Lng
		west, east = min(west, lng), max(east, lng)
		if lng < 0 {
			lng += 360
		}
		over, until = min(over, lng), max(until, lng)
	}
	if over <= 180 && until-over < east-west {
		return over, until
	}
	return west, east
}

// Defaults of made-up demand.
const (
	simulateDrivers  = 1000
	simulateLoad     = 0.95
	simulateDuration = 3 * time.Hour
	// loadSample is how many trips of the city tell how long one takes in the mean.
	loadSample = 10_000
)

// scenario is what one seed plays.
func (c *sceneFlags) scenario(in *simulateInput, seed uint64) (*sim.Scenario, error) {
	sc := &sim.Scenario{
		Market: in.market, Trips: in.trips, From: in.from, To: in.to, Meals: in.meals, Travel: c.travel(in),
		Conduct: sim.Conduct{
			Think: loadThink, PickupService: loadService, DropoffService: loadService, Patience: c.Patience,
			Chances: c.chances(), Ping: c.Ping, Noise: geo.Meters(c.GPSNoiseM), Lost: c.LostNetwork, LostFor: c.LostFor,
		},
	}
	if in.meals != nil {
		sc.Conduct.PickupService, sc.Conduct.DropoffService = in.meals.PickupService, in.meals.DropoffService
	}
	sessions := in.sessions
	if in.past != nil {
		in.assumed = in.past.play(sc)
	} else {
		if !in.given() {
			sessions = c.makeUp(sc, seed)
		}
		if sc.Workers = sim.Workers(sessions, sc.From, sc.To); len(sc.Workers) == 0 {
			return nil, fmt.Errorf("--sessions: nobody is on shift in market %s from %s to %s%s", in.market.ID,
				sc.From.Format(time.RFC3339), sc.To.Format(time.RFC3339), leftOut(in.leftSessions, "; %d sessions begin elsewhere"))
		}
	}
	if c.Cruise && in.meals == nil && in.given() {
		sc.Haunts = haunts(in.all, in.from)
	}
	return sc, nil
}

// travel is how long drives take.
func (c *sceneFlags) travel(in *simulateInput) sim.Travel {
	switch {
	case in.meals != nil:
		return in.meals.Travel()
	case in.past != nil:
		return in.past.travel(c, in.zone)
	case c.Travel == "learnt" || c.Travel == "" && in.given():
		return sim.LearntTravel(in.zone, in.all, in.from)
	}
	return sim.StraightTravel(c.SpeedMps, c.Circuity)
}

// makeUp fills in the trips of a city around the middle of the market, and gives its sessions.
func (c *sceneFlags) makeUp(sc *sim.Scenario, seed uint64) []sim.Session {
	drivers, length := c.Drivers, c.Duration
	if drivers == 0 {
		drivers = simulateDrivers
	}
	if length == 0 {
		length = simulateDuration
	}
	city := c.city(middle(&sc.Market.Area), drivers, seed)
	sc.From = time.Unix(0, 0).UTC()
	sc.To = sc.From.Add(length)
	rate := c.Rate
	if rate == 0 {
		load := c.Load
		if load == 0 {
			load = simulateLoad
		}
		rate = load * float64(drivers) / meanTrip(&city, sc).Seconds()
	}
	sc.Trips = city.Trips(rate, sc.From, sc.To)
	return city.Sessions(drivers, sc.From)
}

// meanTrip is how long a trip of the city keeps a driver busy in the mean, the times at both stops included.
func meanTrip(city *sim.City, sc *sim.Scenario) time.Duration {
	sample := city.Trips(1, sc.From, sc.From.Add(loadSample*time.Second))
	var sum time.Duration
	for i := range sample {
		sum += sc.Travel.Drive(sample[i].Pickup, sample[i].Dropoff, sample[i].At)
	}
	return sum/time.Duration(len(sample)) + sc.Conduct.PickupService + sc.Conduct.DropoffService
}

// leftOut says how many there are, when there are any.
func leftOut(n int, format string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, n)
}

// tell says what is played.
func (in *simulateInput) tell(w io.Writer, sc *sim.Scenario) {
	fmt.Fprintf(w, "market %s: %d drivers, %d orders in %s\n", sc.Market.ID, len(sc.Workers), len(sc.Trips), sc.To.Sub(sc.From).Round(time.Second))
	if in.past != nil {
		in.past.tell(w, in.assumed)
	}
	fmt.Fprint(w, leftOut(in.left, "%d trips that begin elsewhere are left out\n"))
	fmt.Fprint(w, leftOut(in.leftSessions, "%d sessions that begin elsewhere are left out\n"))
	if in.meals != nil {
		return
	}
	if check := sc.Travel.Check(sc.Trips); check.Trips > 0 {
		fmt.Fprintf(w, "travel times (%s): mean %.0f s for the %.0f s recorded, median error %.0f s over %d trips\n",
			sc.Travel.Source, check.Estimated.Seconds(), check.Recorded.Seconds(), check.Error.Seconds(), check.Trips)
	}
}
