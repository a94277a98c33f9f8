package main

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/geo"
)

// sceneFlags say what simulate and tune play, recorded days apart: the market, made-up demand, people, roads and networks.
type sceneFlags struct {
	Window time.Duration `help:"Time between rounds of the named policies (default: 2s)." placeholder:"D"`
	Seed   uint64        `help:"Seed of what is made up and of every chance." default:"1"`
	Market string        `help:"The market (default: the one in which most trips begin; for made-up demand lab)." placeholder:"M"`

	Drivers  int           `group:"Made-up demand" help:"How many drivers to make up (default: 1000)." placeholder:"N"`
	Rate     float64       `group:"Made-up demand" help:"Orders a second of the virtual clock (default: by --load)." placeholder:"R"`
	Load     float64       `group:"Made-up demand" help:"Instead of --rate: hours of trips that are asked for over hours that drivers are on duty (default: 0.95)." placeholder:"X"`
	Duration time.Duration `group:"Made-up demand" help:"How long orders are placed, virtual time (default: 3h)." placeholder:"D"`

	City string `group:"Made-up demand" help:"dense: a disk as dense with drivers as San Francisco, short trips; wide: a square of 30 km with 20 hot spots, long trips between them (--travel straight, --speed-mps 6.94 and --circuity 1 for 25 km/h by the line)." enum:",dense,wide" default:"" placeholder:"dense|wide"`

	conductFlags
	Travel   string  `group:"Conduct" help:"How long drives take, for drivers and the engine alike: straight (one speed on a road longer than the line by a factor) or learnt (geo/eta's model, taught by the trips of the file before --from). Default: learnt for recorded rides, straight for made-up ones; meal instances bring their own speed." enum:",straight,learnt" default:"" placeholder:"straight|learnt"`
	SpeedMps float64 `group:"Conduct" help:"Speed on the road of --travel straight, metres a second." default:"5.6" placeholder:"V"`
	Circuity float64 `group:"Conduct" help:"Metres of road for each metre of straight line." default:"1.2" placeholder:"C"`
	Cruise   bool    `group:"Conduct" help:"Free drivers cruise to where trips began and ended before; else they wait where they are."`

	GPSNoiseM   float64       `name:"gps-noise-m" group:"Network" help:"Standard deviation of sent positions, metres to the north and to the east each." placeholder:"M"`
	Ping        time.Duration `group:"Network" help:"Time between two positions of a driver." default:"4s" placeholder:"D"`
	LostNetwork float64       `group:"Network" help:"Share of time for which a driver has no network, 0 to below 1." placeholder:"SHARE"`
	LostFor     time.Duration `group:"Network" help:"How long it is then away, in the mean of an exponential distribution." default:"60s" placeholder:"D"`
}

// check refuses flags that make no sense, alone or together; recorded tells whether recorded days are played.
func (c *sceneFlags) check(recorded bool) error {
	if err := c.conductFlags.check(); err != nil {
		return err
	}
	madeUp := c.Drivers != 0 || c.Rate != 0 || c.Load != 0 || c.Duration != 0 || c.City != ""
	switch {
	case recorded && madeUp:
		return usagef("--drivers, --rate, --load, --duration and --city make demand up: they do not go with --trips")
	case c.Rate != 0 && c.Load != 0:
		return usagef("--rate and --load exclude each other")
	case c.Drivers < 0 || c.Duration < 0 || c.Window < 0:
		return usagef("--drivers, --duration and --window must not be negative")
	case !(c.Rate >= 0 && c.Rate <= maxRate):
		return usagef("--rate must be from 0 to %d orders a second, not %v", maxRate, c.Rate)
	case !(c.Load >= 0 && c.Load <= maxLoad):
		return usagef("--load must be from 0 to %d, not %v", maxLoad, c.Load)
	case c.Window != 0 && (c.Window < 10*time.Millisecond || c.Window > time.Minute):
		return usagef("--window must be from 10ms to 1m, not %s", c.Window)
	case c.Market != "" && !dispatch.ValidID(c.Market):
		return usagef("--market: %q is no market id", c.Market)
	case !(c.SpeedMps > 0 && c.SpeedMps <= maxSpeed) || !(c.Circuity >= 1 && c.Circuity <= maxCircuity):
		return usagef("--speed-mps must be above 0 and at most %d, --circuity from 1 to %d", maxSpeed, maxCircuity)
	case !(c.GPSNoiseM >= 0 && c.GPSNoiseM <= maxNoise):
		return usagef("--gps-noise-m must be from 0 to %d, not %v", maxNoise, c.GPSNoiseM)
	case c.Ping <= 0 || c.Ping > time.Hour || c.LostFor <= 0 || c.LostFor > 24*time.Hour:
		return usagef("--ping must be above 0 and at most 1h, --lost-for above 0 and at most 24h")
	case !(c.LostNetwork >= 0 && c.LostNetwork < 1):
		return usagef("--lost-network must be from 0 to below 1, not %v", c.LostNetwork)
	}
	return nil
}

// city is the made-up one of so many drivers around center.
func (c *sceneFlags) city(center geo.LatLng, drivers int, seed uint64) sim.City {
	if c.City == "wide" {
		return sim.WideCity(center, seed)
	}
	return sim.CityFor(center, drivers, seed)
}

// Bounds of flags: above them is a slip of the pen.
const (
	maxLoad     = 100
	maxSeeds    = 1000
	maxSpeed    = 100
	maxCircuity = 10
	maxNoise    = 10_000
)
