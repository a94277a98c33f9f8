package gateway

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
)

// statusOf is the one table from error codes to HTTP statuses. (Another method on a known path is unsupported
// with 405.)
func statusOf(c dispatch.Code) int {
	switch c {
	case dispatch.CodeBadRequest:
		return http.StatusBadRequest
	case dispatch.CodeUnauthenticated:
		return http.StatusUnauthorized
	case dispatch.CodeForbidden:
		return http.StatusForbidden
	case dispatch.CodeNotFound:
		return http.StatusNotFound
	case dispatch.CodeConflict, dispatch.CodeTaken, dispatch.CodeIllegalTransition:
		return http.StatusConflict
	case dispatch.CodeExpired:
		return http.StatusGone
	case dispatch.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case dispatch.CodeUnsupported:
		return http.StatusUnsupportedMediaType
	case dispatch.CodeRateLimited:
		return http.StatusTooManyRequests
	case dispatch.CodeOverloaded, dispatch.CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// writeProblem answers with application/problem+json; status 0 is the code's own. The inner cause of e is
// not told.
func writeProblem(w http.ResponseWriter, e *dispatch.Error, status int) {
	if status == 0 {
		status = statusOf(e.Code)
	}
	h := w.Header()
	told := *e
	switch status {
	case http.StatusUnauthorized:
		if h.Get("WWW-Authenticate") == "" {
			h.Set("WWW-Authenticate", `Bearer realm="hexfleet"`)
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if told.RetryAfter <= 0 {
			told.RetryAfter = time.Second
		}
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(told.RetryAfter.Seconds()))))
	case http.StatusInternalServerError:
		told.Detail, told.Field = internalDetail, ""
	}
	body, err := wire.Encode(wire.ProblemFrom(&told, status, http.StatusText(status)))
	if err != nil { // only a detail that is not UTF-8 could do this
		body = []byte(`{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal"}`)
		status = http.StatusInternalServerError
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone cannot be told
}

// internalDetail is all that a user learns of a defect.
const internalDetail = "something went wrong on our side"
