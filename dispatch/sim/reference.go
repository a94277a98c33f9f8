package sim

import (
	"context"
	"slices"
	"time"
)

// OrderWorth is how much deadhead the clairvoyant reference takes for one more order: about the longest way to a pickup
// that the policies compared with it go, without which the last orders, far from all others, make its mean that of
// another service.
const OrderWorth = 20 * time.Minute

// Clairvoyant gives the best that a fleet could do that knew every order of the scenario beforehand, and picks each up
// within wait; k is how many predecessors of each order are looked at, 0 for all. Sessions are the shifts, cut where
// they overlap. It gives ErrStopped when ctx ends before.
func (s *Scenario) Clairvoyant(ctx context.Context, wait time.Duration, k int) (Clairvoyant, error) {
	day := ClairvoyantDay{
		Trips: s.wanted(), Travel: s.Travel.Drive, TopMps: s.Travel.TopMps, Wait: wait, Predecessors: k, Worth: OrderWorth,
		Stop: func() bool { return ctx.Err() != nil },
		Ride: func(t *Trip) time.Duration {
			// The kitchen is not waited for: a relaxation more.
			took, from := s.Conduct.PickupService, t.Pickup
			for _, at := range t.Via {
				took += s.Travel.Drive(from, at, t.At) + s.Conduct.DropoffService
				from = at
			}
			return took + s.Travel.Drive(from, t.Dropoff, t.At) + s.Conduct.DropoffService
		},
	}
	for _, w := range s.Workers {
		for _, shift := range w.Shifts {
			day.Sessions = append(day.Sessions, Session{Driver: string(w.ID), On: shift.On, Off: shift.Off, At: shift.At})
		}
	}
	return day.Solve()
}

// wanted are the trips at the instants at which they are wanted: a scheduled ride not when it was ordered.
func (s *Scenario) wanted() []Trip {
	if s.Meals != nil || !slices.ContainsFunc(s.Trips, func(t Trip) bool { return !t.Ready.IsZero() }) {
		return s.Trips
	}
	trips := slices.Clone(s.Trips)
	for i := range trips {
		trips[i].At = later(trips[i].At, trips[i].Ready)
	}
	slices.SortStableFunc(trips, func(a, b Trip) int { return a.At.Compare(b.At) })
	return trips
}
