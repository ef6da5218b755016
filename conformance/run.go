package conformance

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// runner runs one section.
type runner struct {
	Target
	t       *testing.T
	vars    map[string]any
	token   string      // the root key to send, or empty for none
	session string      // the access token of a portal session to send, or empty for none
	next    http.Header // headers of the next request only
	last    *response   // the last response
}

// response is the response to one request.
type response struct {
	status int
	header http.Header
	text   string
}

// String returns the status and the body, truncated if it is long.
func (res *response) String() string {
	return fmt.Sprintf("response: %d %s", res.status, shorten(res.text))
}

// run runs the section in its own workspace.
func (s *Section) run(t *testing.T, target Target) {
	r := &runner{Target: target, t: t, next: http.Header{}, vars: map[string]any{
		"operator": target.Operator, "all": latchkey.AllPermissions(),
		"unique": "u" + strings.ToLower(rand.Text()[:12]),
	}}
	maps.Copy(r.vars, s.vars)
	if err := r.workspace("workspace", "root"); err != nil {
		t.Fatal(err)
	}
	r.token = r.vars["root"].(string)
	if err := r.runSteps(s.steps); err != nil {
		t.Fatal(err)
	}
}

func (r *runner) runSteps(steps []*step) error {
	for _, step := range steps {
		if err := r.step(step); err != nil {
			return fmt.Errorf("%s: %s %s\n%w", step.at, step.word, shorten(step.rest), err)
		}
	}
	return nil
}

// step executes one statement.
func (r *runner) step(s *step) error {
	switch s.word {
	case "as":
		return r.as(s)
	case "with":
		return r.with(s)
	case "set":
		return r.set(s)
	case "wait":
		return r.wait(s)
	case "header":
		return r.header(s)
	}
	return r.request(s)
}

// prepare runs implicit statements of a section as the operator.
func (r *runner) prepare(text string) error {
	sections, err := parse("preparation", "== success: preparation\nas operator\n"+text)
	if err != nil {
		return err
	}
	return r.runSteps(sections[0].steps)
}

// workspace creates a workspace for the duration of the test and a root key with every permission,
// and defines the names id and root for them.
func (r *runner) workspace(id, root string) error {
	err := r.prepare(`POST workspaces.createWorkspace {"name": "conformance $unique"}
200 {"data": {"workspaceId": "?` + id + `"}}
POST rootKeys.createRootKey {"workspaceId": "$` + id + `", "permissions": $all}
200 {"data": {"rootKeyId": "?", "key": "?` + root + `"}}`)
	if err == nil {
		created := r.vars[id]
		r.t.Cleanup(func() {
			r.vars["created"] = created
			// the section may have deleted it already
			_ = r.prepare(`POST workspaces.deleteWorkspace {"workspaceId": "$created"}`)
		})
	}
	return err
}

func (r *runner) as(s *step) error {
	who, rest, _ := strings.Cut(s.rest, " ")
	var err error
	r.session = ""
	switch who {
	case "session":
		r.token = ""
		r.session, err = r.expand(rest)
	case "operator", "root":
		r.token = r.vars[who].(string)
	case "nobody":
		r.token = ""
	case "key":
		r.token, err = r.expand(rest)
	case "stranger":
		if r.vars[who] == nil {
			err = r.workspace("elsewhere", who)
		}
		r.token, _ = r.vars[who].(string)
	case "holding":
		permissions := strings.Fields(strings.TrimPrefix(rest, "nothing"))
		err = r.prepare(`POST rootKeys.createRootKey {"workspaceId": "$workspace",
  "permissions": [` + quoted(permissions) + `]}
200 {"data": {"rootKeyId": "?", "key": "?holder"}}`)
		r.token, _ = r.vars["holder"].(string)
	default:
		err = fmt.Errorf("%q is not a sender", who)
	}
	return err
}

func quoted(words []string) string {
	var list []string
	for _, w := range words {
		list = append(list, strconv.Quote(w))
	}
	return strings.Join(list, ", ")
}

// request sends a request once or in parallel, and checks the responses.
func (r *runner) request(s *step) error {
	times, method, rest := 1, s.word, s.rest
	if method == "parallel" {
		m := parallelLine.FindStringSubmatch(rest)
		times, _ = strconv.Atoi(m[1])
		method, rest = m[2], m[3]
	}
	header := r.headers()
	responses, errs := make([]*response, times), make([]error, times)
	var group sync.WaitGroup
	for i := range times {
		r.vars["i"] = json.Number(strconv.Itoa(i))
		text, err := r.expand(rest)
		if err != nil {
			return err
		}
		path, body, _ := strings.Cut(text, " ")
		group.Go(func() { responses[i], errs[i] = r.send(method, path, header.Clone(), body) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return r.checkResponses(s.outcomes, responses)
}

// headers returns the headers of the next request and resets those that apply only to it.
func (r *runner) headers() http.Header {
	header := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}
	if r.token != "" {
		header.Set("Authorization", "Bearer "+r.token)
	}
	if r.session != "" {
		header.Set("Cookie", latchkey.PortalSessionCookie+"="+r.session)
	}
	for name, values := range r.next {
		if header[name] = values; values[0] == "" {
			delete(header, name)
		}
	}
	r.next = http.Header{}
	return header
}

// send sends one request and reads the response.
func (r *runner) send(method, path string, header http.Header, body string) (*response, error) {
	if !strings.HasPrefix(path, "/") {
		path = "/v2/" + path
	}
	req, err := http.NewRequest(method, r.BaseURL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	res, err := r.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return &response{res.StatusCode, res.Header, string(text)}, err
}

func (r *runner) with(s *step) error {
	name, value, ok := strings.Cut(s.rest, ":")
	if !ok {
		return errors.New("want NAME: VALUE")
	}
	value, err := r.expand(strings.TrimSpace(value))
	r.next[http.CanonicalHeaderKey(name)] = []string{value}
	return err
}

func (r *runner) header(s *step) error {
	name, value, _ := strings.Cut(s.rest, " ")
	if r.last == nil {
		return errors.New("there is no response yet")
	}
	if r.NoQuota && strings.HasPrefix(name, "RateLimit-") {
		return nil
	}
	if err := r.match(value, r.last.header.Get(name), "header "+name); err != nil {
		return fmt.Errorf("%w\n%s", err, r.last)
	}
	return nil
}

func (r *runner) set(s *step) error {
	name, value, _ := strings.Cut(s.rest, " ")
	text, err := r.expand(value)
	if err != nil {
		return err
	}
	var decoded any
	err = decode(text, &decoded)
	r.vars[name] = decoded
	return err
}

func (r *runner) wait(s *step) error {
	ms, err := strconv.Atoi(s.rest)
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return err
}
