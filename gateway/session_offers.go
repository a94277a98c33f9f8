package gateway

import (
	"slices"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// offersKept is how many offers a session remembers. A driver has one live offer at a time; what is kept
// beyond bridges the reordering between the journal, read on connecting, and the notices.
const offersKept = 16

// offers is what one driver's socket has been told of its offers: each once, and never after its end. It is
// pure; its session's mutex guards it.
type offers struct {
	known []offerNote // oldest first
}

type offerNote struct {
	id          dispatch.OfferID
	sent, ended bool
}

// live tells whether a live offer is to be sent, and counts it as sent.
func (o *offers) live(id dispatch.OfferID) bool {
	if o.find(id) != nil {
		return false
	}
	o.add(offerNote{id: id, sent: true})
	return true
}

// end tells whether the end of an offer is news to the client.
func (o *offers) end(id dispatch.OfferID) bool {
	n := o.find(id)
	if n == nil {
		o.add(offerNote{id: id, ended: true})
		return false
	}
	news := n.sent && !n.ended
	n.ended = true
	return news
}

func (o *offers) find(id dispatch.OfferID) *offerNote {
	i := slices.IndexFunc(o.known, func(n offerNote) bool { return n.id == id })
	if i < 0 {
		return nil
	}
	return &o.known[i]
}

func (o *offers) add(n offerNote) {
	if len(o.known) == offersKept {
		o.known = slices.Delete(o.known, 0, 1)
	}
	o.known = append(o.known, n)
}

// notice takes from the hub what became of an offer. What the driver itself answered is no news to it.
func (s *session) notice(n *dispatch.Notice) {
	if n.Offer.State == dispatch.OfferLive {
		s.offer(&n.Offer, n.Order)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	news := s.offers.end(n.Offer.ID)
	if news && (n.Offer.State == dispatch.OfferWithdrawn || n.Offer.State == dispatch.OfferExpired) {
		s.put(wire.TypeOfferWithdrawn, s.encode(wire.OfferWithdrawnFrom(&n.Offer)))
	}
}

// offer sends a live offer, unless the socket has had it.
func (s *session) offer(f *dispatch.Offer, o *dispatch.Order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o == nil || auth.Allow(s.delivery.by, auth.ReadOffer, auth.Target{Market: f.Market, Driver: f.Driver}) != nil {
		return
	}
	if s.offers.live(f.ID) {
		c := s.srv.cfg
		s.put(wire.TypeOffer, s.encode(wire.OfferFrom(f, o, c.Market.Now(), c.Market.Scale())))
	}
}

// liveOffers sends a driver's live offers again, on a new connection. Notices that come meanwhile are told at
// once: offers remembers which was first.
func (s *session) liveOffers(p auth.Principal) {
	ctx, cancel := s.within(requestWait)
	defer cancel()
	live, err := s.srv.cfg.History.LiveOffers(ctx, dispatch.DriverID(p.Sub))
	for i := range live {
		if !s.srv.cfg.Market.Now().Before(live[i].ExpiresAt) {
			continue
		}
		var o dispatch.Order
		if o, err = s.srv.cfg.History.Order(ctx, live[i].Order); err != nil {
			break
		}
		s.offer(&live[i], &o)
	}
	if err != nil {
		s.refuse(nil, refusal(err))
		s.sock.out.end(closing{code: closeUnavailable, reason: string(dispatch.CodeOf(err))})
	}
}
