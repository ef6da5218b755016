package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkeyhq/latchkey"
)

// rich is a key with something of everything that an answer can show.
var rich = latchkey.CreateKeyRequest{
	Name: "a key", ExternalID: "user_1", Meta: `{"plan":"pro"}`, Permissions: []string{
		"docs.read", "docs.write",
	}, Roles: []string{"editor"},
	Credits: &latchkey.Credits{
		Remaining: latchkey.Int(1000), Refill: &latchkey.Refill{Interval: latchkey.Daily, Amount: 1000},
	},
	Ratelimits: []latchkey.RatelimitRequest{
		{
			Name: "requests", Limit: 1000, Duration: latchkey.Per(time.Hour), AutoApply: latchkey.Set(false),
		},
	},
}

// client returns another client of the service.
func client(t *testing.T, s *Service, rootKey string) *latchkey.Client {
	t.Helper()
	c, err := latchkey.New(latchkey.Config{Transport: s, RootKey: rootKey})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClientIsTheOperator(t *testing.T) {
	dir := newDir(t)
	s := open(t, quiet(dir))
	if _, err := s.Client.Workspaces.Create(t.Context(), latchkey.CreateWorkspaceRequest{
		Name: "another",
	}); err != nil {
		t.Errorf("first start: %v", err)
	}
	closed(t, s)

	s = open(t, quiet(dir))
	if _, err := s.Client.Workspaces.List(t.Context(), latchkey.ListWorkspacesRequest{}); err != nil {
		t.Errorf("second start: %v", err)
	}
	closed(t, s)

	rootKey := readFile(t, dir, RootKeyFile)
	for what, text := range map[string]string{"missing": "", "no root key": "not\na root key"} {
		file := filepath.Join(dir, RootKeyFile)
		if err := errors.Join(os.Remove(file), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		s = open(t, quiet(dir))
		if _, err := s.Client.APIs.List(t.Context(), latchkey.ListAPIsRequest{}); err == nil {
			t.Errorf("%s: no error", what)
		}
		s.Client.SetRootKey(rootKey[:len(rootKey)-1])
		if _, err := s.Client.APIs.List(t.Context(), latchkey.ListAPIsRequest{}); err != nil {
			t.Errorf("%s, then set: %v", what, err)
		}
		closed(t, s)
	}
}

// TestRootKeysMayDoWhatTheyMay: a client in process is bound to its root key as
// any other, and from the moment that it changes.
func TestRootKeysMayDoWhatTheyMay(t *testing.T) {
	s := open(t, quiet(newDir(t)))
	defer closed(t, s)
	ctx := t.Context()
	made, err := s.Client.RootKeys.Create(ctx, latchkey.CreateRootKeyRequest{
		Permissions: []string{"api.*.read_api"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, s, made.Key)
	if _, err := c.APIs.List(ctx, latchkey.ListAPIsRequest{}); err != nil {
		t.Errorf("what it may: %v", err)
	}
	if _, err := c.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "an api"}); !errors.Is(
		err, latchkey.ErrForbidden,
	) {
		t.Errorf("what it may not: %v", err)
	}
	if err := s.Client.RootKeys.Delete(ctx, latchkey.DeleteRootKeyRequest{
		RootKeyID: made.RootKeyID,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.APIs.List(ctx, latchkey.ListAPIsRequest{}); !errors.Is(
		err, latchkey.ErrUnauthorized,
	) {
		t.Errorf("once it is deleted: %v", err)
	}
	if _, err := c.Liveness(ctx); err != nil {
		t.Errorf("what anybody may: %v", err)
	}
}

// TestRequestsOfAWorkspaceAreLimitedInProcessToo: a workspace can't get around
// its limit through another door.
func TestRequestsOfAWorkspaceAreLimitedInProcessToo(t *testing.T) {
	s := open(t, quiet(newDir(t)))
	defer closed(t, s)
	ctx := t.Context()
	workspace, err := s.Client.Workspaces.Create(ctx, latchkey.CreateWorkspaceRequest{
		Name: "small", RequestsPerMinute: latchkey.Int(0),
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.Client.RootKeys.Create(ctx, latchkey.CreateRootKeyRequest{
		WorkspaceID: workspace.WorkspaceID, Permissions: []string{"api.*.read_api"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, s, made.Key).APIs.List(
		ctx, latchkey.ListAPIsRequest{}, latchkey.WithRetry(latchkey.NoRetry),
	); !errors.Is(err, latchkey.ErrRateLimited) {
		t.Errorf("got %v", err)
	}
}

func TestCallsAreNamedAndRepeatedOnce(t *testing.T) {
	s := open(t, quiet(newDir(t)))
	defer closed(t, s)
	ctx := t.Context()
	var info latchkey.ResponseInfo
	create := func(name string) (latchkey.CreatedAPI, error) {
		return s.Client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: name},
			latchkey.WithIdempotencyKey("once"), latchkey.WithResponse(&info),
			latchkey.WithHeader("User-Agent", "tests/1"),
			latchkey.WithHeader("X-Forwarded-For", "192.0.2.1, 198.51.100.7"))
	}
	first, err := create("an api")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := create("an api"); err != nil || again != first {
		t.Errorf("again: %v, %v, want %v", again, err, first)
	}
	if _, err := create("another"); !errors.Is(err, latchkey.ErrConflict) {
		t.Errorf("another request: %v", err)
	}
	logs, err := s.Client.AuditLogs.List(ctx, latchkey.ListAuditLogsRequest{Event: "api.create"})
	if err != nil || len(logs.Data) != 1 {
		t.Fatalf("%d records, %v", len(logs.Data), err)
	}
	if log := logs.Data[0]; log.RemoteIP != "198.51.100.7" || log.UserAgent != "tests/1" ||
		info.RequestID == "" {
		t.Errorf("the record is %+v, the request %q", log, info.RequestID)
	}
}

// TestAddressesAreTakenFromTheHeader: a key that works from some addresses only
// works from them in process too, and from nowhere if none is given.
func TestAddressesAreTakenFromTheHeader(t *testing.T) {
	s, key := serviceWithKey(t, latchkey.CreateKeyRequest{})
	ctx := t.Context()
	apis, err := s.Client.APIs.List(ctx, latchkey.ListAPIsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Client.APIs.Update(ctx, latchkey.UpdateAPIRequest{
		APIID: apis.Data[0].ID, IPWhitelist: latchkey.Set([]string{"198.51.100.0/24"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]latchkey.Code{
		"": latchkey.Forbidden, "192.0.2.1": latchkey.Forbidden, "198.51.100.7": latchkey.Valid,
		"192.0.2.1, 192.0.2.2,198.51.100.7 ": latchkey.Valid,
		"198.51.100.7, 192.0.2.1":            latchkey.Forbidden,
		"198.51.100.7:4711":                  latchkey.Valid,
		"198.51.100.7, unknown":              latchkey.Forbidden,
	} {
		v, err := s.Client.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key},
			latchkey.WithHeader("X-Forwarded-For", header))
		if err != nil || v.Code != want {
			t.Errorf("%q: %s, %v, want %s", header, v.Code, err, want)
		}
	}
}

// TestAnswersBelongToWhoAsked overwrites everything an answer leads to, and
// then asks again: nobody sees it. Requests stay as they were.
func TestAnswersBelongToWhoAsked(t *testing.T) {
	s := open(t, quiet(newDir(t)))
	defer closed(t, s)
	ctx, c := t.Context(), s.Client
	api, err := c.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "an api"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Permissions.CreateRole(ctx, latchkey.CreateRoleRequest{
		Name: "editor", Permissions: []string{"docs.edit"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Identities.Create(ctx, latchkey.CreateIdentityRequest{
		ExternalID: "user_1", Ratelimits: []latchkey.RatelimitRequest{
			{Name: "shared", Limit: 9, Duration: latchkey.Per(time.Hour), AutoApply: latchkey.Set(false)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	request := rich
	request.APIID = api.APIID
	key, err := c.Keys.Create(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	free := &latchkey.VerifyKeyCredits{Cost: latchkey.Int(0)} // so that all verifications are alike
	asked := latchkey.VerifyKeyRequest{
		Key: key.Key, Credits: free, Tags: []string{"z", "a"},
		Ratelimits: []latchkey.VerifyKeyRatelimit{{Name: "requests", Cost: latchkey.Int(0)}},
	}
	for name, ask := range map[string]func() (any, error){
		"keys.verifyKey": func() (any, error) { return c.Keys.Verify(ctx, asked) },
		"keys.getKey": func() (any, error) {
			return c.Keys.Get(ctx, latchkey.GetKeyRequest{KeyID: key.KeyID})
		},
		"keys.whoami": func() (any, error) {
			return c.Keys.Whoami(ctx, latchkey.WhoamiRequest{Key: key.Key})
		},
		"apis.listKeys": func() (any, error) {
			return c.APIs.ListKeys(ctx, latchkey.ListKeysRequest{APIID: api.APIID})
		},
		"apis.listApis": func() (any, error) {
			return c.APIs.List(ctx, latchkey.ListAPIsRequest{})
		},
		"identities.getIdentity": func() (any, error) {
			return c.Identities.Get(ctx, latchkey.GetIdentityRequest{Identity: "user_1"})
		},
		"identities.listIdentities": func() (any, error) {
			return c.Identities.List(ctx, latchkey.ListIdentitiesRequest{})
		},
		"permissions.getRole": func() (any, error) {
			return c.Permissions.GetRole(ctx, latchkey.GetRoleRequest{Role: "editor"})
		},
		"permissions.listRoles": func() (any, error) {
			return c.Permissions.ListRoles(ctx, latchkey.ListRolesRequest{})
		},
		"permissions.listPermissions": func() (any, error) {
			return c.Permissions.List(ctx, latchkey.ListPermissionsRequest{})
		},
		"rootKeys.listRootKeys": func() (any, error) {
			return c.RootKeys.List(ctx, latchkey.ListRootKeysRequest{})
		},
		"auditLogs.listAuditLogs": func() (any, error) {
			return c.AuditLogs.List(ctx, latchkey.ListAuditLogsRequest{})
		},
		"keys.setPermissions": func() (any, error) {
			return c.Keys.SetPermissions(ctx, latchkey.SetPermissionsRequest{
				KeyID: key.KeyID, Permissions: request.Permissions,
			})
		},
		"keys.setRoles": func() (any, error) {
			return c.Keys.SetRoles(ctx, latchkey.SetRolesRequest{KeyID: key.KeyID, Roles: request.Roles})
		},
	} {
		first, err := ask()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := asJSON(t, first)
		box := reflect.New(reflect.TypeOf(first))
		box.Elem().Set(reflect.ValueOf(first))
		scribble(box.Elem())
		if asJSON(t, box.Interface()) == want {
			t.Fatalf("%s: nothing was overwritten", name)
		}
		second, err := ask()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, asJSON(t, second)); diff != "" {
			t.Errorf("%s: -first +second\n%s", name, diff)
		}
	}
	if free.Cost != latchkey.Int(0) || asked.Tags[0] != "z" || request.Permissions[0] != "docs.read" {
		t.Error("a request was changed")
	}
}

// scribble overwrites all strings and numbers that a value leads to.
func scribble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			scribble(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			scribble(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				scribble(v.Field(i))
			}
		}
	case reflect.String:
		if v.Type() == reflect.TypeFor[latchkey.Meta]() {
			v.SetString(`{"scribbled":true}`)
		} else {
			v.SetString("scribbled")
		}
	case reflect.Int64, reflect.Int:
		v.SetInt(-1)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// heldRequest is a request that keeps its call inside the service until release
// is closed.
type heldRequest struct{ inside, release chan struct{} }

func (r heldRequest) MarshalJSON() ([]byte, error) {
	close(r.inside)
	<-r.release
	return []byte(`{"name":"another api"}`), nil
}

// TestCloseAnswersWhoIsInside closes a service under load: it waits for a call that
// is inside, each call is answered or refused as unavailable, and none panics or is
// refused for another reason.
func TestCloseAnswersWhoIsInside(t *testing.T) {
	s := open(t, quiet(newDir(t)))
	ctx := t.Context()
	calls := []func() error{
		func() error { _, err := s.Client.APIs.List(ctx, latchkey.ListAPIsRequest{}); return err },
		func() error {
			_, err := s.Client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "an api"})
			return err
		},
		func() error { _, err := s.Client.Ratelimits.Limit(ctx, oneIdentifier); return err },
	}
	var group sync.WaitGroup
	for _, call := range calls {
		group.Go(func() {
			err := call()
			for err == nil {
				err = call()
			}
			if !errors.Is(err, latchkey.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	held := heldRequest{make(chan struct{}), make(chan struct{})}
	group.Go(func() {
		if _, _, err := s.Client.Call(ctx, "apis.createApi", held); err != nil {
			t.Errorf("the call that was inside: %v", err)
		}
	})
	<-held.inside
	closing := make(chan error, 1)
	go func() { closing <- s.Close(context.Background()) }()
	select {
	case err := <-closing:
		t.Errorf("closed with a call inside: %v", err)
		closing <- err
	case <-time.After(50 * time.Millisecond):
	}
	close(held.release)
	group.Wait()
	if err := <-closing; err != nil {
		t.Error(err)
	}
	var refused *latchkey.Error
	if _, err := s.Client.Liveness(ctx); !errors.As(err, &refused) ||
		refused.Status != http.StatusServiceUnavailable || refused.RequestID == "" {
		t.Errorf("after that: %v", err)
	}
}

func TestCanceledCallsSayThatTheyWere(t *testing.T) {
	s, key := serviceWithKey(t, latchkey.CreateKeyRequest{
		Credits: &latchkey.Credits{Remaining: latchkey.Int(10)},
	})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Client.Keys.Verify(canceled, latchkey.VerifyKeyRequest{
		Key: key,
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-late.Done()
	if _, err := s.Client.Keys.Verify(late, latchkey.VerifyKeyRequest{Key: key}); !errors.Is(
		err, context.DeadlineExceeded,
	) {
		t.Errorf("past its deadline: %v", err)
	}
	if v, err := s.Client.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key}); err != nil ||
		v.Credits.Or(-1) != 8 {
		t.Errorf("credits are %d, %v", v.Credits.Or(-1), err)
	}
}

// TestLateCancellationIsFoundInTheError: the engine's own words for a caller
// that has gone are replaced by the context's.
func TestLateCancellationIsFoundInTheError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := &latchkey.Attempt{Operation: "keys.verifyKey"}
	for status, gone := range map[int]bool{
		499: true, http.StatusRequestTimeout: true, http.StatusNotFound: false,
	} {
		err := named(ctx, a, &latchkey.Error{Status: status}, "req_1")
		var refused *latchkey.Error
		if errors.Is(err, context.Canceled) != gone || errors.As(err, &refused) == gone {
			t.Errorf("%d: %v", status, err)
		}
	}
}
