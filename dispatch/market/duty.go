package market

import "github.com/hexfleet/hexfleet/dispatch"

// duty judges a driver's going on or off duty. What changes nothing makes no event.
func (c *Core) duty(cmd *dispatch.Command, known *Known) dispatch.Reply {
	want := dispatch.Duty{
		Driver: cmd.Driver, Market: c.id, Online: cmd.Duty.Online,
		VehicleClass: cmd.Duty.VehicleClass, Capacity: cmd.Duty.Capacity, Tags: cmd.Duty.Tags, Since: c.now,
	}
	if known.Claim != nil && known.Stale {
		return dispatch.Reply{Err: dispatch.Unavailable("the market was recovered while the request was under way; repeat it", nil)}
	}
	if known.Claim != nil && known.Claim.Held != "" {
		return refuse(dispatch.CodeConflict, "/market", "the driver is on duty in market %s", known.Claim.Held)
	}
	if !want.Online {
		c.offline(cmd.Driver, cmd.By)
		return dispatch.Reply{}
	}
	if known.Claim == nil {
		return dispatch.Reply{Err: dispatch.Unavailable("the driver's duty was not claimed", nil)}
	}
	d := c.driver(cmd.Driver)
	want.Version = max(d.duty.Version, known.Claim.Version) + 1
	if d.duty.Same(&want) {
		return dispatch.Reply{}
	}
	if d.offer != "" && d.duty.VehicleClass != want.VehicleClass {
		c.drop(d, "vehicle_class")
	}
	if len(d.orders) >= want.Capacity {
		c.drop(d, "capacity")
	}
	if !d.duty.Online {
		d.idle = c.now
	}
	d.duty = want
	c.tellDuty(dispatch.EventDriverOnline, cmd.By, d)
	return dispatch.Reply{}
}

// offline withdraws the driver's live offer and takes it out of the search; its running orders go on.
func (c *Core) offline(id dispatch.DriverID, by dispatch.Actor) {
	d, ok := c.drivers[id]
	if !ok || !d.duty.Online {
		return
	}
	c.drop(d, "offline")
	d.duty.Online = false
	d.duty.Version++
	d.duty.Since = c.now
	if len(d.orders) == 0 {
		c.timers.add(c.now.Add(forgetAfter), timerLeave, string(id))
	}
	c.tellDuty(dispatch.EventDriverOffline, by, d)
}

func (c *Core) tellDuty(kind dispatch.EventType, by dispatch.Actor, d *driver) {
	snapshot := d.duty
	c.emit(dispatch.Event{
		Type: kind, By: dispatch.By{Role: by.Role, Sub: by.Sub}, Version: d.duty.Version,
		Driver: d.duty.Driver, Duty: &snapshot,
	})
	c.touch(d.duty.Driver)
}
