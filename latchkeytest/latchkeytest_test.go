package latchkeytest_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/latchkeytest"
	"github.com/latchkeyhq/latchkey/protect"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What protects routes takes a client's keys and a Static alike.
var (
	_ protect.Verifier = latchkey.Keys{}
	_ protect.Verifier = latchkeytest.Static{}
)

func verify(t *testing.T, s *latchkeytest.Service, key string) latchkey.Verification {
	t.Helper()
	v, err := s.Client.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEachTestHasAServiceOfItsOwn(t *testing.T) {
	a, b := latchkeytest.New(t), latchkeytest.New(t)
	key := a.NewKey(latchkey.CreateKeyRequest{})
	if v := verify(t, a, key.Key); v.Code != latchkey.Valid {
		t.Errorf("where it was made it is %s", v.Code)
	}
	if v := verify(t, b, key.Key); v.Code != latchkey.NotFound {
		t.Errorf("elsewhere it is %s", v.Code)
	}
}

func TestServiceIsOneWhicheverWayItIsAsked(t *testing.T) {
	s := latchkeytest.New(t)
	key := s.NewKey(latchkey.CreateKeyRequest{})
	overHTTP, err := latchkey.New(latchkey.Config{BaseURL: s.URL, RootKey: s.RootKey})
	if err != nil {
		t.Fatal(err)
	}
	inProcess, err := latchkey.New(latchkey.Config{Transport: s.Transport, RootKey: s.RootKey})
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]*latchkey.Client{"over HTTP": overHTTP, "in process": inProcess} {
		if v, err := c.Keys.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key.Key}); err != nil ||
			!v.Valid {
			t.Errorf("%s: %s, %v", what, v.Code, err)
		}
	}
	r := httptest.NewRequest("POST", "/v2/keys.verifyKey", strings.NewReader(`{"key":"`+key.Key+`"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.RootKey)
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `"valid":true`) {
		t.Errorf("the handler: %s", w.Body)
	}
}

func TestServiceEndsWithItsTest(t *testing.T) {
	var s *latchkeytest.Service
	t.Run("inner", func(t *testing.T) { s = latchkeytest.New(t) })
	if _, err := s.Client.Liveness(t.Context()); !errors.Is(err, latchkey.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestKeysWithoutAnAPIShareOne(t *testing.T) {
	s := latchkeytest.New(t)
	s.NewKey(latchkey.CreateKeyRequest{})
	s.NewKey(latchkey.CreateKeyRequest{})
	other := s.NewAPI(latchkey.CreateAPIRequest{Name: "other"})
	s.NewKey(latchkey.CreateKeyRequest{APIID: other})
	apis, err := s.Client.APIs.List(t.Context(), latchkey.ListAPIsRequest{})
	if err != nil || len(apis.Data) != 2 {
		t.Errorf("%d APIs, %v", len(apis.Data), err)
	}
}

// failing is a test that notes how it ended.
type failing struct {
	testing.TB
	text string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, _ ...any) { f.text = format; panic(f) }

func TestWhatCannotBeMadeEndsTheTest(t *testing.T) {
	for what, try := range map[string]func(*latchkeytest.Service){
		"key": func(s *latchkeytest.Service) {
			s.NewKey(latchkey.CreateKeyRequest{Roles: []string{"nobody has made it"}})
		},
		"API": func(s *latchkeytest.Service) { s.NewAPI(latchkey.CreateAPIRequest{}) },
	} {
		f := &failing{TB: t}
		func() {
			defer func() { _ = recover() }()
			try(latchkeytest.New(f))
		}()
		if f.text == "" {
			t.Errorf("%s: the test went on", what)
		}
	}
}

// TestTimePassesOnlyWhenMoved: expiry, refills and windows all follow the clock.
func TestTimePassesOnlyWhenMoved(t *testing.T) {
	s := latchkeytest.New(t)
	day := 24 * time.Hour
	if now := s.Clock.Now(); !now.Equal(now.Truncate(day)) || !now.Equal(s.Clock.Now()) {
		t.Errorf("the clock is at %v", now)
	}
	key := s.NewKey(latchkey.CreateKeyRequest{
		Expires: latchkey.At(s.Clock.Now().Add(3 * day)),
		Credits: &latchkey.Credits{
			Remaining: latchkey.Int(2), Refill: &latchkey.Refill{Interval: latchkey.Daily, Amount: 2},
		},
		Ratelimits: []latchkey.RatelimitRequest{
			{Name: "requests", Limit: 1, Duration: latchkey.Per(time.Minute), AutoApply: latchkey.Set(true)},
		},
	})
	for _, step := range []struct {
		advance time.Duration
		want    latchkey.Code
	}{
		{0, latchkey.Valid},
		{0, latchkey.RateLimited},
		{2 * time.Minute, latchkey.Valid},
		{2 * time.Minute, latchkey.UsageExceeded},
		{day, latchkey.Valid},
		{2 * day, latchkey.Expired},
		{-2 * day, latchkey.RateLimited}, // back in the minute of the last valid one
	} {
		s.Clock.Advance(step.advance)
		if v := verify(t, s, key.Key); v.Code != step.want {
			t.Errorf("after %v: %s, want %s", step.advance, v.Code, step.want)
		}
	}
	s.Clock.Set(s.Clock.Now().Add(10 * day))
	if v := verify(t, s, key.Key); v.Code != latchkey.Expired {
		t.Errorf("in the end: %s", v.Code)
	}
}

func TestStaticCompletesItsAnswers(t *testing.T) {
	static := latchkeytest.Static{
		"good": {Valid: true}, "bad": {}, "limited": {Code: latchkey.RateLimited},
	}
	for key, want := range map[string]latchkey.Code{
		"good": latchkey.Valid, "bad": latchkey.NotFound, "limited": latchkey.RateLimited,
		"unknown": latchkey.NotFound,
	} {
		v, err := static.Verify(t.Context(), latchkey.VerifyKeyRequest{Key: key}, latchkey.WithTimeout(1))
		if err != nil || v.Code != want || v.Valid != (want == latchkey.Valid) {
			t.Errorf("%s: %+v, %v", key, v, err)
		}
	}
}
