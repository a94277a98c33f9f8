package dispatch

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Identifiers are opaque strings of at most MaxIDLen characters of [A-Za-z0-9._:-]. Those we mint are
// UUIDv7 (RFC 9562, section 5.7); a rider's or driver's id is its token's sub.
type (
	// OrderID names an order for good; redispatch keeps it.
	OrderID string
	// OfferID names one offer of one order to one driver.
	OfferID string
	// DriverID is the sub of the driver's token.
	DriverID string
	// RiderID is the sub of the rider's token.
	RiderID string
	// MarketID names a market of the markets file.
	MarketID string
)

// MaxIDLen is the longest identifier accepted anywhere, in bytes.
const MaxIDLen = 64

// ValidID tells whether s is a well-formed identifier.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > MaxIDLen {
		return false
	}
	for i := range len(s) {
		if !idByte(s[i]) {
			return false
		}
	}
	return true
}

func idByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '.' || c == '_' || c == ':' || c == '-'
}

// NewID mints a UUIDv7 for the instant at from fresh randomness. For the edge only: what a market decides
// uses DeriveID, so that a replay gives the same bytes.
func NewID(at time.Time) string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails (Go 1.24 and later)
	return uuidV7(at, b)
}

// DeriveID mints a UUIDv7 for the instant at whose random part is a digest of parts: the same inputs give
// the same id.
func DeriveID(at time.Time, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	var b [10]byte
	copy(b[:], h.Sum(nil))
	return uuidV7(at, b)
}

func uuidV7(at time.Time, random [10]byte) string {
	var u [16]byte
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(u[:6], ms[2:])
	copy(u[6:], random[:])
	u[6] = u[6]&0x0f | 0x70 // version 7
	u[8] = u[8]&0x3f | 0x80 // variant of RFC 9562
	var s [36]byte
	hex.Encode(s[0:8], u[0:4])
	hex.Encode(s[9:13], u[4:6])
	hex.Encode(s[14:18], u[6:8])
	hex.Encode(s[19:23], u[8:10])
	hex.Encode(s[24:36], u[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
