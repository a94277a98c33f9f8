package sim

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

func sf(t *testing.T) *Demand {
	t.Helper()
	d, err := SanFrancisco()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// friday is in the busiest evening of the recorded week: 22:30 in San Francisco.
func friday() time.Time { return time.Date(2026, 5, 30, 5, 30, 0, 0, time.UTC) }

func TestSanFrancisco(t *testing.T) {
	d := sf(t)
	t.Run("is_small", func(t *testing.T) {
		if n := len(sanFrancisco); n > 60<<10 {
			t.Errorf("the table has %d bytes, want at most 60 KiB", n)
		}
	})
	t.Run("a_friday_evening_is_as_busy_as_recorded", func(t *testing.T) {
		// The README of the data has 1,643 and 1,751 rides in the hours from 22:00 and 23:00 of 30 May; the
		// table has their mean with a Friday before.
		if got := d.Rate(friday()) * 3600; got < 1300 || got > 1800 {
			t.Errorf("%v rides an hour, want about 1,600", got)
		}
		if night, evening := d.Share(friday().Add(-18*time.Hour)), d.Share(friday()); night > evening/3 {
			t.Errorf("shares %v at 4:30 and %v at 22:30, want the night far below", night, evening)
		}
	})
	t.Run("places_are_in_the_market", func(t *testing.T) {
		r := seeded(1)
		for range 10_000 {
			from, to := d.Ride(r, friday())
			for _, p := range []geo.LatLng{from, to} {
				if p.Lat < 37.2 || p.Lat > 38.2 || p.Lng < -122.7 || p.Lng > -121.7 {
					t.Fatalf("ride from %v to %v, want both ends in sf", from, to)
				}
			}
		}
	})
	t.Run("rides_are_as_long_as_recorded", func(t *testing.T) {
		// The median path of the recorded rides is 2,870 m, their straight line 1.2 times shorter.
		r := seeded(2)
		near, n := 0, 10_000
		for range n {
			if from, to := d.Ride(r, friday()); geo.Distance(from, to) < 2400 {
				near++
			}
		}
		if share := float64(near) / float64(n); share < 0.4 || share > 0.6 {
			t.Errorf("%.2f of the rides are shorter than the recorded median, want half", share)
		}
	})
}

func TestDemand_Next(t *testing.T) {
	d := sf(t).Times(2)
	t.Run("as_many_rides_as_the_rate_says", func(t *testing.T) {
		r, n := seeded(4), 0
		begin := friday().Truncate(time.Hour)
		for at := begin; ; n++ {
			if at, _, _ = d.Next(r, at); at.Sub(begin) >= time.Hour {
				break
			}
		}
		want := d.Rate(begin) * 3600
		if math.Abs(float64(n)-want) > 5*math.Sqrt(want) { // five standard deviations
			t.Errorf("%d rides in the hour, want about %v", n, want)
		}
	})
	t.Run("the_same_seed_gives_the_same_rides", func(t *testing.T) {
		a, b := seeded(5), seeded(5)
		at := friday()
		for range 100 {
			at1, from1, to1 := d.Next(a, at)
			at2, from2, to2 := d.Next(b, at)
			if !at1.Equal(at2) || from1 != from2 || to1 != to2 {
				t.Fatalf("got %v %v %v and %v %v %v", at1, from1, to1, at2, from2, to2)
			}
			at = at1
		}
	})
}

func TestParseDemand_what_it_refuses(t *testing.T) {
	hours := ""
	for _, day := range []string{"0", "1", "2", "3", "4", "5", "6"} {
		hours += "hours " + day + strings.Repeat(" 1", 24) + "\n"
	}
	const cell = "cell a 37 -122 100 1 1 1 1 2 0:2\n"
	if _, err := parseDemand(hours+cell, time.UTC); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":           "",
		"a_missing_weekday": hours[strings.Index(hours, "\n")+1:] + cell,
		"an_unknown_line":   hours + cell + "cells",
		"a_negative_number": hours + strings.Replace(cell, "100", "-1", 1),
		"no_number":         hours + strings.Replace(cell, "100", "NaN", 1),
		"no_place":          hours + strings.Replace(cell, "37", "97", 1),
		"an_unknown_target": hours + strings.Replace(cell, "0:2", "1:2", 1),
		"half_a_target":     hours + strings.Replace(cell, "0:2", "0", 1),
		"too_many_rides":    hours + strings.Replace(cell, "0:2", "0:5", 1),
		"a_dead_night":      hours + strings.Replace(cell, "100 1", "100 0", 1),
		"hours_of_zero":     strings.ReplaceAll(hours, " 1", " 0") + cell,
	} {
		if _, err := parseDemand(text, time.UTC); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
