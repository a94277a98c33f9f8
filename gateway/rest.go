package gateway

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/auth"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// endpoint is one REST call.
type endpoint struct {
	method string
	// path is a pattern of net/http's ServeMux without the method. Paths under /v1/ want a token.
	path string
	// action is what the token's role must be allowed.
	action auth.Action
	// params are the query parameters it knows.
	params []string
	serve  func(*call) (answer, *dispatch.Error)
	// open: it wants no token though its path is under /v1/; then every call of the path is so.
	open bool
	// raw serves instead, where the body is not ours to encode.
	raw http.Handler
}

// call is one request on its way: its size, token, route, method, role and query have been judged.
type call struct {
	r     *http.Request
	id    string // of the request
	p     auth.Principal
	query query
	body  []byte
}

// answer is a success; body nil is told with 204.
type answer struct {
	status   int
	location string
	body     any
}

// success is the common answer.
func success(body any) (answer, *dispatch.Error) {
	return answer{status: http.StatusOK, body: body}, nil
}

// endpoints lists every REST call; the OpenAPI document has the same, and the socket's.
func (s *Server) endpoints() []endpoint {
	return slices.Concat(s.orderEndpoints(), s.explainEndpoints(), s.driverEndpoints(), s.marketEndpoints(), s.ticketEndpoints(), s.operatorEndpoints())
}

// registerREST mounts every REST call, and the refusals of unknown routes and other methods.
func (s *Server) registerREST(mux *http.ServeMux) {
	seen := newRESTMetrics(s.cfg.Registry)
	paths := map[string][]endpoint{
		"/":      nil, // whatever no other pattern takes
		"/v1/ws": {{method: http.MethodGet}},
	}
	for _, ep := range slices.Concat(s.endpoints(), s.page.endpoints()) {
		paths[ep.path] = append(paths[ep.path], ep)
	}
	for path, eps := range paths {
		mux.Handle(path, &site{s: s, path: path, endpoints: eps, seen: seen})
	}
}

// site serves one path. Immutable.
type site struct {
	s         *Server
	path      string
	endpoints []endpoint // none: an unknown route
	seen      *restMetrics
}

// ServeHTTP answers in the contract's order: size, token, route and method, role, query and body, key; what
// comes after is the core's.
func (t *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := t.s.identify(w, r)
	seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	began := t.s.cfg.Wall.Now()
	defer func() { t.seen.observe(t.path, r.Method, seen.status, t.s.cfg.Wall.Now().Sub(began)) }()
	defer t.recover(seen, r, id)
	t.answer(seen, r, id)
}

// identify gives the id of a request, its asker's own or a new one, and tells it.
func (s *Server) identify(w http.ResponseWriter, r *http.Request) string {
	id := r.Header.Get(requestIDHeader)
	if !dispatch.ValidID(id) {
		id = dispatch.NewID(s.cfg.Wall.Now())
	}
	w.Header().Set(requestIDHeader, id)
	return id
}

const requestIDHeader = "X-Request-Id"

// recover turns a panic into 500; it is the last line, not a way to refuse.
func (t *site) recover(w *statusWriter, r *http.Request, id string) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
		panic(cause)
	}
	t.s.cfg.Log.Error("request panicked", "request_id", id, "method", r.Method, "route", t.path,
		"panic", cause, "stack", string(debug.Stack()))
	if !w.wrote {
		writeProblem(w, dispatch.Errorf(dispatch.CodeInternal, "", internalDetail), 0)
	}
}

func (t *site) answer(w http.ResponseWriter, r *http.Request, id string) {
	body, refused := readBody(w, r)
	if refused != nil {
		writeProblem(w, refused, 0)
		return
	}
	var p auth.Principal
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		w.Header().Set("Cache-Control", "no-store")
	}
	if t.closed(r) {
		if p, refused = t.s.principal(w, r); refused != nil {
			t.s.audit.refuse(t.access(p, r.Method, r.PathValue("id"), id), refused)
			writeProblem(w, refused, 0)
			return
		}
	}
	ep, status, refused := t.endpoint(w, r.Method)
	if refused != nil {
		writeProblem(w, refused, status)
		return
	}
	if ep.raw != nil {
		ep.raw.ServeHTTP(w, r)
		return
	}
	ans, refused := t.call(ep, &call{r: r, id: id, p: p, body: body})
	if refused != nil {
		t.s.audit.refuse(t.access(p, r.Method, r.PathValue("id"), id), refused)
		t.log(refused, r, id)
		writeProblem(w, refused, 0)
		return
	}
	t.write(w, r, id, ans)
}

// closed tells whether a request needs a token: all under /v1/ do, unknown routes too, but those that say so.
func (t *site) closed(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/v1/") &&
		!slices.ContainsFunc(t.endpoints, func(ep endpoint) bool { return ep.open })
}

// endpoint finds the call of a method; HEAD is GET without the body.
func (t *site) endpoint(w http.ResponseWriter, method string) (ep endpoint, status int, refused *dispatch.Error) {
	if len(t.endpoints) == 0 {
		return endpoint{}, 0, dispatch.Errorf(dispatch.CodeNotFound, "", "there is no such route")
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var allow []string
	for _, ep := range t.endpoints {
		if ep.method == method {
			return ep, 0, nil
		}
		allow = append(allow, ep.method)
		if ep.method == http.MethodGet {
			allow = append(allow, http.MethodHead)
		}
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	return endpoint{}, http.StatusMethodNotAllowed,
		dispatch.Errorf(dispatch.CodeUnsupported, "", "this route takes %s", strings.Join(allow, ", "))
}

// call judges role and query, then has the endpoint judge the rest.
func (t *site) call(ep endpoint, c *call) (answer, *dispatch.Error) {
	if ep.action != "" {
		if refused := auth.Allow(c.p, ep.action, auth.Target{}); refused != nil {
			return answer{}, refused
		}
	}
	q, refused := parseQuery(c.r.URL.RawQuery, ep.params)
	if refused != nil {
		return answer{}, refused
	}
	c.query = q
	return ep.serve(c)
}

func (t *site) write(w http.ResponseWriter, r *http.Request, id string, ans answer) {
	if ans.body == nil {
		w.WriteHeader(ans.status)
		return
	}
	data, err := wire.Encode(ans.body)
	if err != nil {
		refused := refusal(err)
		t.log(refused, r, id)
		writeProblem(w, refused, 0)
		return
	}
	if ans.location != "" {
		w.Header().Set("Location", ans.location)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(ans.status)
	_, _ = w.Write(data) // a client that has gone cannot be told
}

// log tells operators the chain of what users see only the code of.
func (t *site) log(e *dispatch.Error, r *http.Request, id string) {
	switch {
	case e.Code == dispatch.CodeInternal:
		t.s.cfg.Log.Error("request failed", "request_id", id, "method", r.Method, "route", t.path, "err", e)
	case statusOf(e.Code) == http.StatusServiceUnavailable && e.Err != nil:
		t.s.cfg.Log.Warn("request refused", "request_id", id, "method", r.Method, "route", t.path, "err", e)
	}
}

// readBody reads what there is, up to the limit.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *dispatch.Error) {
	tooLarge := dispatch.Errorf(dispatch.CodeTooLarge, "", "a body has at most %d bytes", wire.MaxBytes)
	if r.ContentLength > wire.MaxBytes {
		w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	if r.ContentLength == 0 || r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxBytes))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	if err != nil {
		return nil, dispatch.Errorf(dispatch.CodeBadRequest, "", "the body could not be read to its end")
	}
	return body, nil
}

// principal tells who asks, by the Authorization header.
func (s *Server) principal(w http.ResponseWriter, r *http.Request) (auth.Principal, *dispatch.Error) {
	token, refused := bearer(r)
	if refused != nil {
		return auth.Principal{}, refused
	}
	if token == "" {
		return auth.Principal{}, dispatch.Errorf(dispatch.CodeUnauthenticated, "", "a token is required: Authorization: Bearer")
	}
	p, refused := s.cfg.Auth.Verify(token, s.cfg.Wall.Now())
	if refused != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="hexfleet", error="invalid_token"`)
	}
	return p, refused
}

// bearer gives the token of the Authorization header, "" when there is no such header.
func bearer(r *http.Request) (string, *dispatch.Error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", dispatch.Errorf(dispatch.CodeUnauthenticated, "Authorization", "must be Bearer and one token")
	}
	return token, nil
}

// decode reads the body into the struct of the call's socket twin. fill sets what the path tells, whose
// members are named by path. A call of which every member is optional may leave its body out.
func (c *call) decode(into any, optional bool, fill func(), path ...string) *dispatch.Error {
	body := c.body
	if len(body) == 0 && optional {
		body = []byte("{}")
	} else if len(body) > 0 {
		kind, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
		charset, named := params["charset"]
		if err != nil || kind != "application/json" || named && !strings.EqualFold(charset, "utf-8") {
			return dispatch.Errorf(dispatch.CodeUnsupported, "Content-Type", "must be application/json in UTF-8")
		}
	}
	return wire.DecodeBody(body, into, fill, path...)
}

// key is the Idempotency-Key header, which is optional but for new orders.
func (c *call) key(required bool) key {
	const header = "Idempotency-Key"
	values := c.r.Header.Values(header)
	return key{strings.Join(values, ", "), len(values) > 0, header, required} // two are no valid id
}
