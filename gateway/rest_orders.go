package gateway

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

func (s *Server) orderEndpoints() []endpoint {
	post := func(path string, a auth.Action, serve func(*call) (answer, *dispatch.Error)) endpoint {
		return endpoint{method: http.MethodPost, path: path, action: a, serve: serve}
	}
	get := func(path string, serve func(*call) (answer, *dispatch.Error), params ...string) endpoint {
		return endpoint{method: http.MethodGet, path: path, action: auth.ReadOrder, serve: serve, params: params}
	}
	return []endpoint{
		post("/v1/orders", auth.Create, s.postOrder),
		get("/v1/orders", s.getOrders, "market", "state", "rider_id", "driver_id", "from", "to", "cursor", "limit"),
		get("/v1/orders/{id}", s.getOrder),
		get("/v1/orders/{id}/events", s.getOrderEvents, "cursor", "limit"),
		post("/v1/orders/{id}/cancel", auth.Cancel, s.postCancel),
		post("/v1/orders/{id}/assign", auth.Assign, s.postAssign),
		post("/v1/orders/{id}/unassign", auth.Unassign, s.postUnassign),
		post("/v1/orders/{id}/priority", auth.Priority, s.postPriority),
		post("/v1/orders/{id}/search", auth.Search, s.postSearch),
		post("/v1/orders/{id}/advance", auth.PostAdvance, s.postAdvance),
		post("/v1/offers/{id}/accept", auth.Accept, s.postAccept),
		post("/v1/offers/{id}/decline", auth.Decline, s.postDecline),
	}
}

// pathID is the {id} of the path; an id that nothing could have is not_found when it is used.
func (c *call) pathID() wire.ID { return wire.ID(c.r.PathValue("id")) }

// command finishes a call that is a command: the order as the asker may see it.
func (s *Server) command(c *call, cmd dispatch.Command, refused *dispatch.Error) (*wire.Order, *dispatch.Error) {
	if refused != nil {
		return nil, refused
	}
	if id := c.r.PathValue("id"); cmd.Op != dispatch.OpCreate && !dispatch.ValidID(id) {
		return nil, notFound()
	}
	cmd.RequestID = c.id
	return s.edge.do(c.r.Context(), c.p, cmd)
}

func notFound() *dispatch.Error {
	return dispatch.Errorf(dispatch.CodeNotFound, "", "there is none such")
}

// changed answers a command with the order.
func (s *Server) changed(c *call, cmd dispatch.Command, refused *dispatch.Error) (answer, *dispatch.Error) {
	order, refused := s.command(c, cmd, refused)
	if refused != nil {
		return answer{}, refused
	}
	return success(order)
}

func (s *Server) postOrder(c *call) (answer, *dispatch.Error) {
	var m wire.OrderCreate
	if refused := c.decode(&m, false, nil); refused != nil {
		return answer{}, refused
	}
	cmd, refused := s.edge.create(c.p, m, c.key(true))
	order, refused := s.command(c, cmd, refused)
	if refused != nil {
		return answer{}, refused
	}
	// A repeat is told the first one's order: the location follows from the answer, not from the command.
	return answer{http.StatusCreated, "/v1/orders/" + string(order.ID), order}, nil
}

func (s *Server) postCancel(c *call) (answer, *dispatch.Error) {
	var m wire.OrderCancel
	if refused := c.decode(&m, true, func() { m.OrderID = c.pathID() }, "order_id"); refused != nil {
		return answer{}, refused
	}
	cmd, refused := s.edge.cancel(c.p, m, c.key(false))
	return s.changed(c, cmd, refused)
}

func (s *Server) postAssign(c *call) (answer, *dispatch.Error) {
	var m wire.OrderAssign
	if refused := c.decode(&m, false, func() { m.OrderID = c.pathID() }, "order_id"); refused != nil {
		return answer{}, refused
	}
	cmd, refused := s.edge.assign(c.p, m, c.key(false))
	return s.changed(c, cmd, refused)
}

func (s *Server) postUnassign(c *call) (answer, *dispatch.Error) {
	var m wire.OrderUnassign
	if refused := c.decode(&m, true, func() { m.OrderID = c.pathID() }, "order_id"); refused != nil {
		return answer{}, refused
	}
	cmd, refused := s.edge.unassign(c.p, m, c.key(false))
	return s.changed(c, cmd, refused)
}

func (s *Server) postPriority(c *call) (answer, *dispatch.Error) {
	var m wire.OrderPriority
	if refused := c.decode(&m, false, func() { m.OrderID = c.pathID() }, "order_id"); refused != nil {
		return answer{}, refused
	}
	cmd, refused := s.edge.priority(c.p, m, c.key(false))
	return s.changed(c, cmd, refused)
}

func (s *Server) postSearch(c *call) (answer, *dispatch.Error) {
	var m wire.OrderSearch
	if refused := c.decode(&m, true, func() { m.OrderID = c.pathID() }, "order_id"); refused != nil {
		return answer{}, refused
	}
	cmd, refused := s.edge.search(c.p, m, c.key(false))
	return s.changed(c, cmd, refused)
}

func (s *Server) postAdvance(c *call) (answer, *dispatch.Error) {
	var m wire.TripAdvance
	if refused := c.decode(&m, false, func() { m.OrderID = c.pathID() }, "order_id"); refused != nil {
		return answer{}, refused
	}
	cmd, refused := s.edge.advance(c.p, auth.PostAdvance, m, c.key(false))
	return s.changed(c, cmd, refused)
}

func (s *Server) postAccept(c *call) (answer, *dispatch.Error) {
	var m wire.OfferAccept
	if refused := c.decode(&m, true, func() { m.OfferID = c.pathID() }, "offer_id"); refused != nil {
		return answer{}, refused
	}
	cmd, refused := s.edge.accept(c.p, m, c.key(false))
	return s.acked(c, cmd, refused)
}

func (s *Server) postDecline(c *call) (answer, *dispatch.Error) {
	var m wire.OfferDecline
	if refused := c.decode(&m, true, func() { m.OfferID = c.pathID() }, "offer_id"); refused != nil {
		return answer{}, refused
	}
	cmd, refused := s.edge.decline(c.p, m, c.key(false))
	return s.acked(c, cmd, refused)
}

// acked answers as on the socket; the id is the key, null without one.
func (s *Server) acked(c *call, cmd dispatch.Command, refused *dispatch.Error) (answer, *dispatch.Error) {
	order, refused := s.command(c, cmd, refused)
	if refused != nil {
		return answer{}, refused
	}
	return success(wire.AckTo(wire.ID(cmd.Key.ID), order))
}

// readable loads an order that the asker may see.
func (s *Server) readable(c *call) (dispatch.Order, *dispatch.Error) {
	id := c.r.PathValue("id")
	if !dispatch.ValidID(id) {
		return dispatch.Order{}, notFound()
	}
	order, err := s.cfg.History.Order(c.r.Context(), dispatch.OrderID(id))
	if dispatch.CodeOf(err) == dispatch.CodeNotFound {
		return dispatch.Order{}, notFound() // word for word what another's is told
	}
	if err != nil {
		return dispatch.Order{}, refusal(err)
	}
	return order, auth.Allow(c.p, auth.ReadOrder, auth.Target{Market: order.Market, Order: &order})
}

func (s *Server) getOrder(c *call) (answer, *dispatch.Error) {
	order, refused := s.readable(c)
	if refused != nil {
		return answer{}, refused
	}
	return success(wire.OrderFrom(&order))
}

func (s *Server) getOrderEvents(c *call) (answer, *dispatch.Error) {
	limit, refused := c.query.limit()
	if refused != nil {
		return answer{}, refused
	}
	const kind = "events"
	cursor, refused := c.query.cursor(kind)
	if refused != nil {
		return answer{}, refused
	}
	var after int64
	if cursor != "" {
		n, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil || n < 0 {
			return answer{}, dispatch.Errorf(dispatch.CodeBadRequest, "cursor", "must be the next_cursor of this list")
		}
		after = n
	}
	order, refused := s.readable(c)
	if refused != nil {
		return answer{}, refused
	}
	events, err := s.cfg.History.OrderEvents(c.r.Context(), order.ID, after, limit+1)
	if err != nil {
		return answer{}, refusal(err)
	}
	return success(pageOf(events, limit, kind,
		func(e *dispatch.Event) string { return strconv.FormatInt(e.Version, 10) }, wire.EventFrom))
}

func (s *Server) getOrders(c *call) (answer, *dispatch.Error) {
	f, none, refused := s.orderFilter(c)
	if refused != nil {
		return answer{}, refused
	}
	if none {
		return success(wire.List[wire.Order]{Items: []wire.Order{}})
	}
	limit := f.Limit
	f.Limit++ // one more tells whether there is a next page
	orders, err := s.cfg.History.Orders(c.r.Context(), f)
	if err != nil {
		return answer{}, refusal(err)
	}
	orders = slices.DeleteFunc(orders, func(o dispatch.Order) bool {
		return auth.Allow(c.p, auth.ReadOrder, auth.Target{Market: o.Market, Order: &o}) != nil
	})
	return success(pageOf(orders, limit, "orders", func(o *dispatch.Order) string { return string(o.ID) }, wire.OrderFrom))
}

// orderFilter reads the parameters of the order list. Riders and drivers see their own only; none tells that
// the asker may see nothing of what it asked for.
func (s *Server) orderFilter(c *call) (f dispatch.OrderFilter, none bool, refused *dispatch.Error) {
	ids := map[string]string{}
	for _, name := range []string{"market", "rider_id", "driver_id"} {
		if ids[name], refused = c.query.id(name); refused != nil {
			return f, false, refused
		}
	}
	f = dispatch.OrderFilter{
		Market: dispatch.MarketID(ids["market"]), Markets: c.p.Markets,
		Rider: dispatch.RiderID(ids["rider_id"]), Driver: dispatch.DriverID(ids["driver_id"]),
	}
	if f.States, refused = c.query.states(); refused != nil {
		return f, false, refused
	}
	if f.From, f.To, refused = c.query.span(); refused != nil {
		return f, false, refused
	}
	after, refused := c.query.cursor("orders")
	if refused != nil {
		return f, false, refused
	}
	f.After = dispatch.OrderID(after)
	if f.Limit, refused = c.query.limit(); refused != nil {
		return f, false, refused
	}
	switch c.p.Role {
	case dispatch.RoleRider:
		none = f.Rider != "" && string(f.Rider) != c.p.Sub
		f.Rider = dispatch.RiderID(c.p.Sub)
	case dispatch.RoleDriver:
		none = f.Driver != "" && string(f.Driver) != c.p.Sub
		f.Driver = dispatch.DriverID(c.p.Sub)
	}
	return f, none || f.Market != "" && !c.p.In(f.Market), nil
}
