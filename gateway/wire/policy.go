package wire

import "github.com/hexfleet/hexfleet/dispatch"

// Policy is how a market behaves; all spans are market time. The keys are those of the markets file (docs/policy.md).
type Policy struct {
	// Version is a digest of all the rest.
	Version string `json:"version"`
	Terms
	WindowMs        int64   `json:"window_ms"`
	RichRatio       float64 `json:"rich_ratio"`
	ScarceRatio     float64 `json:"scarce_ratio"`
	SearchTimeoutS  float64 `json:"search_timeout_s"`
	FreshnessS      float64 `json:"freshness_s"`
	Candidates      int     `json:"candidates"`
	NoShowS         float64 `json:"no_show_s"`
	LeadS           float64 `json:"lead_s"`
	OffersPerMinute int     `json:"offers_per_minute"`
	DeclineBarS     float64 `json:"decline_bar_s"`
	ExpiryBarS      float64 `json:"expiry_bar_s"`
	// ContractedTag is null when nobody is assigned without being asked.
	ContractedTag *string `json:"contracted_tag"`
	ChainS        float64 `json:"chain_s"`
	ChainMarginS  float64 `json:"chain_margin_s"`
	NudgeS        float64 `json:"nudge_s"`
	LostS         float64 `json:"lost_s"`
	StallS        float64 `json:"stall_s"`
	RetreatM      float64 `json:"retreat_m"`
	StandbyGainS  float64 `json:"standby_gain_s"`
	// Shadow is null when there is none.
	Shadow *Terms `json:"shadow"`
	// Services and VehicleClasses have the whole terms of each one that the file names, also what is as the market's.
	Services       map[string]Terms `json:"services"`
	VehicleClasses map[string]Terms `json:"vehicle_classes"`
}

// Terms are what may differ by service and vehicle class.
type Terms struct {
	Mode        string  `json:"mode"`
	OfferTTLS   float64 `json:"offer_ttl_s"`
	MaxPickupS  float64 `json:"max_pickup_s"`
	ReachS      float64 `json:"reach_s"`
	ReachGrowth float64 `json:"reach_growth"`
	WaveSize    int     `json:"wave_size"`
	WaveS       float64 `json:"wave_s"`
	Cost        Cost    `json:"cost"`
}

// Cost weighs the terms of a pair's cost.
type Cost struct {
	AgeWeight         float64            `json:"age_weight"`
	IdleWeight        float64            `json:"idle_weight"`
	IdleMaxS          float64            `json:"idle_max_s"`
	ChainWeight       float64            `json:"chain_weight"`
	DestinationWeight float64            `json:"destination_weight"`
	DeclineWeight     float64            `json:"decline_weight"`
	PreferTagsS       map[string]float64 `json:"prefer_tags_s"`
}

// PolicyFrom tells a policy.
func PolicyFrom(p *dispatch.Policy) Policy {
	w := Policy{
		Version: p.Version(), Terms: termsFrom(&p.Terms),
		WindowMs: p.Window.Milliseconds(), RichRatio: p.RichRatio, ScarceRatio: p.ScarceRatio, SearchTimeoutS: seconds(p.SearchTimeout),
		FreshnessS: seconds(p.Freshness), Candidates: p.Candidates, NoShowS: seconds(p.NoShow), LeadS: seconds(p.Lead),
		OffersPerMinute: p.Offers.PerMinute, DeclineBarS: seconds(p.Offers.DeclineBar), ExpiryBarS: seconds(p.Offers.ExpiryBar),
		ChainS: seconds(p.Chain.Within), ChainMarginS: seconds(p.Chain.Margin),
		NudgeS: seconds(p.Redispatch.Nudge), LostS: seconds(p.Redispatch.Lost), StallS: seconds(p.Redispatch.Stall),
		RetreatM: float64(p.Redispatch.Retreat), StandbyGainS: seconds(p.StandbyGain),
		Services: map[string]Terms{}, VehicleClasses: map[string]Terms{},
	}
	if p.ContractedTag != "" {
		tag := p.ContractedTag
		w.ContractedTag = &tag
	}
	if p.Shadow != nil {
		shadow := termsFrom(p.Shadow)
		w.Shadow = &shadow
	}
	for i := range p.Overrides {
		switch v := &p.Overrides[i]; {
		case v.VehicleClass == "":
			w.Services[string(v.Kind)] = termsFrom(&v.Terms)
		case v.Kind == "":
			w.VehicleClasses[v.VehicleClass] = termsFrom(&v.Terms)
		}
	}
	return w
}

func termsFrom(t *dispatch.Terms) Terms {
	c := &t.Cost
	w := Terms{
		Mode: string(t.Mode), OfferTTLS: seconds(t.OfferTTL), MaxPickupS: seconds(t.MaxPickup),
		ReachS: seconds(t.Reach), ReachGrowth: t.ReachGrowth, WaveSize: t.WaveSize, WaveS: seconds(t.Wave),
		Cost: Cost{
			AgeWeight: c.Age, IdleWeight: c.Idle, IdleMaxS: seconds(c.IdleMax), ChainWeight: c.Chain,
			DestinationWeight: c.Destination, DeclineWeight: c.Decline, PreferTagsS: map[string]float64{},
		},
	}
	for _, tag := range c.PreferTags {
		w.Cost.PreferTagsS[tag.Tag] = seconds(tag.Worth)
	}
	return w
}
