package client

import (
	"bytes"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// Message is what Handle hears: one of *wire.Welcome, *wire.Ack, *wire.Error, *wire.OrderUpdate, *wire.Offer,
// *wire.OfferWithdrawn, *wire.DriverPosition, *wire.Degraded, *wire.Drain, *Unknown, *Connected, *Lost,
// *Disconnected. It is shared with nobody else.
type Message any

// Unknown is a message of a type that this SDK does not know, or one that it could not read.
type Unknown struct {
	Type string
	// Err is why it could not be read; nil when only its type is not known.
	Err error
}

// Connected tells that the server has greeted the client; it follows the *wire.Welcome. Resumed tells that
// this is not the first connection.
type Connected struct{ Resumed bool }

// Lost tells that an order followed before a reconnect is no longer the client's to see.
type Lost struct{ OrderID wire.ID }

// Disconnected tells that the connection is gone; the client comes back by itself unless Final.
type Disconnected struct {
	// Code is the server's close code, 0 when there was none.
	Code  int
	Final bool
	Err   error
}

// Error is the server's refusal of a request.
type Error struct {
	Code, Detail, Field string
	// RetryAfter is wall time; zero when not told.
	RetryAfter time.Duration
}

// Error implements error.
func (e *Error) Error() string {
	if e.Field != "" {
		return e.Code + ": " + e.Detail + " (" + e.Field + ")"
	}
	return e.Code + ": " + e.Detail
}

// StopError ends a client: the server does not want it back.
type StopError struct {
	// Code is the close code, 4500 to 4999 or CloseReplaced, or the HTTP status of a refused upgrade.
	Code   int
	Detail string
}

// Error implements error.
func (e *StopError) Error() string {
	return fmt.Sprintf("server refused the connection for good: %d %s", e.Code, e.Detail)
}

// decode reads a frame leniently: the contract lets the server add members and types.
func decode(data []byte) Message {
	kind, err := kindOf(data)
	if err != nil {
		return &Unknown{Err: fmt.Errorf("read frame: %w", err)}
	}
	var m Message
	switch kind {
	case wire.TypeWelcome:
		m = new(wire.Welcome)
	case wire.TypeAck:
		m = new(wire.Ack)
	case wire.TypeError:
		m = new(wire.Error)
	case wire.TypeOrder:
		m = new(wire.OrderUpdate)
	case wire.TypeOffer:
		m = new(wire.Offer)
	case wire.TypeOfferWithdrawn:
		m = new(wire.OfferWithdrawn)
	case wire.TypeDriverPosition:
		m = new(wire.DriverPosition)
	case wire.TypeDegraded:
		m = new(wire.Degraded)
	case wire.TypeDrain:
		m = new(wire.Drain)
	default:
		return &Unknown{Type: kind}
	}
	if err := json.Unmarshal(data, m); err != nil {
		return &Unknown{Type: kind, Err: fmt.Errorf("read %s: %w", kind, err)}
	}
	return m
}

// kindOf reads a frame's type. A server that writes it first and plainly, as ours does, spares the client a
// second reading of the whole frame.
func kindOf(data []byte) (string, error) {
	if rest, ok := bytes.CutPrefix(data, []byte(`{"type":"`)); ok {
		if end := bytes.IndexAny(rest, `"\`); end >= 0 && rest[end] == '"' {
			return string(rest[:end]), nil
		}
	}
	var head struct {
		Type string `json:"type"`
	}
	err := json.Unmarshal(data, &head)
	return head.Type, err
}
