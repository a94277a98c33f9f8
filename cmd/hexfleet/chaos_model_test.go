package main

import (
	"fmt"
	"testing"

	"github.com/anishathalye/porcupine"
)

// The sequential model that histories of concurrent clients are held against (github.com/anishathalye/porcupine):
// a block of a town with a few orders and drivers, whom the engine offers these orders to. What the engine does
// to an order that looks for a driver is seen in its versions only: while an order is open its version may have
// gone up unseen, once it is held or over it may not.

// ordersABlock and driversABlock are small enough for histories to be searched to the end.
const (
	ordersABlock  = 4
	driversABlock = 2
)

// act is what a client asks for: an order of its block by index, a driver by index.
type act struct {
	op            string // accept, assign, unassign, release, cancel or read
	order, driver int
}

// outcome is what it was answered: the refusal, or the order as it then stood.
type outcome struct {
	code    string
	version int64
	phase   phase
	driver  int // -1: none
}

// phase is how an order stands, as far as the model knows states.
type phase int

const (
	phaseOpen phase = iota // searching or offered
	phaseHeld              // a driver is on its way
	phaseOver              // cancelled
)

// standing is one order in the model: driver is that of a held one, else -1.
type standing struct {
	version int64
	phase   phase
	driver  int
}

// block is the state of the model; it is comparable.
type block [ordersABlock]standing

// freshBlock has every order just created.
func freshBlock() block {
	var b block
	for i := range b {
		b[i] = standing{version: 1, driver: -1}
	}
	return b
}

// blockModel is the model of one block.
func blockModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return freshBlock() },
		Step: func(state, in, out any) (bool, any) {
			b := state.(block)
			ok := b.step(in.(act), out.(outcome))
			return ok, b
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}

// busy tells whether a driver holds an order.
func (b *block) busy(driver int) bool {
	for _, s := range b {
		if s.phase == phaseHeld && s.driver == driver {
			return true
		}
	}
	return false
}

// step tells whether an act can have the outcome, and carries it out.
func (b *block) step(a act, o outcome) bool {
	s := &b[a.order]
	if o.code != "" {
		return b.refuses(a, o.code)
	}
	switch a.op {
	case "accept", "assign":
		if s.phase != phaseOpen || b.busy(a.driver) || o.phase != phaseHeld || o.driver != a.driver || o.version <= s.version {
			return false
		}
	case "unassign", "release":
		if s.phase != phaseHeld || a.op == "release" && s.driver != a.driver || o.phase != phaseOpen || o.version != s.version+1 {
			return false
		}
	case "cancel":
		if s.phase == phaseOver || o.phase != phaseOver || o.version <= s.version || s.phase == phaseHeld && o.version != s.version+1 {
			return false
		}
	case "read":
		if o.phase != s.phase || o.version < s.version || s.phase != phaseOpen && o.version != s.version {
			return false
		}
		if s.phase == phaseHeld && o.driver != s.driver {
			return false
		}
	}
	*s = standing{o.version, o.phase, -1}
	if o.phase == phaseHeld {
		s.driver = o.driver
	}
	return true
}

// refuses tells whether an act can be refused so. An offer may have ended unseen, so that an accept may come too
// late at any time.
func (b *block) refuses(a act, code string) bool {
	s := b[a.order]
	switch a.op + " " + code {
	case "accept taken":
		return true
	case "accept conflict", "assign conflict":
		return b.busy(a.driver)
	case "assign taken":
		return s.phase == phaseHeld
	case "assign illegal_transition", "cancel illegal_transition", "release illegal_transition":
		return s.phase == phaseOver
	case "unassign illegal_transition":
		return s.phase != phaseHeld
	case "release not_found":
		return s.phase != phaseHeld || s.driver != a.driver
	}
	return false
}

// TestBlockModel proves that the model is no yes-man: a history with a broken promise is not linearizable.
func TestBlockModel(t *testing.T) {
	type told struct {
		from, to int64
		act      act
		outcome  outcome
	}
	held := func(version int64, driver int) outcome { return outcome{"", version, phaseHeld, driver} }
	open := func(version int64) outcome { return outcome{"", version, phaseOpen, -1} }
	for _, c := range []struct {
		name string
		want bool
		told []told
	}{
		{"one_after_the_other", true, []told{
			{1, 2, act{"assign", 0, 0}, held(2, 0)}, {3, 4, act{"unassign", 0, 0}, open(3)}, {5, 6, act{"accept", 0, 1}, held(5, 1)}}},
		{"a_refusal_beside_what_caused_it", true, []told{
			{1, 9, act{"assign", 0, 0}, held(2, 0)}, {2, 8, act{"assign", 0, 1}, outcome{code: "taken"}}}},
		{"two_drivers_of_one_order", false, []told{
			{1, 9, act{"assign", 0, 0}, held(2, 0)}, {2, 8, act{"assign", 0, 1}, held(3, 1)}}},
		{"two_orders_of_one_driver", false, []told{
			{1, 9, act{"assign", 0, 0}, held(2, 0)}, {2, 8, act{"accept", 1, 0}, held(3, 0)}}},
		{"an_acknowledgement_taken_back", false, []told{
			{1, 2, act{"cancel", 0, 0}, outcome{"", 2, phaseOver, -1}}, {3, 4, act{"read", 0, 0}, open(1)}}},
		{"a_read_older_than_the_one_before", false, []told{
			{1, 2, act{"read", 0, 0}, open(3)}, {3, 4, act{"read", 0, 0}, open(2)}}},
		{"a_version_skipped_while_held", false, []told{
			{1, 2, act{"assign", 0, 0}, held(2, 0)}, {3, 4, act{"unassign", 0, 0}, open(4)}}},
		{"a_refusal_without_a_cause", false, []told{
			{1, 2, act{"assign", 0, 0}, outcome{code: "conflict"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var history []porcupine.Operation
			for i, o := range c.told {
				history = append(history, porcupine.Operation{ClientId: i, Input: o.act, Output: o.outcome, Call: o.from, Return: o.to})
			}
			if got := porcupine.CheckOperations(blockModel(), history); got != c.want {
				t.Errorf("linearizable: %v, want %v", got, c.want)
			}
		})
	}
}
