// Package assets has the dashboard's style, scripts and licences, embedded: a page loads nothing from elsewhere.
//
// htmx 2.0.11 and idiomorph 0.8.0 are as their packages in the npm registry have them (dist/htmx.min.js, dist/idiomorph-ext.min.js), each
// with its licence beside it. theme.js, app.js, style.css and icon.svg are written by hand.
package assets

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
)

//go:embed *.css *.js *.svg *.txt
var files embed.FS

// versions are beginnings of the hashes of all files, by name.
var versions = hashes()

func hashes() map[string]string {
	byName := map[string]string{}
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // they are in the program
	}
	for _, e := range entries {
		raw, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(raw)
		byName[e.Name()] = hex.EncodeToString(sum[:6])
	}
	return byName
}

// At is the address of a file below /assets/. It changes with the file, which may be kept for ever.
func At(name string) string { return "/assets/" + name + "?v=" + versions[name] }

// ServeHTTP answers a request for /assets/<name>.
func ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	if _, err := fs.Stat(files, name); err != nil {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == versions[name] {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, files, name)
}
