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

	"github.com/latchkeyhq/latchkey/internal/engine"
)

// player plays one section.
type player struct {
	Target
	t     *testing.T
	vars  map[string]any
	token string      // the root key that is sent, none if empty
	next  http.Header // what the next request alone is sent with
	last  *answer     // what came back last
}

// answer is what came back for one request.
type answer struct {
	status int
	header http.Header
	text   string
}

// String shows the answer as far as a person wants to see it.
func (a *answer) String() string { return fmt.Sprintf("answer: %d %s", a.status, shorten(a.text)) }

// play plays the section in a workspace of its own.
func (s *Section) play(t *testing.T, target Target) {
	p := &player{Target: target, t: t, next: http.Header{}, vars: map[string]any{
		"operator": target.Operator, "all": engine.AllPermissions, "unique": "u" + strings.ToLower(rand.Text()[:12]),
	}}
	maps.Copy(p.vars, s.known)
	if err := p.workspace("workspace", "root"); err != nil {
		t.Fatal(err)
	}
	p.token = p.vars["root"].(string)
	if err := p.run(s.steps); err != nil {
		t.Fatal(err)
	}
}

func (p *player) run(steps []*step) error {
	for _, step := range steps {
		if err := p.step(step); err != nil {
			return fmt.Errorf("%s: %s %s\n%w", step.at, step.word, shorten(step.rest), err)
		}
	}
	return nil
}

// step does what one statement says.
func (p *player) step(s *step) error {
	switch s.word {
	case "as":
		return p.as(s)
	case "with":
		return p.with(s)
	case "set":
		return p.set(s)
	case "wait":
		return p.wait(s)
	case "header":
		return p.header(s)
	}
	return p.request(s)
}

// prepare runs statements that a section takes for granted, as the operator.
func (p *player) prepare(text string) error {
	sections, err := parse("preparation", "== success: preparation\nas operator\n"+text)
	if err != nil {
		return err
	}
	return p.run(sections[0].steps)
}

// workspace makes a workspace that lasts as long as the test, and a root key of
// it that holds every permission, and gives names to both.
func (p *player) workspace(id, root string) error {
	err := p.prepare(`POST workspaces.createWorkspace {"name": "conformance $unique"}
200 {"data": {"workspaceId": "?` + id + `"}}
POST rootKeys.createRootKey {"workspaceId": "$` + id + `", "permissions": $all}
200 {"data": {"rootKeyId": "?", "key": "?` + root + `"}}`)
	if err == nil {
		made := p.vars[id]
		p.t.Cleanup(func() {
			p.vars["made"] = made
			_ = p.prepare(`POST workspaces.deleteWorkspace {"workspaceId": "$made"}`) // the section may have deleted it
		})
	}
	return err
}

func (p *player) as(s *step) error {
	who, rest, _ := strings.Cut(s.rest, " ")
	var err error
	switch who {
	case "operator", "root":
		p.token = p.vars[who].(string)
	case "nobody":
		p.token = ""
	case "key":
		p.token, err = p.expand(rest)
	case "stranger":
		if p.vars[who] == nil {
			err = p.workspace("elsewhere", who)
		}
		p.token, _ = p.vars[who].(string)
	case "holding":
		permissions := strings.Fields(strings.TrimPrefix(rest, "nothing"))
		err = p.prepare(`POST rootKeys.createRootKey {"workspaceId": "$workspace", "permissions": [` + quoted(permissions) + `]}
200 {"data": {"rootKeyId": "?", "key": "?holder"}}`)
		p.token, _ = p.vars["holder"].(string)
	default:
		err = fmt.Errorf("nobody is called %q", who)
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

// request sends a request, perhaps several times, and judges the answers.
func (p *player) request(s *step) error {
	times, method, rest := 1, s.word, s.rest
	if method == "parallel" {
		m := severalTimes.FindStringSubmatch(rest)
		times, _ = strconv.Atoi(m[1])
		method, rest = m[2], m[3]
	}
	header := p.headers()
	answers, errs := make([]*answer, times), make([]error, times)
	var group sync.WaitGroup
	for i := range times {
		p.vars["i"] = json.Number(strconv.Itoa(i))
		text, err := p.expand(rest)
		if err != nil {
			return err
		}
		path, body, _ := strings.Cut(text, " ")
		group.Go(func() { answers[i], errs[i] = p.send(method, path, header.Clone(), body) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return p.judge(s.outcomes, answers)
}

// headers returns the headers of the next request and forgets what was for it alone.
func (p *player) headers() http.Header {
	header := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}
	if p.token != "" {
		header.Set("Authorization", "Bearer "+p.token)
	}
	for name, values := range p.next {
		if header[name] = values; values[0] == "" {
			delete(header, name)
		}
	}
	p.next = http.Header{}
	return header
}

// send sends one request and reads the answer.
func (p *player) send(method, path string, header http.Header, body string) (*answer, error) {
	if !strings.HasPrefix(path, "/") {
		path = "/v2/" + path
	}
	req, err := http.NewRequest(method, p.BaseURL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	res, err := p.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return &answer{res.StatusCode, res.Header, string(text)}, err
}

func (p *player) with(s *step) error {
	name, value, ok := strings.Cut(s.rest, ":")
	if !ok {
		return errors.New("want NAME: VALUE")
	}
	value, err := p.expand(strings.TrimSpace(value))
	p.next[http.CanonicalHeaderKey(name)] = []string{value}
	return err
}

func (p *player) header(s *step) error {
	name, value, _ := strings.Cut(s.rest, " ")
	if p.last == nil {
		return errors.New("there is no answer yet")
	}
	if p.NoQuota && strings.HasPrefix(name, "RateLimit-") {
		return nil
	}
	if err := p.match(value, p.last.header.Get(name), "header "+name); err != nil {
		return fmt.Errorf("%w\n%s", err, p.last)
	}
	return nil
}

func (p *player) set(s *step) error {
	name, value, _ := strings.Cut(s.rest, " ")
	text, err := p.expand(value)
	if err != nil {
		return err
	}
	var decoded any
	err = decode(text, &decoded)
	p.vars[name] = decoded
	return err
}

func (p *player) wait(s *step) error {
	ms, err := strconv.Atoi(s.rest)
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return err
}
