// Package board is the live board: its Svelte sources (src), and the page built of them (dist), which is
// committed and embedded, so that building the program needs no Node. It serves nothing itself: package gateway
// does. It owns no state and imports nothing of ours.
//
// "make board" builds dist anew; "make verify" proves that it is what the sources give.
package board

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files gives the built page: index.html, and assets/ with names that carry a hash of their content.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a valid path
	}
	return files
}
