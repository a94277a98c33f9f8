package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// maxAnswer bounds what is read of an answer: a full page of events is far below it.
const maxAnswer = 8 << 20

// maxPage is the most items a list gives at once, by the contract.
const maxPage = 500

// API reads from the server over REST, with the token of a service.
type API struct {
	// URL is http(s)://host:port.
	URL   string
	Token func() (string, error)
	HTTP  *http.Client
}

// errNotFound is the answer 404.
var errNotFound = errors.New("not found")

// refusedError is an answer that no repeat will mend.
type refusedError struct {
	status int
	detail string
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("server answered %d: %s", e.status, e.detail)
}

// Markets lists the server's markets.
func (a *API) Markets(ctx context.Context) ([]wire.Market, error) {
	var list wire.List[wire.Market]
	err := a.get(ctx, "/v1/markets?limit="+strconv.Itoa(maxPage), &list)
	if err != nil {
		return nil, fmt.Errorf("read markets: %w", err)
	}
	return list.Items, nil
}

// Market reads one market, with the market clock.
func (a *API) Market(ctx context.Context, id wire.ID) (wire.Market, error) {
	var m wire.Market
	if err := a.get(ctx, "/v1/markets/"+url.PathEscape(string(id)), &m); err != nil {
		return m, fmt.Errorf("read market %s: %w", id, err)
	}
	return m, nil
}

// events reads the whole history of an order; none when the server does not know it.
func (a *API) events(ctx context.Context, id wire.ID) ([]wire.Event, error) {
	var all []wire.Event
	path := "/v1/orders/" + url.PathEscape(string(id)) + "/events?limit=" + strconv.Itoa(maxPage)
	for cursor := ""; ; {
		var page wire.List[wire.Event]
		err := a.get(ctx, path+cursor, &page)
		if errors.Is(err, errNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the history of order %s: %w", id, err)
		}
		all = append(all, page.Items...)
		if page.NextCursor == nil {
			return all, nil
		}
		cursor = "&cursor=" + url.QueryEscape(*page.NextCursor)
	}
}

func (a *API) get(ctx context.Context, path string, into any) error {
	token, err := a.Token()
	if err != nil {
		return fmt.Errorf("get token: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(a.URL, "/")+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := a.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return errNotFound
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		return &refusedError{resp.StatusCode, problem(body)}
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("server answered %d: %s", resp.StatusCode, problem(body))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// problem is the sentence of a problem answer.
func problem(body []byte) string {
	var p wire.Problem
	if json.Unmarshal(body, &p) == nil && p.Code != "" {
		return p.Code + ": " + p.Detail
	}
	return "no problem+json"
}

// pause waits for d of wall time; false when ctx ended first.
func pause(ctx context.Context, clock Clock, d time.Duration) bool {
	fire, stop := clock.After(clock.Now().Add(d))
	defer stop()
	select {
	case <-fire:
		return true
	case <-ctx.Done():
		return false
	}
}
