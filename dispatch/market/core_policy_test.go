package market

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// newPolicy draws a policy: any mode for each service, and all that changes who may be asked.
func (w *world) newPolicy() dispatch.Policy {
	p := dispatch.DefaultPolicy()
	p.Terms = w.newTerms(p.Terms)
	p.SearchTimeout = time.Duration(60+60*w.choose("timeout", 6)) * time.Second
	p.Lead = time.Duration(100*w.choose("lead", 5)) * time.Second
	p.RichRatio = float64(w.choose("rich", 3))
	p.ScarceRatio = float64(w.choose("scarce", 4))
	p.Offers.PerMinute = []int{0, 1, 6}[w.choose("per_minute", 3)]
	p.Offers.DeclineBar = time.Duration(60*w.choose("decline_bar", 3)) * time.Second
	p.Chain.Within = time.Duration(200*w.choose("chain", 3)) * time.Second
	p.StandbyGain = time.Duration(60*w.choose("standby", 3)) * time.Second
	if w.choose("contracted", 3) == 0 {
		p.ContractedTag = "pets"
	}
	if w.choose("mixed", 2) == 0 {
		p.Overrides = append(p.Overrides, dispatch.Override{Kind: dispatch.KindDelivery, Terms: w.newTerms(p.Terms)})
	}
	if w.choose("shadow", 3) == 0 {
		t := w.newTerms(p.Terms)
		p.Shadow = &t
	}
	return p
}

func (w *world) newTerms(t dispatch.Terms) dispatch.Terms {
	t.Mode = dispatch.Modes()[w.choose("mode", len(dispatch.Modes()))]
	t.MaxPickup = []time.Duration{900 * time.Second, 600 * time.Second}[w.choose("max_pickup", 2)]
	t.Reach, t.ReachGrowth = time.Duration(150*w.choose("reach", 4))*time.Second, float64(w.choose("reach_growth", 4))
	t.WaveSize, t.Wave = 1+w.choose("wave_size", 3), time.Duration(5*(1+w.choose("wave", 4)))*time.Second
	t.Cost = dispatch.CostRules{
		Age: float64(w.choose("age", 3)), Idle: float64(w.choose("idle", 2)), IdleMax: time.Minute, Chain: float64(w.choose("chain", 2)),
		Destination: float64(w.choose("destination", 2)), Decline: 1,
	}
	if w.choose("preferred", 3) == 0 {
		t.Cost.PreferTags = []dispatch.TagWorth{{Tag: "pets", Worth: time.Duration(w.choose("worth", 5)-2) * time.Minute}}
	}
	return t
}
