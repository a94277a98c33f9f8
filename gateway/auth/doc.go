// Package auth turns a token into a Principal and holds the one policy function, [Allow]: who may do what,
// and who may be told what. It verifies; it does not issue tokens to users (Mint is for the operator's
// hexfleet token) and keeps no sessions. It owns no state; it may import dispatch.
package auth
