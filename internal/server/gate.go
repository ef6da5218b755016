package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// gatePath is where gates are, each under its name. What follows the name is ignored,
// because some proxies append the path of the request that they ask about.
const gatePath = "/auth/"

// metadataPath is where the metadata of protected resources is, under the names of their
// gates.
const metadataPath = "/.well-known/oauth-protected-resource/"

// gate answers a proxy whether a request can pass. It makes a verification of each question,
// which it passes to Engine.Serve, and translates the result to a status and headers.
type gate struct {
	latchkey.Gate
	header   string // canonical
	ask      latchkey.VerifyKeyRequest
	metadata string // the parameter of WWW-Authenticate that announces the resource, or ""
	document []byte // the metadata of the resource; nil for none
	once     *onceTable
	figures  *figures
}

var (
	gateNames   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)
	gateAPIs    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	headerNames = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

// CheckGates returns what is wrong with the configuration of gates.
func CheckGates(e *engine.Engine, gates map[string]latchkey.Gate) error {
	const most = 100
	if len(gates) > most {
		return fmt.Errorf("there are more than %d gates", most)
	}
	for name, g := range gates {
		if !gateNames.MatchString(name) {
			return fmt.Errorf("gate %q: a name must have 1 to 64 of a-z, 0-9 and - between them", name)
		}
		if err := checkGate(e, g); err != nil {
			return fmt.Errorf("gate %q: %w", name, err)
		}
	}
	return nil
}

func checkGate(e *engine.Engine, g latchkey.Gate) error {
	switch {
	case !gateAPIs.MatchString(g.API):
		return errors.New("api must be the id of an API, such as api_1a2b3c")
	case g.Header != "" && !headerNames.MatchString(g.Header):
		return errors.New("header must be the name of a header, such as X-API-Key")
	case g.OKStatus != 0 && g.OKStatus != http.StatusOK && g.OKStatus != http.StatusNoContent:
		return errors.New("okStatus must be 200 or 204")
	case g.RequestID != "" && !headerNames.MatchString(g.RequestID):
		return errors.New("requestId must be the name of a header, such as Latchkey-Request-Id")
	}
	if g.Resource != nil {
		if _, err := g.Resource.MetadataURL(); err != nil {
			return fmt.Errorf("resource: %w", err)
		}
	}
	err := e.CheckVerification(verificationOf(g))
	var refused *latchkey.Error
	switch {
	case !errors.As(err, &refused):
		return err
	case len(refused.Faults) > 0:
		return errors.New(refused.Faults[0].Message)
	}
	return errors.New(refused.Detail)
}

// verificationOf is what a gate asks about every key.
func verificationOf(g latchkey.Gate) latchkey.VerifyKeyRequest {
	r := latchkey.VerifyKeyRequest{Permissions: g.Permissions, Ratelimits: g.Ratelimits}
	if !g.Cost.IsZero() {
		r.Credits = &latchkey.VerifyKeyCredits{Cost: g.Cost}
	}
	return r
}

// openGates adds the gates, which must be valid.
func (s *server) openGates(configured map[string]latchkey.Gate) {
	s.gates = map[string]http.HandlerFunc{}
	for name, about := range configured {
		g := &gate{
			Gate: about, ask: verificationOf(about), figures: s.metrics.of("gate." + name),
			header: http.CanonicalHeaderKey(about.Header),
		}
		if about.RequestID != "" {
			g.once = newOnceTable()
		}
		if about.Resource != nil {
			url, err := about.Resource.MetadataURL()
			document, failed := json.Marshal(about.Resource)
			if err := errors.Join(err, failed); err != nil {
				panic(err) // CheckGates returns it first
			}
			g.metadata, g.document = `resource_metadata="`+url+`"`, document
			s.handle(s.mux, http.MethodGet, metadataPath+name, g.describe)
		}
		s.gates[name] = s.handler(func(x *exchange) { g.serve(x, name) })
	}
}

// gateAt returns the handler of the gate at a path, or nil. A path has only one spelling, at
// least until the name ends.
func (s *server) gateAt(path string) http.HandlerFunc {
	rest, ok := strings.CutPrefix(path, gatePath)
	if !ok {
		return nil
	}
	name, _, _ := strings.Cut(rest, "/")
	return s.gates[name]
}

// describe sends the metadata of the resource. Scripts of other origins can read it.
func (g *gate) describe(x *exchange) {
	x.w.Header()["Access-Control-Allow-Origin"] = []string{"*"}
	x.send(http.StatusOK, plainJSON, g.document)
}

// serve answers a question.
func (g *gate) serve(x *exchange, name string) {
	x.figures = g.figures
	x.r.URL.Path = gatePath + name // for the log: the rest can be of another service
	key, ok := g.key(x.r.Header)
	if !ok {
		g.send(x, &verdict{status: http.StatusUnauthorized, detail: "The request has no API key."})
		return
	}
	if id := g.requestID(x.r.Header); id != "" {
		g.send(x, g.once.do(id, key, func() *verdict {
			return g.judge(context.WithoutCancel(x.r.Context()), x, key)
		}))
		return
	}
	g.send(x, g.judge(x.r.Context(), x, key))
}

// key returns the key of a request. One with several has none: a proxy could pass another
// one on.
func (g *gate) key(h http.Header) (string, bool) {
	if g.header != "" {
		values := h[g.header]
		if len(values) != 1 || values[0] == "" {
			return "", false
		}
		return values[0], true
	}
	values := h["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsFunc(token, invisible) {
		return "", false
	}
	return token, true
}

func invisible(c rune) bool { return c <= ' ' || c == 0x7f }

// requestID returns the id that the proxy has given to its request, or "".
func (g *gate) requestID(h http.Header) string {
	const longest = 128
	if g.once == nil {
		return ""
	}
	values := h[http.CanonicalHeaderKey(g.RequestID)]
	if len(values) != 1 || len(values[0]) > longest {
		return ""
	}
	return values[0]
}

// judge verifies a key.
func (g *gate) judge(ctx context.Context, x *exchange, key string) *verdict {
	r := g.ask
	r.Key = key
	op, _ := engine.Lookup("keys.verifyKey")
	call := &engine.Call{
		Caller: engine.Caller{Request: x.request()}, Gate: g.API, Value: &r,
	}
	call.IdempotencyKey = "" // it is for the protected service
	response, err := x.Engine.Serve(ctx, op, call)
	if err != nil {
		return failedVerdict(err)
	}
	v, ok := response.Data.(latchkey.Verification)
	if !ok {
		return failedVerdict(fmt.Errorf("keys.verifyKey returned a %T", response.Data))
	}
	return verdictOf(&v)
}

// identityHeaders are the headers that every response has.
var identityHeaders = [...]string{
	"Latchkey-Status", "Latchkey-Key-Id", "Latchkey-External-Id", "Latchkey-Permissions",
	"Latchkey-Credits",
}

// send sends a verdict. All headers about the key are always set, to nothing if there is
// nothing to say, so that a proxy that copies them replaces what the client has sent.
func (g *gate) send(x *exchange, d *verdict) {
	h := x.w.Header()
	values := []string{
		strconv.Itoa(d.status), d.keyID, d.externalID, d.permissions, d.credits,
	}
	for i, name := range identityHeaders {
		h[name] = values[i : i+1 : i+1]
	}
	maps.Copy(h, d.limits)
	if d.status == http.StatusNoContent {
		x.status = cmp.Or(g.OKStatus, http.StatusNoContent)
		h["Cache-Control"] = noStore
		x.w.WriteHeader(x.status)
		return
	}
	if d.status == http.StatusUnauthorized {
		h["Www-Authenticate"] = []string{g.challenge(d.invalid)}
	}
	x.cause = d.cause
	status := d.status
	if g.Fold && (status == http.StatusPaymentRequired || status == http.StatusTooManyRequests) {
		status = http.StatusForbidden
	}
	x.send(status, problemJSON, d.body())
}

// challenge returns the value of WWW-Authenticate, of RFC 6750 and RFC 9728.
func (g *gate) challenge(invalid bool) string {
	var parameters []string
	if invalid {
		parameters = append(parameters, `error="invalid_token"`)
	}
	if g.metadata != "" {
		parameters = append(parameters, g.metadata)
	}
	if len(parameters) == 0 {
		return "Bearer"
	}
	return "Bearer " + strings.Join(parameters, ", ")
}
