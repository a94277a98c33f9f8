package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sign makes a token as any issuer would: from the claims given over those of a good one; nil leaves out.
func (p *process) sign(algorithm string, claims object) string {
	p.t.Helper()
	secret, err := os.ReadFile(filepath.Join(p.dir, "secret"))
	if err != nil {
		p.t.Fatal(err)
	}
	all := object{"sub": "d1", "role": "driver", "aud": "hexfleet", "exp": time.Now().Add(time.Hour).Unix()}
	for name, v := range claims {
		all[name] = v
		if v == nil {
			delete(all, name)
		}
	}
	part := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			p.t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	text := part(object{"alg": algorithm, "typ": "JWT"}) + "." + part(all)
	if algorithm == "none" {
		return text + "."
	}
	mac := hmac.New(sha256.New, []byte(strings.TrimRight(string(secret), "\n")))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

// TestToken_IsJudged sends good and bad tokens on REST, in the header of a socket and in its first frame.
func TestToken_IsJudged(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	for name, c := range map[string]struct {
		token string
		good  bool
	}{
		"good":                   {p.sign("HS256", nil), true},
		"audience in a list":     {p.sign("HS256", object{"aud": []string{"x", "hexfleet"}}), true},
		"expired within leeway":  {p.sign("HS256", object{"exp": in(-15 * time.Second)}), true},
		"expired":                {p.sign("HS256", object{"exp": in(-40 * time.Second)}), false},
		"no exp":                 {p.sign("HS256", object{"exp": nil}), false},
		"exp too far ahead":      {p.sign("HS256", object{"exp": in(25 * time.Hour)}), false},
		"another audience":       {p.sign("HS256", object{"aud": "other"}), false},
		"no audience":            {p.sign("HS256", object{"aud": nil}), false},
		"alg none":               {p.sign("none", nil), false},
		"another algorithm":      {p.sign("HS512", nil), false},
		"unknown role":           {p.sign("HS256", object{"role": "king"}), false},
		"no role":                {p.sign("HS256", object{"role": nil}), false},
		"the engine's role":      {p.sign("HS256", object{"role": "engine"}), false},
		"no sub":                 {p.sign("HS256", object{"sub": nil}), false},
		"sub with a space":       {p.sign("HS256", object{"sub": "a b"}), false},
		"sub too long":           {p.sign("HS256", object{"sub": strings.Repeat("x", 65)}), false},
		"not valid yet":          {p.sign("HS256", object{"nbf": in(time.Hour)}), false},
		"markets of wrong type":  {p.sign("HS256", object{"markets": "sf"}), false},
		"capacity of wrong type": {p.sign("HS256", object{"max_capacity": "2"}), false},
		"signed by another":      {p.sign("HS256", nil) + "x", false},
	} {
		status := 401
		if c.good {
			status = 200
		}
		if a := p.rest("GET", "/v1/markets", c.token, ""); a.status != status {
			t.Errorf("%s: REST answered %d %s, want %d", name, a.status, a.raw, status)
		}
		s := p.open(nil)
		s.send(object{"type": "auth", "token": c.token})
		switch f, _ := s.next(); {
		case c.good && f["type"] != "welcome":
			t.Errorf("%s: the socket answered %v", name, f)
		case !c.good && (f["code"] != "unauthenticated" || s.closed() != 4500):
			t.Errorf("%s: the socket answered %v", name, s.all)
		}
	}
	// Never in a URL: it is an unknown parameter there.
	p.refused("unauthenticated", "", "GET", "/v1/markets?token="+p.sign("HS256", nil), "", "")
}

// TestToken_Markets bounds what a token may see and do to its markets.
func TestToken_Markets(t *testing.T) {
	t.Parallel()
	p := town(t, `,"offer_ttl_s":600`)
	onDuty(p, "d1", pickupLat, pickupLng)
	id := p.order("r1", "k1")
	away := p.sign("HS256", object{"role": "dispatcher", "sub": "away", "markets": []string{"nyc"}})
	path := "/v1/orders/" + id
	p.refused("not_found", "", "GET", path, away, "")
	p.refused("not_found", "", "GET", path+"/events", away, "")
	p.refused("not_found", "", "POST", path+"/cancel", away, "")
	p.refused("not_found", "", "POST", path+"/assign", away, `{"driver_id":"d1"}`)
	p.refused("not_found", "", "GET", "/v1/drivers/d1", away, "")
	p.refused("not_found", "", "GET", "/v1/drivers/nearby?lat=37.78&lng=-122.41", away, "")
	for _, list := range []string{"/v1/orders", "/v1/orders?market=sf"} {
		if a := p.rest("GET", list, away, ""); a.status != 200 || len(a.body["items"].([]any)) != 0 {
			t.Errorf("%s answered %d %s", list, a.status, a.raw)
		}
	}
	p.refused("forbidden", "/market", "POST", "/v1/orders", away, `{"rider_id":"r9",`+rideBody[1:], "Idempotency-Key", "k")
	s := p.dial(away)
	s.denied("not_found", "", object{"type": "order.watch", "id": "w", "order_id": id})
	s.denied("not_found", "", object{"type": "order.cancel", "id": "c", "order_id": id})

	rider := p.dial(p.sign("HS256", object{"role": "rider", "sub": "r1", "markets": []string{"nyc"}}))
	rider.fence()
	if n := len(rider.about(id)); n > 0 {
		t.Errorf("the rider's token is for nyc, it was told %v", rider.about(id))
	}
	driver := p.dial(p.sign("HS256", object{"sub": "d2", "markets": []string{"nyc"}}))
	driver.denied("forbidden", "/market", object{"type": "duty", "id": "1", "state": "online", "market": "sf"})
	driver.acked(object{"type": "duty", "id": "2", "state": "online"}) // the token's single one
	driver.acked(object{"type": "telemetry", "id": "t", "points": []object{point(40.7, -74, p.now())}})
	if d := p.done("GET", "/v1/drivers/d2", ""); d["market"] != "nyc" || d["state"] != "available" {
		t.Errorf("the driver is %v", d)
	}
	both := p.dial(p.sign("HS256", object{"sub": "d3", "markets": []string{"nyc", "sf"}}))
	both.denied("bad_request", "/market", object{"type": "duty", "id": "1", "state": "online"})
	both.acked(object{"type": "telemetry", "id": "t", "points": []object{point(40.7, -74, p.now())}})
	both.acked(object{"type": "duty", "id": "2", "state": "online"}) // where its last point lies
	if d := p.done("GET", "/v1/drivers/d3", ""); d["market"] != "nyc" {
		t.Errorf("the driver is %v", d)
	}
}

// TestToken_BoundsDuty holds a driver to the classes and the capacity of its token.
func TestToken_BoundsDuty(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	d := p.dial(p.sign("HS256", object{"vehicle_classes": []string{"xl", "van"}, "max_capacity": 2}))
	online := func(id string, more object) object {
		o := object{"type": "duty", "id": id, "state": "online", "market": "sf"}
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	d.denied("forbidden", "/vehicle_class", online("1", object{"vehicle_class": "standard"}))
	d.denied("forbidden", "/vehicle_class", online("2", nil)) // standard is the default
	d.denied("forbidden", "/capacity", online("3", object{"vehicle_class": "xl", "capacity": 3}))
	d.acked(online("4", object{"vehicle_class": "van", "capacity": 2}))
	wantFields(t, "the driver", p.done("GET", "/v1/drivers/d1", ""), object{"vehicle_class": "van", "capacity": 2.0})
}

// TestToken_IsExtended lets one session's token run out, while another session has sent a fresh one.
func TestToken_IsExtended(t *testing.T) {
	t.Parallel()
	p := town(t, "")
	short := func() string {
		return p.sign("HS256", object{"sub": "r1", "role": "rider", "exp": in(-26 * time.Second)})
	}
	long := func(claims object) object {
		all := object{"sub": "r1", "role": "rider"}
		for k, v := range claims {
			all[k] = v
		}
		return object{"type": "auth", "token": p.sign("HS256", all)}
	}
	extended, header := p.dial(short()), p.open(http.Header{"Authorization": {"Bearer " + short()}})
	header.wait("welcome", nil)
	left := p.dial(short())
	for _, s := range []*sock{extended, header} {
		s.send(long(nil))
		wantFields(t, "the answer", s.wait("welcome", nil), object{"sub": "r1", "role": "rider"})
	}
	if code := left.closed(); code != 4500 {
		t.Errorf("an expired token closed with %d, want 4500", code)
	}
	for _, s := range []*sock{extended, header} {
		s.fence()
	}
	for name, claims := range map[string]object{
		"another sub": {"sub": "r2"}, "another role": {"role": "dispatcher"}, "an expired one": {"exp": in(-time.Hour)},
	} {
		s := p.dial(p.sign("HS256", object{"sub": "r1", "role": "rider"}))
		s.send(long(claims))
		if f := s.wait("error", nil); f["code"] != "unauthenticated" {
			t.Errorf("%s was answered %v", name, f)
		}
		if code := s.closed(); code != 4500 {
			t.Errorf("%s closed with %d, want 4500", name, code)
		}
	}
}
