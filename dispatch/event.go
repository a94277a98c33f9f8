package dispatch

import "time"

// EventType names what happened: "order." and the state entered, order.edited, order.reassigned,
// driver.online, driver.offline.
type EventType string

// The event types that are not named after a state.
const (
	EventOrderEdited   EventType = "order.edited"
	EventDriverOnline  EventType = "driver.online"
	EventDriverOffline EventType = "driver.offline"
)

// Entered is the type of the event by which an order entered state s.
func Entered(s State) EventType { return EventType("order." + string(s)) }

// By is who caused an event.
type By struct {
	Role Role
	Sub  string // "" for the engine
}

// Event is one transition of an order or of a driver's duty: exactly one of Order and Duty is set. Events
// are keyed (Market, Seq); Seq is dense and numbered by the market's leader. Once committed an event never
// changes.
type Event struct {
	Market MarketID
	Seq    int64
	Type   EventType
	At     time.Time // market time
	By     By
	// Version is the order's after the event, or counts the driver's duty events; dense from 1.
	Version int64

	// Order is the order as it stood after the event; shared, not to be written.
	Order *Order
	// From is "" for the creation; To is the state entered, or kept by an edit.
	From, To State
	// Driver is the order's after the event; on a redispatch the driver taken off; "" on order.offered.
	Driver DriverID
	// Offer is the offer made or answered, when the event is about one.
	Offer  OfferID
	Reason string
	// Policy is the version of the market's policy under which the engine decided; "" for what others did.
	Policy string

	// Duty is the driver's duty after the event; shared, not to be written.
	Duty *Duty
}
