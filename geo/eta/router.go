package eta

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/geo"
)

// Errors of a Router's Matrix.
var (
	// ErrResting fires while the breaker keeps questions from a router that failed.
	ErrResting = errors.New("the router failed lately and is left alone")
	// ErrRefused fires when the router cannot answer this question: a place off the map, no way at all.
	ErrRefused = errors.New("the router refused the places")
	// ErrAnswer fires when the router's answer is not of its format, or no travel times at all.
	ErrAnswer = errors.New("the router's answer cannot be used")
)

// RouterConfig is what a Router is made of.
type RouterConfig struct {
	// URL is osrm+http://HOST:PORT or valhalla+http://HOST:PORT, or https; a path goes before the router's own,
	// and ?profile= (OSRM, default driving) or ?costing= (Valhalla, default auto) says what drives.
	URL string
	// Budget is how long one Matrix may take; default 100 ms. It runs by the wall.
	Budget time.Duration
	// CacheFor is how long an answer is used again between the same two cells of 66 m; default 5 min.
	CacheFor time.Duration
	// CacheSize is how many pairs of cells are remembered, 200 bytes each; default 50,000.
	CacheSize int
	// Failures in a row let the router rest for Pause, then one question tries it again; defaults 3 and 10 s.
	Failures int
	Pause    time.Duration
	// Now is the wall clock; required.
	Now func() time.Time
	// Log hears when the router begins and ends to rest; required.
	Log *slog.Logger
	// Registry takes the metrics hexfleet_eta_*; required.
	Registry prometheus.Registerer
}

const (
	// maxSide is the most sources and the most targets of one request. OSRM answers tables of 100 places in the
	// whole by default (--max-table-size), Valhalla 2,500 pairs (service_limits.auto.max_matrix_location_pairs).
	maxSide = 50
	// maxAnswer bounds what is read of an answer: 2,500 pairs of Valhalla's are 200 KB.
	maxAnswer = 4 << 20
	// maxTravel is the longest travel time believed.
	maxTravel = 7 * 24 * time.Hour
)

// protocol is how a kind of router is asked. Stateless.
type protocol interface {
	source() string
	// request is of at most maxSide sources and targets.
	request(ctx context.Context, base *url.URL, sources, targets []geo.LatLng) (*http.Request, error)
	// read gives the table of an answer; errors are ErrRefused or ErrAnswer.
	read(status int, body []byte, sources, targets int) ([][]Estimate, error)
}

// Router asks a routing engine over HTTP. It remembers answers, splits large tables, asks once what several ask
// at the same time, and leaves a router alone that keeps failing. It promises no answer: use it in a Fallback.
// Safe for concurrent use; what changes is in the cache, the breaker and the flights.
type Router struct {
	cfg      RouterConfig
	base     *url.URL
	protocol protocol
	client   *http.Client
	cache    *routeCache
	breaker  *breaker
	flights  flights
	metrics  routerMetrics
}

var _ Estimator = (*Router)(nil)

// NewRouter refuses a URL that names no router; it asks nothing yet.
func NewRouter(cfg RouterConfig) (*Router, error) {
	base, p, err := parseRouterURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	cfg.Budget = orDefault(cfg.Budget, 100*time.Millisecond)
	cfg.CacheFor = orDefault(cfg.CacheFor, 5*time.Minute)
	cfg.CacheSize = orDefault(cfg.CacheSize, 50000)
	cfg.Failures = orDefault(cfg.Failures, 3)
	cfg.Pause = orDefault(cfg.Pause, 10*time.Second)
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
	}
	r := &Router{
		cfg: cfg, base: base, protocol: p,
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a router has no reason to send us elsewhere
		}},
		cache:   newRouteCache(cfg.CacheSize),
		breaker: newBreaker(cfg.Failures, cfg.Pause),
		metrics: newRouterMetrics(p.source()),
	}
	r.metrics.register(cfg.Registry, r.breaker)
	return r, nil
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// CheckRouterURL tells what is wrong with RouterConfig.URL.
func CheckRouterURL(text string) error {
	_, _, err := parseRouterURL(text)
	return err
}

// parseRouterURL tells where a router is and how it is asked.
func parseRouterURL(text string) (*url.URL, protocol, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("router URL: %w", errors.Unwrap(err)) // the outer one repeats the URL, a password with it
	}
	var p protocol
	option := ""
	switch u.Scheme {
	case "osrm+http", "osrm+https":
		option = "profile"
		p = osrm{profile: cmp.Or(u.Query().Get(option), "driving")}
	case "valhalla+http", "valhalla+https":
		option = "costing"
		p = valhalla{costing: cmp.Or(u.Query().Get(option), "auto")}
	default:
		return nil, nil, fmt.Errorf("router URL must begin with osrm+http:, osrm+https:, valhalla+http: or valhalla+https:, not %q", u.Scheme+":")
	}
	for name, values := range u.Query() {
		if name != option || len(values) != 1 || !isWord(values[0]) {
			return nil, nil, fmt.Errorf("router URL: only ?%s=NAME is known", option)
		}
	}
	if u.Hostname() == "" || u.Fragment != "" || u.Opaque != "" {
		return nil, nil, errors.New("router URL must name a host, and nothing after a #")
	}
	_, u.Scheme, _ = strings.Cut(u.Scheme, "+")
	u.RawQuery = ""
	return u, p, nil
}

// isWord tells whether text can stand in a path and in JSON as it is.
func isWord(text string) bool {
	return text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

// Matrix implements Estimator. With an error it still gives what is known; the rest are zero Estimates, as are
// pairs without a way.
func (r *Router) Matrix(ctx context.Context, sources, targets []geo.LatLng) ([][]Estimate, error) {
	rows := newRows(len(sources), len(targets))
	t := table{sources: sources, targets: targets, rows: rows}
	r.remembered(&t)
	if len(t.rowsLeft) == 0 {
		return rows, nil
	}
	budget, cancel := context.WithTimeout(ctx, r.cfg.Budget)
	defer cancel()
	for i := 0; i < len(t.rowsLeft); i += maxSide {
		for j := 0; j < len(t.columnsLeft); j += maxSide {
			part := t.part(t.rowsLeft[i:min(i+maxSide, len(t.rowsLeft))], t.columnsLeft[j:min(j+maxSide, len(t.columnsLeft))])
			answer, err := r.flights.once(budget, part.key(), func() ([][]Estimate, error) { return r.ask(ctx, budget, &part) })
			if err != nil {
				r.metrics.unknown(t.unknown())
				return rows, fmt.Errorf("ask %s for %d x %d travel times: %w", r.protocol.source(), len(part.sources), len(part.targets), err)
			}
			r.keep(&t, &part, answer)
		}
	}
	r.metrics.unknown(t.unknown())
	return rows, nil
}

// remembered fills in what the cache knows and lists what is left.
func (r *Router) remembered(t *table) {
	t.cells()
	oldest := r.cfg.Now().Add(-r.cfg.CacheFor)
	left := make([]bool, len(t.targets))
	hits := 0
	for i := range t.sources {
		whole := true
		for j := range t.targets {
			if t.from[i] == 0 || t.to[j] == 0 {
				continue // no place: there is no way
			}
			e, ok := r.cache.get(t.pair(i, j), oldest)
			if !ok {
				whole, left[j] = false, true
				continue
			}
			t.rows[i][j] = e
			hits++
		}
		if !whole {
			t.rowsLeft = append(t.rowsLeft, i)
		}
	}
	for j := range left {
		if left[j] {
			t.columnsLeft = append(t.columnsLeft, j)
		}
	}
	r.metrics.remembered(hits)
}

// keep fills an answer in and remembers it; that there is no way is remembered too.
func (r *Router) keep(t *table, p *part, answer [][]Estimate) {
	now := r.cfg.Now()
	for i, row := range p.rows {
		for j, column := range p.columns {
			t.rows[row][column] = answer[i][j]
			r.cache.put(t.pair(row, column), answer[i][j], now)
		}
	}
	r.metrics.answered(len(p.rows) * len(p.columns))
}

// ask puts one request, when the breaker lets it, and tells the breaker what became of it. Its asker may have less
// time than the budget: that it went away says nothing of the router.
func (r *Router) ask(asker, budget context.Context, p *part) ([][]Estimate, error) {
	begin := r.cfg.Now()
	if !r.breaker.allow(begin) {
		r.metrics.outcome("rested")
		return nil, ErrResting
	}
	rows, err := r.exchange(budget, p)
	now := r.cfg.Now()
	r.metrics.took(now.Sub(begin))
	switch {
	case err == nil:
		r.metrics.outcome("ok")
	case errors.Is(err, ErrRefused):
		r.metrics.outcome("refused")
	case asker.Err() != nil:
		r.breaker.forget()
		r.metrics.outcome("abandoned")
		return nil, err
	default:
		r.metrics.outcome("failed")
		if r.breaker.failed(now) {
			r.cfg.Log.Warn("router left alone", "router", r.base.Redacted(), "pause", r.cfg.Pause, "error", err)
		}
		return nil, err
	}
	if r.breaker.worked() {
		r.cfg.Log.Info("router answers again", "router", r.base.Redacted())
	}
	return rows, err
}

func (r *Router) exchange(ctx context.Context, p *part) ([][]Estimate, error) {
	request, err := r.protocol.request(ctx, r.base, p.sources, p.targets)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, errors.Unwrap(err) // the url.Error around it repeats every place
	}
	defer func() { _ = response.Body.Close() }() // all that matters of it was read, or is not wanted
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrAnswer, maxAnswer)
	}
	return r.protocol.read(response.StatusCode, body, len(p.sources), len(p.targets))
}
