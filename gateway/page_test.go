package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// get asks for a path of the page, without a token.
func get(t *testing.T, h *httptest.Server, method, path string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got, string(body)
}

func TestServer_page(t *testing.T) {
	h := restServer(t, &restPorts{})
	index, html := get(t, h, http.MethodGet, "/")
	t.Run("the_page_is_asked_for_anew_and_bound_to_this_host", func(t *testing.T) {
		if index.StatusCode != http.StatusOK || !strings.Contains(html, "<title>hexfleet board</title>") {
			t.Fatalf("got %d: %s", index.StatusCode, html)
		}
		if got := index.Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("Cache-Control: got %q", got)
		}
		policy := index.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'self'", "worker-src 'self' blob:", "connect-src 'self' ws: wss:"} {
			if !strings.Contains(policy, want) {
				t.Errorf("policy %q lacks %q", policy, want)
			}
		}
	})
	t.Run("what_it_names_is_there_and_kept", func(t *testing.T) {
		named := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(html, -1)
		if len(named) < 2 {
			t.Fatalf("the page names %d files", len(named))
		}
		for _, m := range named {
			got, body := get(t, h, http.MethodGet, m[1])
			if got.StatusCode != http.StatusOK || body == "" {
				t.Errorf("%s: got %d, %d bytes", m[1], got.StatusCode, len(body))
			}
			if cache := got.Header.Get("Cache-Control"); !strings.Contains(cache, "immutable") {
				t.Errorf("%s: Cache-Control: got %q", m[1], cache)
			}
			if strings.HasSuffix(m[1], ".js") && !strings.HasPrefix(got.Header.Get("Content-Type"), "text/javascript") {
				t.Errorf("%s: Content-Type: got %q", m[1], got.Header.Get("Content-Type"))
			}
		}
	})
	t.Run("no_script_stands_in_it", func(t *testing.T) {
		if regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(html) {
			t.Errorf("the policy forbids inline scripts: %s", html)
		}
	})
	t.Run("other_paths_stay_unknown", func(t *testing.T) {
		for _, path := range []string{"/assets/", "/assets/none.js", "/index.html", "/nowhere", "/assets/../index.html"} {
			got, body := get(t, h, http.MethodGet, path)
			if got.StatusCode == http.StatusOK {
				t.Errorf("%s: got 200", path)
			}
			if got.StatusCode == http.StatusNotFound && got.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: got %q: %s", path, got.Header.Get("Content-Type"), body)
			}
		}
	})
	t.Run("it_is_read_only", func(t *testing.T) {
		if got, _ := get(t, h, http.MethodPost, "/"); got.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST: got %d", got.StatusCode)
		}
	})
}
