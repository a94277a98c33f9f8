package sim

import "time"

// OrderWorth is how much deadhead the clairvoyant reference takes for one more order: about the longest way to a pickup
// that the policies compared with it go, without which the last orders, far from all others, make its mean that of
// another service.
const OrderWorth = 20 * time.Minute

// Clairvoyant gives the best that a fleet could do that knew every order of the scenario beforehand, and picks each up
// within wait; k is how many predecessors of each order are looked at, 0 for all. Sessions are the shifts, cut where
// they overlap.
func (s *Scenario) Clairvoyant(wait time.Duration, k int) (Clairvoyant, error) {
	day := ClairvoyantDay{
		Trips: s.Trips, Travel: s.Travel.Drive, TopMps: s.Travel.TopMps, Wait: wait, Predecessors: k, Worth: OrderWorth,
		Ride: func(t *Trip) time.Duration {
			// The kitchen is not waited for: a relaxation more.
			return s.Conduct.PickupService + s.Travel.Drive(t.Pickup, t.Dropoff, t.At) + s.Conduct.DropoffService
		},
	}
	for _, w := range s.Workers {
		for _, shift := range w.Shifts {
			day.Sessions = append(day.Sessions, Session{Driver: string(w.ID), On: shift.On, Off: shift.Off, At: shift.At})
		}
	}
	return day.Solve()
}
