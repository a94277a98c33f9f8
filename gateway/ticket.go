package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

const (
	// ticketLife is how long (wall) a ticket may be redeemed: it is meant to be clicked at once.
	ticketLife = 10 * time.Minute
	// ticketMemory is how long (wall) after its minting a ticket is known to have been one: until then it is
	// answered with expired, later with not_found.
	ticketMemory = 24 * time.Hour
	// ticketTokenLife is the life of the token that a ticket is changed for: a shift.
	ticketTokenLife = 12 * time.Hour
)

// tickets are the one-time links for staff: whoever brings a ticket first gets a token, so that a link can be
// shown without a token in it. They are kept in memory, by their digest, and end with the process.
type tickets struct {
	wall dispatch.Clock

	mu    sync.Mutex
	known map[[sha256.Size]byte]*ticket // guarded by mu; bounded by what the server itself mints in ticketMemory
}

// ticket is what one link stands for. Guarded by tickets.mu.
type ticket struct {
	role   dispatch.Role
	sub    string
	minted time.Time // wall
	used   bool
}

func newTickets(wall dispatch.Clock) *tickets {
	return &tickets{wall: wall, known: map[[sha256.Size]byte]*ticket{}}
}

// mint makes a ticket of 128 random bits, in the alphabet of ids.
func (ts *tickets) mint(role dispatch.Role, sub string) string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // crypto/rand.Read never fails (Go 1.24 and later)
	text := base64.RawURLEncoding.EncodeToString(random[:])
	now := ts.wall.Now()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for digest, t := range ts.known {
		if now.Sub(t.minted) >= ticketMemory {
			delete(ts.known, digest)
		}
	}
	ts.known[sha256.Sum256([]byte(text))] = &ticket{role: role, sub: sub, minted: now}
	return text
}

// redeem uses a ticket up and tells whom it stands for.
func (ts *tickets) redeem(text string) (role dispatch.Role, sub string, refused *dispatch.Error) {
	now := ts.wall.Now()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.known[sha256.Sum256([]byte(text))]
	switch {
	case t == nil || now.Sub(t.minted) >= ticketMemory:
		return "", "", notFound()
	case t.used:
		return "", "", dispatch.Errorf(dispatch.CodeExpired, "", "the ticket has been used")
	case now.Sub(t.minted) >= ticketLife:
		return "", "", dispatch.Errorf(dispatch.CodeExpired, "", "the ticket is older than %v", ticketLife)
	}
	t.used = true
	return t.role, t.sub, nil
}

// StaffTicket mints a ticket that POST /v1/tickets/redeem changes, once and within 10 minutes (wall), for a
// staff token of 12 hours. Another role than dispatcher or admin, or a sub that is no id, is a defect and
// panics.
func (s *Server) StaffTicket(role dispatch.Role, sub string) string {
	if by := (dispatch.Actor{Role: role, Sub: sub}); !by.Staff() || !dispatch.ValidID(sub) {
		panic("gateway: a staff ticket for role " + string(role) + ", sub " + sub)
	}
	return s.tickets.mint(role, sub)
}

func (s *Server) ticketEndpoints() []endpoint {
	return []endpoint{
		{method: http.MethodPost, path: "/v1/tickets/redeem", serve: s.redeemTicket, open: true},
	}
}

// redeemTicket changes a ticket for a token.
func (s *Server) redeemTicket(c *call) (answer, *dispatch.Error) {
	var m wire.TicketRedeem
	if refused := c.decode(&m, false, nil); refused != nil {
		return answer{}, refused
	}
	role, sub, refused := s.tickets.redeem(string(m.Ticket))
	if refused != nil {
		refused.Err = dispatch.ErrNoAccess // a ticket that is not good is as a token that is not
		return answer{}, refused
	}
	now := s.cfg.Wall.Now()
	token, err := s.cfg.Auth.Mint(auth.Claims{Sub: sub, Role: role}, ticketTokenLife, now)
	if err != nil {
		return answer{}, refusal(err)
	}
	return success(wire.TicketTokenFrom(token, now.Add(ticketTokenLife), role, sub))
}
