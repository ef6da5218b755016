package server

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
)

//go:embed openapi.json
var openAPI []byte

//go:embed reference.html
var reference []byte

//go:embed llms.txt
var overview []byte

// openAPIAsYAML is the description of the API in YAML.
var openAPIAsYAML = sync.OnceValue(func() []byte { return toYAML(openAPI) })

// openAPI serves the description of the API for programs.
func (x *exchange) openAPI() { x.send(http.StatusOK, plainJSON, openAPI) }

// openAPIYAML serves the same description in YAML.
func (x *exchange) openAPIYAML() {
	x.send(http.StatusOK, []string{"application/yaml"}, openAPIAsYAML())
}

// overview serves a short description of the API for language models.
func (x *exchange) overview() {
	x.send(http.StatusOK, []string{"text/plain; charset=utf-8"}, overview)
}

// reference serves the description of the API for people.
func (x *exchange) reference() {
	x.w.Header()["Content-Security-Policy"] = []string{referencePolicy()}
	x.send(http.StatusOK, []string{"text/html; charset=utf-8"}, reference)
}

// referencePolicy is what the reference page can do: run its own script with its own
// style, and read from this server. No other page can show it in a frame.
var referencePolicy = sync.OnceValue(func() string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src " + hashOf(reference, "script"),
		"style-src " + hashOf(reference, "style"),
		"connect-src 'self'",
		"img-src data:",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
})

// hashOf returns the hash of the one element of that name in a page, as a source of a
// content security policy.
func hashOf(page []byte, element string) string {
	_, rest, _ := bytes.Cut(page, []byte("<"+element+">"))
	content, _, _ := bytes.Cut(rest, []byte("</"+element+">"))
	sum := sha256.Sum256(content)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
