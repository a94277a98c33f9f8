package dispatch

import "time"

// Person is a rider or a driver whose data is asked for or erased. A rider and a driver of the same id are two.
type Person struct {
	// Role is RoleRider or RoleDriver.
	Role Role
	ID   string
}

// ErasedPrefix begins the pseudonym that stands where the id of an erased person stood.
const ErasedPrefix = "erased-"

// Erasure is one erasure of a person, as far as it has come.
type Erasure struct {
	ID string
	// Role is the erased person's; Pseudonym stands where its id stood.
	Role      Role
	Pseudonym string
	// RequestedAt is wall time.
	RequestedAt time.Time
	// Sub is the id that is erased. The store forgets it, and Subjects, once the copies outside of it are gone.
	Sub string
	// Subjects are those of whose events the bus may have copies.
	Subjects []ErasedSubject
}

// ErasedSubject is an order, or the duty of a driver: exactly one of Order and Driver is set.
type ErasedSubject struct {
	Market MarketID
	Order  OrderID
	Driver DriverID
	// Seq is that of the last of its events that named the person: once the market's relay is past it, no copy with
	// the name can come any more.
	Seq int64
}
