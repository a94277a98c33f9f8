package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hexfleet/hexfleet/dispatch"
)

const secret = "0123456789abcdef0123456789abcdef"

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func keys(t *testing.T) *Keys {
	t.Helper()
	k, err := NewHMAC([]byte(secret + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNewHMAC(t *testing.T) {
	t.Run("a short secret is refused with its length", func(t *testing.T) {
		_, err := NewHMAC([]byte("short\n"))
		if err == nil || !strings.Contains(err.Error(), "5 bytes") || !strings.Contains(err.Error(), "32") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the line end is no part of the key", func(t *testing.T) {
		token, err := Mint([]byte(secret), Claims{Sub: "r1", Role: dispatch.RoleRider}, time.Hour, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{secret, secret + "\n", secret + "\r\n"} {
			k, err := NewHMAC([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if _, refused := k.Verify(token, now); refused != nil {
				t.Errorf("%q: %v", text, refused)
			}
		}
	})
}

func TestKeys_Verify(t *testing.T) {
	t.Run("a minted token tells everything", func(t *testing.T) {
		token, err := Mint([]byte(secret), Claims{
			Sub: "d1", Role: dispatch.RoleDriver, Issuer: "me", Markets: []dispatch.MarketID{"sf"},
			VehicleClasses: []string{"xl"}, MaxCapacity: 2,
		}, time.Hour, now)
		if err != nil {
			t.Fatal(err)
		}
		got, refused := keys(t).Verify(token, now)
		if refused != nil {
			t.Fatal(refused)
		}
		want := Principal{
			Actor:   dispatch.Actor{Role: dispatch.RoleDriver, Sub: "d1", Markets: []dispatch.MarketID{"sf"}},
			Expires: now.Add(time.Hour), VehicleClasses: []string{"xl"}, MaxCapacity: 2,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	})
	t.Run("a day and the leeway are the bounds", func(t *testing.T) {
		token, err := Mint([]byte(secret), Claims{Sub: "r1", Role: dispatch.RoleRider}, DefaultMaxTTL, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			at    time.Duration
			taken bool
		}{
			{-Leeway, true},
			{-Leeway - time.Second, false},
			{DefaultMaxTTL + Leeway - time.Second, true},
			{DefaultMaxTTL + Leeway + time.Second, false},
		} {
			if _, refused := keys(t).Verify(token, now.Add(c.at)); (refused == nil) != c.taken {
				t.Errorf("%v after minting for 24 h: %v", c.at, refused)
			}
		}
		if _, refused := keys(t).WithMaxTTL(time.Hour).Verify(token, now); refused == nil {
			t.Error("a shorter bound was not kept")
		}
	})
}

// TestKeys_Verify_refusals: whatever is wrong with a token is unauthenticated, with a word of what.
func TestKeys_Verify_refusals(t *testing.T) {
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"sub": "r1", "role": "rider", "aud": "hexfleet", "exp": now.Add(time.Hour).Unix()}
	}
	with := func(name string, value any) string {
		c := good()
		c[name] = value
		if value == nil {
			delete(c, name)
		}
		return sign(t, jwt.SigningMethodHS256, c, []byte(secret))
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, refused := keys(t).Verify(with("iss", "anyone"), now); refused != nil {
		t.Fatalf("the good token: %v", refused)
	}
	for name, c := range map[string]struct{ token, detail string }{
		"no token":                   {"", "malformed"},
		"three words":                {"a.b.c", "malformed"},
		"another key":                {sign(t, jwt.SigningMethodHS256, good(), []byte(strings.Repeat("x", 32))), "signature"},
		"unsigned":                   {sign(t, jwt.SigningMethodNone, good(), jwt.UnsafeAllowNoneSignatureType), "signature"},
		"another HMAC":               {sign(t, jwt.SigningMethodHS512, good(), []byte(secret)), "signature"},
		"RS256":                      {sign(t, jwt.SigningMethodRS256, good(), private), "signature"},
		"expired":                    {with("exp", now.Add(-Leeway-time.Second).Unix()), "expired"},
		"no exp":                     {with("exp", nil), "exp"},
		"exp beyond a day":           {with("exp", now.Add(25*time.Hour).Unix()), "24h"},
		"exp beyond time":            {with("exp", 1e300), ""},
		"not yet":                    {with("nbf", now.Add(time.Hour).Unix()), "not valid yet"},
		"no aud":                     {with("aud", nil), "aud"},
		"another aud":                {with("aud", "other"), "aud"},
		"no role":                    {with("role", nil), "role"},
		"the engine's role":          {with("role", "engine"), "role"},
		"case variant of a role":     {with("role", "Rider"), "role"},
		"role as a list":             {with("role", []string{"rider"}), "malformed"},
		"no sub":                     {with("sub", nil), "sub"},
		"sub with a blank":           {with("sub", "a b"), "sub"},
		"sub of 65":                  {with("sub", strings.Repeat("a", 65)), "sub"},
		"markets of nothing":         {with("markets", []string{}), "markets"},
		"markets as text":            {with("markets", "sf"), "malformed"},
		"a market that is no id":     {with("markets", []string{"s f"}), "markets"},
		"vehicle classes of nothing": {with("vehicle_classes", []string{}), "vehicle_classes"},
		"a class that is no id":      {with("vehicle_classes", []string{""}), "vehicle_classes"},
		"capacity 0":                 {with("max_capacity", 0), "max_capacity"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			p, refused := keys(t).Verify(c.token, now)
			if refused == nil {
				t.Fatalf("taken as %+v", p)
			}
			if refused.Code != dispatch.CodeUnauthenticated || !strings.Contains(refused.Detail, c.detail) {
				t.Errorf("got %s %q, want unauthenticated with %q", refused.Code, refused.Detail, c.detail)
			}
			if strings.Contains(refused.Detail, secret) {
				t.Error("the detail tells the secret")
			}
		})
	}
}

func sign(t *testing.T, method jwt.SigningMethod, c jwt.Claims, key any) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestMint(t *testing.T) {
	for name, c := range map[string]struct {
		claims Claims
		ttl    time.Duration
	}{
		"no_role":   {Claims{Sub: "a"}, time.Hour},
		"no_sub":    {Claims{Role: dispatch.RoleRider}, time.Hour},
		"no_life":   {Claims{Sub: "a", Role: dispatch.RoleRider}, 0},
		"no_market": {Claims{Sub: "a", Role: dispatch.RoleRider, Markets: []dispatch.MarketID{""}}, time.Hour},
	} {
		t.Run(name+"_is_refused", func(t *testing.T) {
			if token, err := Mint([]byte(secret), c.claims, c.ttl, now); err == nil {
				t.Errorf("got %s", token)
			}
		})
	}
}

// FuzzVerify: no text makes the verification panic or passes unsigned.
func FuzzVerify(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	k, err := NewHMAC([]byte(secret))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if p, refused := k.Verify(token, now); refused == nil {
			t.Fatalf("%q passed as %+v", token, p)
		}
	})
}
