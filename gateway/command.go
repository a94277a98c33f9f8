package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

// edge turns decoded requests into commands, one function an operation, the same for the socket and REST,
// and answers back into what the asker may see. It judges what can be judged without loading anything: the
// role, the body, the key, in this order. Whose an order is, and its state, are judged behind Orders.Do. It
// holds no state of its own. Immutable after New.
type edge struct {
	orders  Orders
	markets func() dispatch.Markets
	now     func() time.Time // market clock
}

func newEdge(c Config) *edge {
	return &edge{orders: c.Orders, markets: c.Markets, now: c.Market.Now}
}

// key is the idempotency key of a request, as it came.
type key struct {
	id    string
	given bool
	// field names where it stands: /id or Idempotency-Key.
	field    string
	required bool
}

// socketKey is the id of a mutating message, which must have one.
func socketKey(id wire.ID) key { return key{string(id), id != "", "/id", true} }

// keyed completes a command with its key, the last of what the edge judges.
func (k key) keyed(c dispatch.Command, body any) (dispatch.Command, *dispatch.Error) {
	switch {
	case k.given && !dispatch.ValidID(k.id):
		return dispatch.Command{}, dispatch.Errorf(dispatch.CodeBadRequest, k.field,
			"must be 1 to %d characters of [A-Za-z0-9._:-]", dispatch.MaxIDLen)
	case k.given:
		c.Key = dispatch.Key{ID: k.id, Digest: wire.Digest(c.Op, body)}
	case k.required:
		return dispatch.Command{}, dispatch.Errorf(dispatch.CodeBadRequest, k.field, "required")
	}
	return c, nil
}

// plain makes a command whose body needs no more than decoding.
func (e *edge) plain(
	p auth.Principal, a auth.Action, c dispatch.Command, body any, k key,
) (dispatch.Command, *dispatch.Error) {
	if refused := auth.Allow(p, a, auth.Target{}); refused != nil {
		return dispatch.Command{}, refused
	}
	c.By = p.Actor
	return k.keyed(c, body)
}

// create asks for a new order. Its market follows from the pickup when it is left out.
func (e *edge) create(p auth.Principal, m wire.OrderCreate, k key) (dispatch.Command, *dispatch.Error) {
	if refused := auth.Allow(p, auth.Create, auth.Target{}); refused != nil {
		return dispatch.Command{}, refused
	}
	rider, refused := riderOf(p, m.RiderID)
	if refused != nil {
		return dispatch.Command{}, refused
	}
	stops := make([]dispatch.Stop, len(m.Stops))
	for i, s := range m.Stops {
		stops[i] = dispatch.Stop{Type: dispatch.StopType(s.Type), LatLng: geo.LatLng{Lat: s.Lat, Lng: s.Lng}}
	}
	market, refused := e.marketOf(m.Market, stops[0].LatLng)
	if refused != nil {
		return dispatch.Command{}, refused
	}
	if refused := auth.Allow(p, auth.Create, auth.Target{Market: market}); refused != nil {
		return dispatch.Command{}, refused
	}
	order := &dispatch.NewOrder{
		Kind: dispatch.Kind(m.Kind), VehicleClass: string(m.VehicleClass), Rider: rider, Stops: stops,
	}
	if order.VehicleClass == "" {
		order.VehicleClass = dispatch.DefaultVehicleClass
	}
	if m.PickupAt != nil {
		order.PickupAt = m.PickupAt.Time
	}
	return k.keyed(dispatch.Command{
		Op: dispatch.OpCreate, By: p.Actor, Market: market,
		Order: dispatch.OrderID(dispatch.NewID(e.now())), New: order,
	}, &m)
}

// riderOf tells for whom an order is: a rider orders for itself, everyone else says for whom.
func riderOf(p auth.Principal, named wire.ID) (dispatch.RiderID, *dispatch.Error) {
	switch {
	case p.Role == dispatch.RoleRider && (named == "" || string(named) == p.Sub):
		return dispatch.RiderID(p.Sub), nil
	case p.Role == dispatch.RoleRider:
		return "", dispatch.Errorf(dispatch.CodeBadRequest, "/rider_id", "must be left out, or be the rider's own")
	case named == "":
		return "", dispatch.Errorf(dispatch.CodeBadRequest, "/rider_id", "required from role %s", p.Role)
	}
	return dispatch.RiderID(named), nil
}

// marketOf tells where an order belongs: the market named, which must hold the pickup, else the one that
// does.
func (e *edge) marketOf(named wire.ID, pickup geo.LatLng) (dispatch.MarketID, *dispatch.Error) {
	if named == "" {
		m, ok := e.markets().At(pickup)
		if !ok {
			return "", dispatch.Errorf(dispatch.CodeBadRequest, "/stops/0", "the pickup lies outside of every market")
		}
		return m.ID, nil
	}
	m, ok := e.markets().Get(dispatch.MarketID(named))
	if !ok {
		return "", unknownMarket("/market")
	}
	if !m.Area.Contains(pickup) {
		return "", dispatch.Errorf(dispatch.CodeBadRequest, "/stops/0", "the pickup lies outside of market %s", m.ID)
	}
	return m.ID, nil
}

func unknownMarket(field string) *dispatch.Error {
	return dispatch.Errorf(dispatch.CodeBadRequest, field, "there is no such market")
}

// duty takes a driver on or off duty. last is the last point sent on this connection, nil when there is none.
func (e *edge) duty(
	p auth.Principal, m wire.Duty, last *geo.LatLng, k key,
) (dispatch.Command, *dispatch.Error) {
	if refused := auth.Allow(p, auth.Duty, auth.Target{}); refused != nil {
		return dispatch.Command{}, refused
	}
	market, refused := e.dutyMarket(p, m.Market, last)
	if refused != nil {
		return dispatch.Command{}, refused
	}
	if refused := auth.Allow(p, auth.Duty, auth.Target{Market: market}); refused != nil {
		return dispatch.Command{}, refused
	}
	duty, refused := dutyRequest(p, m)
	if refused != nil {
		return dispatch.Command{}, refused
	}
	return k.keyed(dispatch.Command{
		Op: dispatch.OpDuty, By: p.Actor, Market: market, Driver: dispatch.DriverID(p.Sub), Duty: duty,
	}, &m)
}

// dutyMarket tells where a duty is meant: the market named, else the token's single one, else the one that
// holds the last point.
func (e *edge) dutyMarket(
	p auth.Principal, named wire.ID, last *geo.LatLng,
) (dispatch.MarketID, *dispatch.Error) {
	id := dispatch.MarketID(named)
	if id == "" && len(p.Markets) == 1 {
		id = p.Markets[0]
	}
	if id != "" {
		if _, ok := e.markets().Get(id); !ok {
			return "", unknownMarket("/market")
		}
		return id, nil
	}
	if last != nil {
		if m, ok := e.markets().At(*last); ok {
			return m.ID, nil
		}
	}
	return "", dispatch.Errorf(dispatch.CodeBadRequest, "/market",
		"required: the token does not name a single market and no point sent on this connection lies in one")
}

// dutyRequest fills in the defaults, within the bounds of the token. A token of one vehicle class is its own
// default.
func dutyRequest(p auth.Principal, m wire.Duty) (*dispatch.DutyRequest, *dispatch.Error) {
	duty := &dispatch.DutyRequest{
		Online: m.State == wire.DutyOnline, VehicleClass: string(m.VehicleClass), Capacity: 1,
	}
	if duty.VehicleClass == "" {
		duty.VehicleClass = dispatch.DefaultVehicleClass
		if len(p.VehicleClasses) == 1 {
			duty.VehicleClass = p.VehicleClasses[0]
		}
	}
	if len(p.VehicleClasses) > 0 && !slices.Contains(p.VehicleClasses, duty.VehicleClass) {
		return nil, dispatch.Errorf(dispatch.CodeForbidden, "/vehicle_class",
			"the token allows %s only", strings.Join(p.VehicleClasses, ", "))
	}
	if m.Capacity != nil {
		duty.Capacity = *m.Capacity
	}
	if p.MaxCapacity > 0 && duty.Capacity > p.MaxCapacity {
		return nil, dispatch.Errorf(dispatch.CodeForbidden, "/capacity", "the token allows at most %d", p.MaxCapacity)
	}
	for _, tag := range m.Tags {
		duty.Tags = append(duty.Tags, string(tag))
	}
	slices.Sort(duty.Tags)
	duty.Tags = slices.Compact(duty.Tags)
	return duty, nil
}

func (e *edge) cancel(p auth.Principal, m wire.OrderCancel, k key) (dispatch.Command, *dispatch.Error) {
	return e.plain(p, auth.Cancel, dispatch.Command{
		Op: dispatch.OpCancel, Order: dispatch.OrderID(m.OrderID), Reason: m.Reason,
	}, &m, k)
}

func (e *edge) accept(p auth.Principal, m wire.OfferAccept, k key) (dispatch.Command, *dispatch.Error) {
	return e.plain(p, auth.Accept, dispatch.Command{
		Op: dispatch.OpAccept, Offer: dispatch.OfferID(m.OfferID), Driver: dispatch.DriverID(p.Sub), Reason: m.Reason,
	}, &m, k)
}

func (e *edge) decline(p auth.Principal, m wire.OfferDecline, k key) (dispatch.Command, *dispatch.Error) {
	return e.plain(p, auth.Decline, dispatch.Command{
		Op: dispatch.OpDecline, Offer: dispatch.OfferID(m.OfferID), Driver: dispatch.DriverID(p.Sub), Reason: m.Reason,
	}, &m, k)
}

// advance takes a trip on; as is auth.Advance on the socket and auth.PostAdvance on REST, whose roles differ.
func (e *edge) advance(
	p auth.Principal, as auth.Action, m wire.TripAdvance, k key,
) (dispatch.Command, *dispatch.Error) {
	return e.plain(p, as, dispatch.Command{
		Op: dispatch.OpAdvance, Order: dispatch.OrderID(m.OrderID), To: dispatch.State(m.To),
	}, &m, k)
}

func (e *edge) assign(p auth.Principal, m wire.OrderAssign, k key) (dispatch.Command, *dispatch.Error) {
	return e.plain(p, auth.Assign, dispatch.Command{
		Op: dispatch.OpAssign, Order: dispatch.OrderID(m.OrderID), Driver: dispatch.DriverID(m.DriverID),
	}, &m, k)
}

func (e *edge) unassign(p auth.Principal, m wire.OrderUnassign, k key) (dispatch.Command, *dispatch.Error) {
	return e.plain(p, auth.Unassign, dispatch.Command{
		Op: dispatch.OpUnassign, Order: dispatch.OrderID(m.OrderID), Reason: m.Reason,
	}, &m, k)
}

func (e *edge) priority(p auth.Principal, m wire.OrderPriority, k key) (dispatch.Command, *dispatch.Error) {
	return e.plain(p, auth.Priority, dispatch.Command{
		Op: dispatch.OpPriority, Order: dispatch.OrderID(m.OrderID), Priority: *m.Priority,
	}, &m, k)
}

func (e *edge) search(p auth.Principal, m wire.OrderSearch, k key) (dispatch.Command, *dispatch.Error) {
	return e.plain(p, auth.Search, dispatch.Command{
		Op: dispatch.OpSearch, Order: dispatch.OrderID(m.OrderID),
	}, &m, k)
}

// telemetryDriver tells for which driver points are; as is auth.Telemetry or auth.PostTelemetry.
func (e *edge) telemetryDriver(
	p auth.Principal, as auth.Action, m wire.Telemetry,
) (dispatch.DriverID, *dispatch.Error) {
	if refused := auth.Allow(p, as, auth.Target{}); refused != nil {
		return "", refused
	}
	if p.Role == dispatch.RoleDriver {
		if m.DriverID != "" && string(m.DriverID) != p.Sub {
			return "", dispatch.Errorf(dispatch.CodeBadRequest, "/driver_id", "must be left out, or be the driver's own")
		}
		return dispatch.DriverID(p.Sub), nil
	}
	if m.DriverID == "" {
		return "", dispatch.Errorf(dispatch.CodeBadRequest, "/driver_id", "required from role %s", p.Role)
	}
	return dispatch.DriverID(m.DriverID), nil
}

// do has a command judged and gives the order as the asker may see it, nil when the command is about none.
func (e *edge) do(ctx context.Context, p auth.Principal, c dispatch.Command) (*wire.Order, *dispatch.Error) {
	reply := e.orders.Do(ctx, c)
	if reply.Err != nil {
		return nil, reply.Err
	}
	if reply.Order == nil {
		return nil, nil
	}
	order := visible(p, c.Op, reply.Order)
	return &order, nil
}

// visible gives the order after a command as the asker may see it: a driver that declined its offer is no party
// and does not learn the rider; one that gave its order back was a party until then.
func visible(p auth.Principal, op dispatch.Op, o *dispatch.Order) wire.Order {
	order := wire.OrderFrom(o)
	if op != dispatch.OpCancel && !p.MayRead(o) {
		order.RiderID = nil
	}
	return order
}

// refusal gives the error to tell for any error of a port.
func refusal(err error) *dispatch.Error {
	if e, ok := errors.AsType[*dispatch.Error](err); ok {
		return e
	}
	return &dispatch.Error{Code: dispatch.CodeInternal, Detail: internalDetail, Err: err}
}
