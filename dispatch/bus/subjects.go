package bus

import (
	"fmt"
	"strings"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Subjects are built by the functions of this file only. Each token that comes from outside is encoded by
// token, because identifiers may hold a '.', which parts tokens in NATS.
//
//	hexfleet.v1.event.<market>.<order|driver>.<id>   CloudEvents 1.0, kept by JetStream
//	hexfleet.v1.notice.<market>.<driver>             an offer made or ended, for its driver
//	hexfleet.v1.nudge.<market>.<driver>              an order as it stands, once more for its driver
//	hexfleet.v1.position.<market>.<order>            where the driver of an order is
//	hexfleet.v1.published.<market>                   up to which seq events have been published
//	hexfleet.v1.supply.<market>                      drivers and orders by cell, each few seconds
const (
	eventRoot     = "hexfleet.v1.event."
	noticeRoot    = "hexfleet.v1.notice."
	nudgeRoot     = "hexfleet.v1.nudge."
	positionRoot  = "hexfleet.v1.position."
	publishedRoot = "hexfleet.v1.published."
	supplyRoot    = "hexfleet.v1.supply."
)

// EventSubject is where an event is published: by its order, or by its driver when it is of duty.
func EventSubject(e *dispatch.Event) string {
	switch {
	case e.Order != nil:
		return orderSubject(e.Market, e.Order.ID)
	case e.Duty != nil:
		return driverSubject(e.Market, e.Duty.Driver)
	}
	return driverSubject(e.Market, "")
}

func orderSubject(m dispatch.MarketID, o dispatch.OrderID) string {
	return eventRoot + token(string(m)) + ".order." + token(string(o))
}

func driverSubject(m dispatch.MarketID, d dispatch.DriverID) string {
	return eventRoot + token(string(m)) + ".driver." + token(string(d))
}

// NoticeSubject is where a driver's notices are published.
func NoticeSubject(m dispatch.MarketID, d dispatch.DriverID) string {
	return noticeRoot + token(string(m)) + "." + token(string(d))
}

// NudgeSubject is where a driver is told again of an order of its own.
func NudgeSubject(m dispatch.MarketID, d dispatch.DriverID) string {
	return nudgeRoot + token(string(m)) + "." + token(string(d))
}

// PositionSubject is where the positions of an order's driver are published.
func PositionSubject(m dispatch.MarketID, o dispatch.OrderID) string {
	return positionRoot + token(string(m)) + "." + token(string(o))
}

// PublishedSubject is where a market's published seq is told.
func PublishedSubject(m dispatch.MarketID) string { return publishedRoot + token(string(m)) }

// SupplySubject is where a market's supply is told.
func SupplySubject(m dispatch.MarketID) string { return supplyRoot + token(string(m)) }

// token encodes any string as one NATS token: letters, digits, '_', ':' and '-' stand for themselves,
// every other byte is '=' and two upper-case hexadecimal digits, and the empty string is a lone '='.
func token(s string) string {
	if s == "" {
		return "="
	}
	var b strings.Builder
	for i := range len(s) {
		if plain(s[i]) {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "=%02X", s[i])
		}
	}
	return b.String()
}

func plain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '_' || c == ':' || c == '-'
}
