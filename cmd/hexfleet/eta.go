package main

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/node"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// etaFlags say whom a server asks for travel times before it estimates them itself.
type etaFlags struct {
	ETAURL    string        `name:"eta-url" env:"HEXFLEET_ETA_URL" help:"A router to ask for travel times: osrm+http://HOST:PORT or valhalla+http://HOST:PORT, or https; ?profile= or ?costing= chooses the vehicle (default: none, each market learns from its drivers)." placeholder:"URL"`
	ETABudget time.Duration `name:"eta-budget" help:"How long (wall) the router may take; then what the market has learnt answers (default: ${default})." default:"100ms" placeholder:"SPAN"`
}

// maxETABudget is less than what a round has for all its travel times.
const maxETABudget = 400 * time.Millisecond

func (f *etaFlags) check() error {
	if f.ETABudget < time.Millisecond || f.ETABudget > maxETABudget {
		return usagef("--eta-budget must be from 1ms to %v, not %v", maxETABudget, f.ETABudget)
	}
	if f.ETAURL == "" {
		return nil
	}
	if err := eta.CheckRouterURL(f.ETAURL); err != nil {
		return usagef("--eta-url: %v", err)
	}
	return nil
}

// router is whom to ask; nil for nobody.
func (f *etaFlags) router(log *slog.Logger, registry prometheus.Registerer) (node.TravelTimes, error) {
	if f.ETAURL == "" {
		return nil, nil
	}
	return eta.NewRouter(eta.RouterConfig{
		URL: f.ETAURL, Budget: f.ETABudget, Now: dispatch.Wall{}.Now, Log: log, Registry: registry,
	})
}
