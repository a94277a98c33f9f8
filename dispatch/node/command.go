package node

import (
	"context"
	"errors"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

// led gives the leader of a market, false when it is not led here.
func (n *Node) led(m dispatch.MarketID) (*leader, bool) {
	s, ok := n.seats[m]
	if !ok {
		return nil, false
	}
	l := s.leader.Load()
	return l, l != nil
}

// notLed is the refusal of what another node leads, or nobody at present.
func notLed(m dispatch.MarketID) *dispatch.Error {
	return dispatch.Unavailable("market "+string(m)+" is not led here", nil)
}

// Do judges one command at its market's leader. A repeat of an idempotency key is given the first answer, also
// when another node leads.
func (n *Node) Do(ctx context.Context, c dispatch.Command) dispatch.Reply {
	if l, ok := n.led(c.Market); ok && l.loop.Suspended() { // what it may have under the key cannot be looked up
		return dispatch.Reply{Err: dispatch.Unavailable("the store does not answer at present", nil)}
	}
	if c.Op == dispatch.OpDuty {
		select {
		case n.duties <- struct{}{}:
			defer func() { <-n.duties }()
		case <-ctx.Done():
			return failed(ctx.Err())
		}
	}
	read := n.cfg.Wall.Now()
	if c.Key.ID != "" {
		kept, known, err := n.cfg.Store.Answer(ctx, c.By.Sub, c.Key.ID)
		if err != nil {
			return failed(err)
		}
		if known {
			return n.repeat(ctx, &c, &kept)
		}
	}
	known, err := n.route(ctx, &c)
	if err != nil {
		return failed(err)
	}
	l, ok := n.led(c.Market)
	if !ok {
		return dispatch.Reply{Err: notLed(c.Market)}
	}
	if refused := l.checkStops(&c); refused != nil {
		return dispatch.Reply{Err: refused}
	}
	if c.Op == dispatch.OpDuty {
		claim, err := n.claim(ctx, &c)
		if err != nil {
			return failed(err)
		}
		known.Claim = &claim
	}
	if c.Op == dispatch.OpAssign && known.Order != nil {
		known.Pickup, known.Trip, known.Source = l.estimate(ctx, c.Driver, known.Order)
	}
	return l.loop.Do(ctx, read, market.Do{Command: c, Known: known})
}

// claim asks the store, which alone sees every market, for the driver: to go online it is claimed; to go
// offline it must not be on duty elsewhere, or the driver would be told what is not so.
func (n *Node) claim(ctx context.Context, c *dispatch.Command) (dispatch.Claim, error) {
	if c.Duty.Online {
		return n.cfg.Store.Claim(ctx, c.Driver, c.Market)
	}
	duty, err := n.cfg.Store.Duty(ctx, c.Driver)
	if dispatch.CodeOf(err) == dispatch.CodeNotFound {
		return dispatch.Claim{}, nil // never on duty: nothing to end
	}
	if err != nil {
		return dispatch.Claim{}, err
	}
	claim := dispatch.Claim{Version: duty.Version}
	if duty.Online && duty.Market != c.Market {
		claim.Held = duty.Market
	}
	return claim, nil
}

// repeat tells the answer that is kept under the command's key.
func (n *Node) repeat(ctx context.Context, c *dispatch.Command, kept *dispatch.Answer) dispatch.Reply {
	if kept.Key.Digest != c.Key.Digest {
		return dispatch.Reply{Err: dispatch.KeyReused()}
	}
	if kept.Code != "" {
		return dispatch.Reply{Err: &dispatch.Error{Code: kept.Code, Detail: kept.Detail, Field: kept.Field}}
	}
	if kept.Order == "" {
		return dispatch.Reply{}
	}
	o, err := n.cfg.Store.OrderAt(ctx, kept.Order, kept.Version)
	if err != nil {
		return failed(err)
	}
	return dispatch.Reply{Order: &o}
}

// route finds the market of a command from what it is about, and reads that for the core. An id that is
// unknown here may still be known to nobody else: the core answers for it, so that unknown and foreign
// answer alike.
func (n *Node) route(ctx context.Context, c *dispatch.Command) (market.Known, error) {
	var known market.Known
	if c.Op == dispatch.OpAccept || c.Op == dispatch.OpDecline {
		offer, err := n.cfg.Store.Offer(ctx, c.Offer)
		if dispatch.CodeOf(err) == dispatch.CodeNotFound {
			return known, dispatch.Errorf(dispatch.CodeNotFound, "", "no such offer")
		}
		if err != nil {
			return known, err
		}
		known.Offer = &offer
		c.Market = offer.Market
		if offer.State != dispatch.OfferAccepted {
			return known, nil
		}
		return known, n.readOrder(ctx, offer.Order, &known)
	}
	if c.Op == dispatch.OpCreate || c.Op == dispatch.OpDuty {
		return known, nil
	}
	if err := n.readOrder(ctx, c.Order, &known); err != nil {
		return known, err
	}
	c.Market = known.Order.Market
	return known, nil
}

func (n *Node) readOrder(ctx context.Context, id dispatch.OrderID, known *market.Known) error {
	o, err := n.cfg.Store.Order(ctx, id)
	if dispatch.CodeOf(err) == dispatch.CodeNotFound {
		return dispatch.Errorf(dispatch.CodeNotFound, "", "no such order")
	}
	if err != nil {
		return err
	}
	known.Order = &o
	return nil
}

// failed tells an error of the store as a refusal; what has no code of its own is told as unavailable.
func failed(err error) dispatch.Reply {
	if e, ok := errors.AsType[*dispatch.Error](err); ok {
		return dispatch.Reply{Err: e}
	}
	return dispatch.Reply{Err: dispatch.Unavailable("the store is away", err)}
}
