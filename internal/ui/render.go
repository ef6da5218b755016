package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"html/template"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"
)

//go:embed templates/*.html
var templates embed.FS

// page is what a page has besides its content.
type page struct {
	Title   string
	Section string // the entry of the navigation that the page is below
	Trail   []link // what is above the page, from the top down, without the workspace
	Data    any    // for the template of the page
}

// link is a text that leads somewhere.
type link struct{ Text, Path string }

// frame is what the templates get.
type frame struct {
	page
	ui     *UI
	who    *caller
	Path   string // of this page, to come back to it
	Look   look
	Notice string // what was just done
	Once   string // a value for forms that must be sent once
	Now    time.Time
	Took   time.Duration // of the calls to the service
}

// Can reports whether the root key can call an operation.
func (f *frame) Can(operation string) bool { return f.who != nil && f.who.can[operation] }

// Who is the root key of the session.
func (f *frame) Who() *caller { return f.who }

// Version is that of the program.
func (f *frame) Version() string { return f.ui.Version }

// ReadOnly reports whether the dashboard changes nothing.
func (f *frame) ReadOnly() bool { return f.ui.ReadOnly }

// Navigation is what the root key can see, in groups.
func (f *frame) Navigation() []group { return navigationOf(f) }

// parseTemplates returns the templates of all pages, by name.
func parseTemplates() (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(functions).ParseFS(templates,
		"templates/frame.html", "templates/parts.html", "templates/keyparts.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if strings.HasSuffix(name, "parts") || name == "frame" {
			continue
		}
		own, err := shared.Clone()
		if err == nil {
			own, err = own.ParseFS(templates, file)
		}
		if err != nil {
			return nil, err
		}
		pages[name] = own
	}
	return pages, nil
}

// show shows a page, whose template has the name.
func (v *visit) show(name string, p page) error {
	v.write(http.StatusOK, name, p)
	return nil
}

// refuse shows a form again that was not accepted.
func (v *visit) refuse(name string, p page) error {
	v.write(http.StatusUnprocessableEntity, name, p)
	return nil
}

// write writes a page in the frame.
func (v *visit) write(status int, name string, p page) {
	v.render(v.w, v.r, status, name, "frame", &frame{
		page: p, who: v.who, Took: v.calls.took, Notice: takeNotice(v.w, v.r),
	})
}

// bare writes a page without navigation, for browsers that aren't signed in.
func (u *UI) bare(
	w http.ResponseWriter, r *http.Request, status int, name, title string, data any,
) {
	u.render(w, r, status, name, "bare", &frame{page: page{Title: title, Data: data}})
}

// plain writes a page that only says something.
func (u *UI) plain(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	u.bare(w, r, status, "plain", title, text)
}

// render writes a page around which the template of that name is.
func (u *UI) render(
	w http.ResponseWriter, r *http.Request, status int, name, around string, f *frame,
) {
	f.ui, f.Look, f.Once, f.Now, f.Path = u, lookOf(r), rand.Text(), u.Now(), r.URL.RequestURI()
	if r.Method != http.MethodGet {
		f.Path = "/"
	}
	var out bytes.Buffer
	if err := u.pages[name].ExecuteTemplate(&out, around, f); err != nil {
		u.Log.Error("a page of the dashboard failed", "page", name, "error", err)
		http.Error(w, "This page could not be made. The log of the service has the reason.",
			http.StatusInternalServerError)
		return
	}
	text := []byte(bidi.Replace(out.String()))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	// A page that answers a form can have a secret, whose length compression would show.
	if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		zip := gzip.NewWriter(w)
		_, _ = zip.Write(text) // if it fails, the browser is gone
		_ = zip.Close()
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// The cookies that have no secret: how pages look, and what was just done.
const (
	lookCookie   = "latchkey_look"
	noticeCookie = "latchkey_notice"
)

// look is how pages look.
type look struct {
	Theme string // "light", "dark" or "" for that of the system
	Rows  string // "compact" or ""
}

// lookOf returns the look that a browser asked for.
func lookOf(r *http.Request) (l look) {
	cookie, err := r.Cookie(lookCookie)
	if err != nil {
		return l
	}
	theme, rows, _ := strings.Cut(cookie.Value, ".")
	return look{Theme: oneOf(theme, "light", "dark"), Rows: oneOf(rows, "compact")}
}

// setLook changes how pages look, and goes back to the page.
func (u *UI) setLook(w http.ResponseWriter, r *http.Request) {
	l := lookOf(r)
	if r.PostForm.Has("theme") {
		l.Theme = oneOf(r.PostFormValue("theme"), "light", "dark")
	}
	if r.PostForm.Has("rows") {
		l.Rows = oneOf(r.PostFormValue("rows"), "compact")
	}
	http.SetCookie(w, &http.Cookie{
		Name: lookCookie, Value: l.Theme + "." + l.Rows, Path: "/", MaxAge: 365 * 24 * 60 * 60,
		HttpOnly: true, Secure: isHTTPS(r), SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, localPath(r.PostFormValue("then")), http.StatusSeeOther)
}

// setNotice keeps a text for the next page.
func setNotice(w http.ResponseWriter, r *http.Request, text string) {
	http.SetCookie(w, &http.Cookie{
		Name: noticeCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(clip(text, 400))),
		Path: "/", MaxAge: 60, HttpOnly: true, Secure: isHTTPS(r), SameSite: http.SameSiteLaxMode,
	})
}

// takeNotice returns the text of setNotice, once.
func takeNotice(w http.ResponseWriter, r *http.Request) string {
	cookie, err := r.Cookie(noticeCookie)
	if err != nil {
		return ""
	}
	http.SetCookie(w, &http.Cookie{Name: noticeCookie, Path: "/", MaxAge: -1})
	text, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return ""
	}
	return clip(string(text), 400)
}

// oneOf returns a text if it is one of those that are known, else "".
func oneOf(text string, known ...string) string {
	for _, k := range known {
		if text == k {
			return text
		}
	}
	return ""
}

// localPath returns a path of this server to go to, / if the text is anything else.
func localPath(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil ||
		!strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") ||
		strings.ContainsAny(text, "\\\r\n\t") {
		return "/"
	}
	return text
}

// clip returns a text of at most that many bytes, which ends between two characters.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

// network returns what counts as one address: for IPv6 the first 64 bits.
func network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Is4() {
		return address
	}
	prefix, _ := addr.Prefix(64) // which every IPv6 address has
	return prefix.String()
}
