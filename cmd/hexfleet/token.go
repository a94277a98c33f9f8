package main

import (
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
)

// tokenCmd prints a token.
type tokenCmd struct {
	secretFlags
	Role    string        `help:"One of ${enum}." required:"" enum:"rider,driver,dispatcher,service,admin"`
	Sub     string        `help:"Whom the token speaks for: the rider's or driver's id." required:""`
	TTL     time.Duration `help:"How long the token is good, at most 24h (default: ${default})." default:"24h"`
	Markets []string      `help:"The markets it is bound to, separated by commas (default: all)."`
}

// Run implements the command.
func (c *tokenCmd) Run(std stdio) error {
	if !dispatch.ValidID(c.Sub) {
		return usagef("--sub must be 1 to %d characters of [A-Za-z0-9._:-], not %q", dispatch.MaxIDLen, c.Sub)
	}
	if err := checkTTL(c.TTL); err != nil {
		return err
	}
	claims := auth.Claims{Role: dispatch.Role(c.Role), Sub: c.Sub}
	for _, m := range c.Markets {
		if !dispatch.ValidID(m) {
			return usagef("--markets: %q is no market id", m)
		}
		claims.Markets = append(claims.Markets, dispatch.MarketID(m))
	}
	secret, err := c.read()
	if err != nil {
		return err
	}
	token, err := auth.Mint(secret, claims, c.TTL, dispatch.Wall{}.Now())
	if err != nil {
		return fmt.Errorf("mint a token: %w", err)
	}
	_, err = fmt.Fprintln(std.Out, token)
	return err
}
