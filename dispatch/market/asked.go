package market

import (
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// ask notes that a driver is asked now. Each note has its timer, for a reload may make any of them the one that counts.
func (c *Core) ask(d *driver) {
	if c.policy.Offers.PerMinute == 0 {
		d.asked = d.asked[:0]
		return
	}
	d.asked = slices.DeleteFunc(d.asked, func(at time.Time) bool { return !at.Add(time.Minute).After(c.now) })
	d.asked = append(d.asked, c.now)
	c.timers.add(c.now.Add(time.Minute), timerThaw, string(d.duty.Driver))
}

// flooded tells whether a driver has had its offers of this minute.
func (c *Core) flooded(d *driver) bool {
	most := c.policy.Offers.PerMinute
	return most > 0 && len(d.asked) >= most && d.asked[len(d.asked)-most].Add(time.Minute).After(c.now)
}

// thaw lets the search know of a driver that may be asked again because its minute is over.
func (c *Core) thaw(id dispatch.DriverID) {
	if d, ok := c.drivers[id]; ok && (d.free() && !c.flooded(d) != d.toldFree || c.ends(d) != nil != d.toldEnds) {
		c.touch(id)
	}
}

// bar keeps a driver from being asked again for an order for a while.
func (c *Core) bar(o *dispatch.Order, d dispatch.DriverID, span time.Duration) {
	if span > 0 {
		c.unsaid[o.ID] = append(c.unsaid[o.ID], dispatch.Bar{Driver: d, Until: c.now.Add(span)})
	}
}

// barred tells whether a driver may not be asked for an order at present.
func (c *Core) barred(o *dispatch.Order, d dispatch.DriverID) bool {
	return o.Barred(d, c.now) ||
		slices.ContainsFunc(c.unsaid[o.ID], func(b dispatch.Bar) bool { return b.Driver == d && c.now.Before(b.Until) })
}

// bars are the drivers that may not be asked for an order at present, ascending.
func (c *Core) bars(o *dispatch.Order) []dispatch.DriverID {
	var out []dispatch.DriverID
	for _, list := range [][]dispatch.Bar{o.Bars, c.unsaid[o.ID]} {
		for _, b := range list {
			if c.barred(o, b.Driver) {
				out = append(out, b.Driver)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
