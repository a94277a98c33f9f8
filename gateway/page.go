package gateway

import (
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/board"
)

// contentPolicy lets the page load what this server sends and nothing else: no other host, no inline script.
// MapLibre's worker may come as a blob, its styles and small pictures inline.
const contentPolicy = "default-src 'self'; worker-src 'self' blob:; connect-src 'self' ws: wss:; " +
	"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; base-uri 'none'; frame-ancestors 'none'"

// boardPage serves the live board's files. Immutable.
type boardPage struct {
	index  []byte
	assets map[string][]byte // by name; a name has a hash of the content
}

// newBoardPage reads the built page, which is part of the program.
func newBoardPage() (*boardPage, error) {
	files := board.Files()
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		return nil, fmt.Errorf("read the board's page: %w", err)
	}
	p := &boardPage{index: index, assets: map[string][]byte{}}
	names, err := fs.Glob(files, "assets/*")
	if err != nil {
		return nil, fmt.Errorf("list the board's assets: %w", err)
	}
	for _, name := range names {
		if p.assets[path.Base(name)], err = fs.ReadFile(files, name); err != nil {
			return nil, fmt.Errorf("read the board's assets: %w", err)
		}
	}
	return p, nil
}

// endpoints are the page and its assets; any other path stays an unknown route.
func (p *boardPage) endpoints() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "/{$}", raw: http.HandlerFunc(p.serveIndex)},
		{method: http.MethodGet, path: "/assets/{name}", raw: http.HandlerFunc(p.serveAsset)},
	}
}

// serveIndex tells the page; the assets it names change with each build, so it is asked for anew.
func (p *boardPage) serveIndex(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Security-Policy", contentPolicy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	writeFile(w, "text/html; charset=utf-8", "no-cache", p.index)
}

func (p *boardPage) serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	data, known := p.assets[name]
	if !known {
		writeProblem(w, dispatch.Errorf(dispatch.CodeNotFound, "", "there is no such route"), 0)
		return
	}
	w.Header().Set("Content-Security-Policy", contentPolicy) // a worker is bound by its own
	writeFile(w, assetType(name), "public, max-age=31536000, immutable", data)
}

// assetType names the types itself: what the system knows differs, and browsers refuse a module of another.
func assetType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	}
	return "application/octet-stream"
}

func writeFile(w http.ResponseWriter, kind, cache string, data []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.Header().Set("Cache-Control", cache)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(data) // a client that has gone cannot be told
}
