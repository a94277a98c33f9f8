package wire

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Problem is the body of every refusal on REST (RFC 9457); Type is about:blank, so Title is the status's.
type Problem struct {
	Type         string `json:"type"`
	Title        string `json:"title"`
	Status       int    `json:"status"`
	Detail       string `json:"detail"`
	Code         string `json:"code"`
	Field        string `json:"field,omitzero"`
	RetryAfterMs int64  `json:"retry_after_ms,omitzero"`
}

// ProblemFrom tells a refusal with its HTTP status and that status's text. The inner cause is not told.
func ProblemFrom(e *dispatch.Error, status int, title string) Problem {
	return Problem{
		"about:blank", title, status, e.Detail, string(e.Code), e.Field, milliseconds(e.RetryAfter),
	}
}

// List is one page; NextCursor is nil on the last.
type List[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// Market tells a market. Area is a GeoJSON geometry.
type Market struct {
	ID         ID             `json:"id"`
	Name       string         `json:"name"`
	Timezone   string         `json:"timezone"`
	Area       jsontext.Value `json:"area"`
	ServerTime Time           `json:"server_time"`
	TimeScale  float64        `json:"time_scale"`
	Policy     Policy         `json:"policy"`
	// Zones is a GeoJSON FeatureCollection as in the markets file; only a single market tells it, if it has any.
	Zones jsontext.Value `json:"zones,omitzero"`
}

// MarketFrom tells a market at the market instant now; scale is market seconds a wall second.
func MarketFrom(m *dispatch.Market, now time.Time, scale float64) Market {
	return Market{
		ID: ID(m.ID), Name: m.Name, Timezone: m.Timezone, Area: jsontext.Value(m.Area.GeoJSON()),
		ServerTime: TimeOf(now), TimeScale: scale,
		Policy: PolicyFrom(&m.Policy),
	}
}

// Health answers /healthz.
type Health struct {
	Status string `json:"status"`
}

// Readiness answers /readyz of a server that traffic should come to.
type Readiness struct {
	Status string `json:"status"`
	// Leads are the markets that this node leads, StandsBy those that another node leads; each ascending.
	Leads    []ID `json:"leads"`
	StandsBy []ID `json:"stands_by"`
}
