package market

// Cool has the core forget what only makes its rounds faster. Nothing that it decides changes; a replay with and
// without shows that.
func (c *Core) Cool() {
	c.round.own, c.round.shadow, c.round.table = decider{}, decider{}, table{}
}
