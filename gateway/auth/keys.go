package auth

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Audience is the aud claim of every token.
const Audience = "hexfleet"

// Bounds of tokens; all are wall time.
const (
	// MinSecret is the shortest HMAC key, in bytes: that of SHA-256's output (RFC 7518, section 3.2).
	MinSecret = 32
	// DefaultMaxTTL is how far ahead a token's exp may lie.
	DefaultMaxTTL = 24 * time.Hour
	// Leeway is how far the clocks of issuer and server may differ.
	Leeway = 30 * time.Second
)

// Principal is who a token speaks for.
type Principal struct {
	dispatch.Actor
	// Expires is wall time; the session ends with it, unless extended.
	Expires time.Time
	// VehicleClasses bounds what a driver's duty may say; empty means all.
	VehicleClasses []string
	// MaxCapacity bounds a driver's capacity; 0 means no bound.
	MaxCapacity int
}

// Claims is what a token says, beside aud and exp.
type Claims struct {
	Sub            string
	Role           dispatch.Role
	Issuer         string // optional
	Markets        []dispatch.MarketID
	VehicleClasses []string
	MaxCapacity    int // 0 is left out
}

// claims is Claims on the wire.
type claims struct {
	jwt.RegisteredClaims
	Role           dispatch.Role       `json:"role"`
	Markets        []dispatch.MarketID `json:"markets,omitempty"`
	VehicleClasses []string            `json:"vehicle_classes,omitempty"`
	MaxCapacity    *int                `json:"max_capacity,omitempty"`
}

// Keys verifies tokens. Immutable after New.
type Keys struct {
	secret []byte
	maxTTL time.Duration
}

// NewHMAC makes the keys of HS256 from the text of the secret file; the key is that text without its line
// end.
func NewHMAC(text []byte) (*Keys, error) {
	secret := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("the secret has %d bytes, it needs at least %d", len(secret), MinSecret)
	}
	return &Keys{secret: slices.Clone(secret), maxTTL: DefaultMaxTTL}, nil
}

// WithMaxTTL gives the same keys with another bound on how far ahead a token's exp may lie, above 0.
func (k *Keys) WithMaxTTL(d time.Duration) *Keys { return &Keys{secret: k.secret, maxTTL: d} }

// Mint makes a token that lives for ttl from the wall instant now, signed with the key of the secret file's
// text. A server takes it only when ttl is within its own bound.
func Mint(text []byte, c Claims, ttl time.Duration, now time.Time) (string, error) {
	k, err := NewHMAC(text)
	if err != nil {
		return "", err
	}
	return k.Mint(c, ttl, now)
}

// Mint makes a token that lives for ttl from the wall instant now. These keys take it only when ttl is within
// their bound.
func (k *Keys) Mint(c Claims, ttl time.Duration, now time.Time) (string, error) {
	if ttl <= 0 {
		return "", fmt.Errorf("the life of a token must be above 0, not %v", ttl)
	}
	signed := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: c.Sub, Issuer: c.Issuer, Audience: jwt.ClaimStrings{Audience},
			ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		Role: c.Role, Markets: c.Markets, VehicleClasses: c.VehicleClasses,
	}
	if c.MaxCapacity != 0 {
		signed.MaxCapacity = &c.MaxCapacity
	}
	if refused := signed.check(); refused != nil {
		return "", errors.New(refused.Detail)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, signed).SignedString(k.secret)
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	return token, nil
}

// Verify tells who a token speaks for at the wall instant now. Every failure is unauthenticated; its detail
// tells nothing of the key.
func (k *Keys) Verify(token string, now time.Time) (Principal, *dispatch.Error) {
	var c claims
	_, err := jwt.ParseWithClaims(token, &c,
		func(*jwt.Token) (any, error) { return k.secret, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithAudience(Audience), jwt.WithExpirationRequired(), jwt.WithLeeway(Leeway),
		jwt.WithTimeFunc(func() time.Time { return now }))
	if err != nil {
		return Principal{}, unverified(err)
	}
	if c.ExpiresAt.After(now.Add(k.maxTTL + Leeway)) {
		return Principal{}, unauthenticated("the token's exp is more than %v ahead", k.maxTTL)
	}
	if refused := c.check(); refused != nil {
		return Principal{}, refused
	}
	p := Principal{
		Actor:          dispatch.Actor{Role: c.Role, Sub: c.Subject, Markets: c.Markets},
		Expires:        c.ExpiresAt.UTC(),
		VehicleClasses: c.VehicleClasses,
	}
	if c.MaxCapacity != nil {
		p.MaxCapacity = *c.MaxCapacity
	}
	return p, nil
}

// check judges what a signature does not.
func (c *claims) check() *dispatch.Error {
	switch c.Role {
	case dispatch.RoleRider, dispatch.RoleDriver, dispatch.RoleDispatcher, dispatch.RoleService, dispatch.RoleAdmin:
	default:
		return unauthenticated("the token's role must be rider, driver, dispatcher, service or admin")
	}
	if !dispatch.ValidID(c.Subject) {
		return unauthenticated("the token's sub must be 1 to %d characters of [A-Za-z0-9._:-]", dispatch.MaxIDLen)
	}
	if c.Markets != nil && len(c.Markets) == 0 {
		return unauthenticated("the token's markets must name at least one, or be left out")
	}
	for _, m := range c.Markets {
		if !dispatch.ValidID(string(m)) {
			return unauthenticated("the token's markets must be ids")
		}
	}
	if c.VehicleClasses != nil && len(c.VehicleClasses) == 0 {
		return unauthenticated("the token's vehicle_classes must name at least one, or be left out")
	}
	for _, v := range c.VehicleClasses {
		if !dispatch.ValidID(v) {
			return unauthenticated("the token's vehicle_classes must be ids")
		}
	}
	if c.MaxCapacity != nil && *c.MaxCapacity < 1 {
		return unauthenticated("the token's max_capacity must be at least 1")
	}
	return nil
}

// unverified tells the asker what is wrong with a token, and nothing more.
func unverified(err error) *dispatch.Error {
	e := unauthenticated("the token is malformed")
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		e.Detail = "the token has expired"
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		e.Detail = "the token's signature does not verify"
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		e.Detail = `the token's aud must be "` + Audience + `"`
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		e.Detail = "the token must have aud and exp"
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		e.Detail = "the token is not valid yet"
	}
	e.Err = err
	return e
}

func unauthenticated(format string, args ...any) *dispatch.Error {
	return dispatch.Errorf(dispatch.CodeUnauthenticated, "", format, args...)
}
