package wire

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/dispatch"
)

// The types of the socket's messages.
const (
	TypeAuth           = "auth"
	TypeResume         = "resume"
	TypeWelcome        = "welcome"
	TypeAck            = "ack"
	TypeError          = "error"
	TypeTelemetry      = "telemetry"
	TypeDuty           = "duty"
	TypeOffer          = "offer"
	TypeOfferAccept    = "offer.accept"
	TypeOfferDecline   = "offer.decline"
	TypeOfferWithdrawn = "offer.withdrawn"
	TypeTripAdvance    = "trip.advance"
	TypeOrderCreate    = "order.create"
	TypeOrderCancel    = "order.cancel"
	TypeOrderWatch     = "order.watch"
	TypeOrderUnwatch   = "order.unwatch"
	TypeOrder          = "order"
	TypeDriverPosition = "driver.position"
	TypeDegraded       = "degraded"
	TypeDrain          = "drain"
)

// Subprotocol is the name of this protocol in Sec-WebSocket-Protocol.
const Subprotocol = "hexfleet.v1.json"

// Auth is the first frame unless the token came in the header, and later extends the session. It is answered
// by welcome, or by error with ID.
type Auth struct {
	Type   string       `json:"type,omitzero"`
	ID     ID           `json:"id,omitzero"`
	Token  string       `json:"token"`
	Resume []ResumeFrom `json:"resume,omitzero"`
}

// Validate implements the limits of the contract. A Resume that is not nil asks to resume, even when empty.
func (m *Auth) Validate() *dispatch.Error {
	if m.Token == "" {
		return bad("/token", "required")
	}
	return validResume(m.Resume)
}

// Resume is the first frame after welcome on a connection whose token came in the header.
type Resume struct {
	Type   string       `json:"type,omitzero"`
	ID     ID           `json:"id,omitzero"`
	Resume []ResumeFrom `json:"resume"`
}

// Validate implements the limits of the contract.
func (m *Resume) Validate() *dispatch.Error {
	if m.Resume == nil {
		return bad("/resume", "required")
	}
	return validResume(m.Resume)
}

// ResumeFrom names an order and the last version seen of it, 0 for none.
type ResumeFrom struct {
	OrderID      ID    `json:"order_id"`
	AfterVersion int64 `json:"after_version"`
}

// UnmarshalJSONFrom reads an entry; both members are required, which a plain number could not tell from 0.
func (r *ResumeFrom) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var in struct {
		OrderID      ID     `json:"order_id"`
		AfterVersion *int64 `json:"after_version"`
	}
	if err := json.UnmarshalDecode(dec, &in); err != nil {
		return err
	}
	switch {
	case in.OrderID == "":
		return bad("/order_id", "required")
	case in.AfterVersion == nil:
		return bad("/after_version", "required")
	case *in.AfterVersion < 0:
		return bad("/after_version", "must be at least 0")
	}
	*r = ResumeFrom{in.OrderID, *in.AfterVersion}
	return nil
}

func validResume(entries []ResumeFrom) *dispatch.Error {
	if len(entries) > MaxResume {
		return bad("/resume", "must name at most %d orders", MaxResume)
	}
	return nil
}

// Welcome answers auth. ServerTime is the market clock, HeartbeatS wall time.
type Welcome struct {
	Type       string  `json:"type"`
	Session    ID      `json:"session"`
	Role       string  `json:"role"`
	Sub        ID      `json:"sub"`
	HeartbeatS float64 `json:"heartbeat_s"`
	ServerTime Time    `json:"server_time"`
	TimeScale  float64 `json:"time_scale"`
}

// WelcomeTo greets an actor. heartbeat is wall time, now market time, scale market seconds a wall second.
func WelcomeTo(by dispatch.Actor, session string, heartbeat time.Duration, now time.Time, scale float64) Welcome {
	return Welcome{
		Type: TypeWelcome, Session: ID(session), Role: string(by.Role), Sub: ID(by.Sub),
		HeartbeatS: seconds(heartbeat), ServerTime: TimeOf(now), TimeScale: scale,
	}
}

// Ack answers a request that was done. Order is whole, after the change, for every order, offer and trip
// request. ID is null only on REST, where the key may be left out.
type Ack struct {
	Type  string `json:"type"`
	ID    *ID    `json:"id"`
	Order *Order `json:"order,omitzero"`
}

// AckTo answers the request id; order is nil when the request is about none.
func AckTo(id ID, order *Order) Ack { return Ack{TypeAck, idOrNil(id), order} }

// Error answers a request that was refused; ID is nil when the frame told none that could be read.
type Error struct {
	Type         string `json:"type"`
	ID           *ID    `json:"id"`
	Code         string `json:"code"`
	Detail       string `json:"detail"`
	Field        string `json:"field,omitzero"`
	RetryAfterMs int64  `json:"retry_after_ms,omitzero"`
}

// ErrorTo refuses the request id. The inner cause of e is not told.
func ErrorTo(id *ID, e *dispatch.Error) Error {
	return Error{TypeError, id, string(e.Code), e.Detail, e.Field, milliseconds(e.RetryAfter)}
}

// Degraded tells what is stale for now; an empty list, that all is well again.
type Degraded struct {
	Type  string   `json:"type"`
	Stale []string `json:"stale"`
}

// Drain announces that the server is about to close the socket with 4001.
type Drain struct {
	Type         string `json:"type"`
	RetryAfterMs int64  `json:"retry_after_ms"`
}

// milliseconds rounds up, so that nobody comes back too early.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
