package wire

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// TicketRedeem changes a one-time ticket for a token; the body of POST /v1/tickets/redeem.
type TicketRedeem struct {
	Ticket ID `json:"ticket"`
}

// Validate refuses a body without a ticket.
func (m *TicketRedeem) Validate() *dispatch.Error { return required("/ticket", m.Ticket) }

// TicketToken answers TicketRedeem. ExpiresAt is wall time.
type TicketToken struct {
	Token     string `json:"token"`
	ExpiresAt Time   `json:"expires_at"`
	Role      string `json:"role"`
	Sub       ID     `json:"sub"`
}

// TicketTokenFrom tells a token and whom it speaks for.
func TicketTokenFrom(token string, expires time.Time, role dispatch.Role, sub string) TicketToken {
	return TicketToken{Token: token, ExpiresAt: TimeOf(expires), Role: string(role), Sub: ID(sub)}
}
