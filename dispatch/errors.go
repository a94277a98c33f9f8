package dispatch

import (
	"errors"
	"fmt"
	"time"
)

// Code is an error's public name. The list is append-only: it travels.
type Code string

// The codes of the contract.
const (
	CodeBadRequest        Code = "bad_request"        // malformed or invalid
	CodeUnauthenticated   Code = "unauthenticated"    // no token, a bad one, an expired one
	CodeForbidden         Code = "forbidden"          // the role may not do this at all
	CodeNotFound          Code = "not_found"          // unknown, or another's
	CodeConflict          Code = "conflict"           // key reused; driver full, off duty, or on duty elsewhere
	CodeTaken             Code = "taken"              // another was first
	CodeIllegalTransition Code = "illegal_transition" // not in the transition table
	CodeExpired           Code = "expired"            // an offer past its time, or declined
	CodeTooLarge          Code = "too_large"          // size
	CodeUnsupported       Code = "unsupported"        // content type, message type, subprotocol, method
	CodeRateLimited       Code = "rate_limited"       // too many
	CodeInternal          Code = "internal"           // a defect
	CodeOverloaded        Code = "overloaded"         // shed; the same key is safe to repeat
	CodeUnavailable       Code = "unavailable"        // not now; the same key is safe to repeat
)

// Kept tells whether an answer with this code is kept under its idempotency key: decided refusals are, all
// others change nothing and are judged anew. (A conflict about the key itself never reaches the core.)
func (c Code) Kept() bool {
	switch c {
	case CodeTaken, CodeExpired, CodeIllegalTransition, CodeConflict:
		return true
	}
	return false
}

// Error is a refusal that may be shown to its asker.
type Error struct {
	Code Code
	// Detail is a sentence safe to show.
	Detail string
	// Field is the JSON pointer of the offending member, or a bare header or parameter name; may be empty.
	Field string
	// RetryAfter is wall time; zero when repeating is pointless.
	RetryAfter time.Duration
	// Err is the inner cause, for operators only; may be nil.
	Err error
}

// Error implements error; it is for logs, Detail is for users.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Detail
	if e.Field != "" {
		s += " (" + e.Field + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the inner cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error with a formatted detail.
func Errorf(code Code, field, format string, args ...any) *Error {
	return &Error{Code: code, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// Unavailable is the refusal of a part that is away for now; the same request may be repeated in a second.
func Unavailable(detail string, cause error) *Error {
	return &Error{Code: CodeUnavailable, Detail: detail, RetryAfter: time.Second, Err: cause}
}

// KeyReused is the refusal of an idempotency key that came with other content before.
func KeyReused() *Error {
	return Errorf(CodeConflict, "", "this key was used before with other content")
}

// CodeOf gives the code of err: its own when it is an Error, internal otherwise, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}
