package gateway

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
)

const (
	// auditEvery is the wall time between two writes of refused accesses: a crash loses that much of them.
	auditEvery = time.Second
	// auditOneByOne is how many refused accesses are written one by one in auditEvery. A person who tries, or an
	// app with a mistake, makes fewer; a flood is counted, so that it costs the store a few rows a second.
	auditOneByOne = 200
	// auditWait bounds one write, the last before the end included.
	auditWait = 5 * time.Second
)

// actionFlood is the entry of the accesses that were counted and not written one by one.
const actionFlood = "access.flood"

// auditor writes refused accesses to the audit log, behind the requests that they refuse: none waits for it. What
// staff did is not its concern: that is committed with the order.
type auditor struct {
	to      Audit // nil: nothing is kept
	wall    dispatch.Clock
	log     *slog.Logger
	refused *prometheus.CounterVec // code
	lost    prometheus.Counter

	wake  chan struct{} // capacity 1: holds a token while something waits
	start sync.Once
	stop  sync.Once
	quit  chan struct{} // closed by close
	done  chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	waiting []dispatch.AuditEntry   // guarded by mu; at most auditOneByOne
	over    map[dispatch.Code]int64 // guarded by mu; what came beyond that, by outcome
}

func newAuditor(c Config) *auditor {
	a := &auditor{
		to: c.Audit, wall: c.Wall, log: c.Log,
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hexfleet_gateway_refused_accesses_total", Help: "Accesses refused and put on record, by code.",
		}, []string{"code"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hexfleet_gateway_audit_lost_total", Help: "Refused accesses that the audit log could not take.",
		}),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		over: map[dispatch.Code]int64{},
	}
	c.Registry.MustRegister(a.refused, a.lost)
	return a
}

// begin starts the goroutine that writes.
func (a *auditor) begin() { a.start.Do(func() { go a.run() }) }

// close writes what waits and ends the goroutine. It may be called again, and without begin.
func (a *auditor) close() {
	a.start.Do(func() { close(a.done) })
	a.stop.Do(func() { close(a.quit) })
	<-a.done
}

// access is a request as the audit log tells of it.
type access struct {
	by dispatch.Actor
	// action is what was asked for, object about what: kind:id, "" when that is not known.
	action, object, id string
	// act: it is a command about an order, which the market's core puts on record when it judges it.
	act bool
}

// refuse puts a refusal on record when it refuses access, or an act of staff on what is not there, which no core
// has judged. It never blocks.
func (a *auditor) refuse(on access, e *dispatch.Error) {
	if e == nil || !dispatch.AccessRefused(e) &&
		(!on.act || !on.by.Staff() || e.Code != dispatch.CodeNotFound || e.Field != "") {
		return
	}
	a.refused.WithLabelValues(string(e.Code)).Inc()
	if a.to == nil {
		return
	}
	entry := dispatch.AuditEntry{
		At: a.wall.Now(), Actor: dispatch.By{Role: on.by.Role, Sub: on.by.Sub},
		Action: on.action, Object: on.object, Outcome: e.Code,
	}
	if dispatch.ValidID(on.id) { // a socket's may be any text
		entry.RequestID = on.id
	}
	a.mu.Lock()
	if len(a.waiting) < auditOneByOne {
		a.waiting = append(a.waiting, entry)
	} else {
		a.over[e.Code]++
	}
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// run writes once in auditEvery while there is something to write.
func (a *auditor) run() {
	defer close(a.done)
	var batch []dispatch.AuditEntry // taken and not yet written
	for {
		if len(batch) == 0 {
			select {
			case <-a.wake:
			case <-a.quit:
				a.write(a.take())
				return
			}
		}
		fire, release := a.wall.After(a.wall.Now().Add(auditEvery))
		select {
		case <-fire:
		case <-a.quit:
			release()
			a.write(append(batch, a.take()...))
			return
		}
		if len(batch) == 0 {
			batch = a.take()
		}
		batch = a.write(batch)
	}
}

// take gives what waits, and an entry for each code of which more came than that.
func (a *auditor) take() []dispatch.AuditEntry {
	a.mu.Lock()
	defer a.mu.Unlock()
	batch := a.waiting
	a.waiting = nil
	for _, code := range slices.Sorted(maps.Keys(a.over)) {
		batch = append(batch, dispatch.AuditEntry{At: a.wall.Now(), Action: actionFlood, Outcome: code, Count: a.over[code]})
	}
	clear(a.over)
	return batch
}

// write gives what has to be written again: all of it while the store is away.
func (a *auditor) write(batch []dispatch.AuditEntry) []dispatch.AuditEntry {
	if len(batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), auditWait)
	defer cancel()
	err := a.to.Record(ctx, dispatch.ChainAccess, batch)
	if err == nil {
		return nil
	}
	a.log.Error("refused accesses are not on record", "entries", len(batch), "err", err)
	if dispatch.CodeOf(err) == dispatch.CodeUnavailable && !a.ending() {
		return batch
	}
	a.lost.Add(float64(len(batch)))
	return nil
}

func (a *auditor) ending() bool {
	select {
	case <-a.quit:
		return true
	default:
		return false
	}
}

// object names what a request is about; "" for an id that nothing could have.
func object(kind, id string) string {
	if !dispatch.ValidID(id) {
		return ""
	}
	return kind + ":" + id
}

// access tells what a REST call asks for: the policy's action where it has one, else its method and route.
func (t *site) access(p auth.Principal, method, id, requestID string) access {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	on := access{by: p.Actor, action: "route", id: requestID}
	if len(t.endpoints) > 0 {
		on.action = t.path
	}
	for _, ep := range t.endpoints {
		if ep.method == method && ep.action != "" {
			on.action = string(ep.action)
		}
	}
	if rest, ok := strings.CutPrefix(t.path, "/v1/"); ok && id != "" {
		noun, _, _ := strings.Cut(rest, "/")
		on.object = object(strings.TrimSuffix(noun, "s"), id)
		on.act = noun == "orders" && method == http.MethodPost
	}
	return on
}

// about is the object of a command.
func about(c *dispatch.Command) string {
	switch {
	case c.Offer != "":
		return object("offer", string(c.Offer))
	case c.Order != "" && c.Op != dispatch.OpCreate:
		return object("order", string(c.Order))
	case c.Market != "":
		return object("market", string(c.Market))
	}
	return ""
}

// denied puts a refusal of this session on record.
func (s *session) denied(action, object, id string, act bool, e *dispatch.Error) {
	s.srv.audit.refuse(access{s.principal().Actor, action, object, id, act}, e)
}
