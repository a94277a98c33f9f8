package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// DriversPerKm2 is the density of San Francisco's Yellow Cab fleet on the Friday night of 30 May 2008: about
// 420 cabs in 121 km2 (CRAWDAD epfl/mobility).
const DriversPerKm2 = 420.0 / 121

const (
	// meanTrip is the mean straight line from pickup to drop-off; that fleet's median ride took 528 s, which
	// is 2.4 km at 6 m/s and 1.3 m of road a metre of line.
	meanTrip geo.Meters = 2400
	// shortestTrip is that of a ride worth ordering.
	shortestTrip geo.Meters = 300
)

// City is a made-up city: a disk in which drivers stand and riders ask, everywhere alike (CityFor), or one of hot spots
// (WideCity). The same seed gives the same city.
type City struct {
	Center geo.LatLng
	Radius geo.Meters
	Seed   uint64
	// spots are the hot spots; nil where all is alike.
	spots *spots
}

// CityFor is a city around center, as large as n drivers make it at DriversPerKm2.
func CityFor(center geo.LatLng, n int, seed uint64) City {
	km := math.Sqrt(float64(max(n, 1)) / DriversPerKm2 / math.Pi)
	return City{Center: center, Radius: geo.Meters(1000 * km), Seed: seed}
}

// Sessions are n drivers that come on at the instant on and stay to the end.
func (c City) Sessions(n int, on time.Time) []Session {
	r := rand.New(rand.NewPCG(c.Seed, 1))
	sessions := make([]Session, n)
	for i := range sessions {
		sessions[i] = Session{Driver: fmt.Sprintf("driver-%05d", i+1), On: on, At: c.place(r, loose)}
	}
	return sessions
}

// Trips are those of a Poisson stream of perSecond trips a second from one instant to before another. Without hot spots
// their length is exponential, their direction any; one that would leave the city turns until it does not.
func (c City) Trips(perSecond float64, from, to time.Time) []Trip {
	r := rand.New(rand.NewPCG(c.Seed, 2))
	var trips []Trip
	for at := from; perSecond > 0; {
		at = at.Add(time.Duration(r.ExpFloat64() / perSecond * float64(time.Second)))
		if !at.Before(to) {
			break
		}
		pickup := c.place(r, anywhere)
		trips = append(trips, Trip{
			ID: fmt.Sprintf("trip-%06d", len(trips)+1), At: at, Pickup: pickup, Dropoff: c.away(r, pickup),
		})
	}
	return trips
}

// place is anywhere in the disk, or by the hot spots but for a share.
func (c City) place(r *rand.Rand, uniform float64) geo.LatLng {
	if c.spots != nil {
		return c.spots.place(r, uniform)
	}
	return move(c.Center, geo.Meters(math.Sqrt(r.Float64()))*c.Radius, 2*math.Pi*r.Float64())
}

// away is the end of a trip from p.
func (c City) away(r *rand.Rand, p geo.LatLng) geo.LatLng {
	const tries = 64
	if c.spots != nil {
		for range tries {
			if to := c.spots.place(r, anywhere); geo.Distance(p, to) >= shortestTrip {
				return to
			}
		}
		return c.Center
	}
	length := max(shortestTrip, meanTrip*geo.Meters(r.ExpFloat64()))
	for range tries {
		if to := move(p, min(length, c.Radius), 2*math.Pi*r.Float64()); geo.Distance(c.Center, to) <= c.Radius {
			return to
		}
	}
	return c.Center // a city smaller than its trips
}

// move is the place that lies d from p in a direction, by the plane's geometry: good for a city.
func move(p geo.LatLng, d geo.Meters, angle float64) geo.LatLng {
	north := float64(d/geo.EarthRadius) * 180 / math.Pi
	return geo.LatLng{
		Lat: p.Lat + north*math.Cos(angle),
		Lng: p.Lng + north*math.Sin(angle)/math.Cos(p.Lat*math.Pi/180),
	}
}
