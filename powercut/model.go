package powercut

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// credits is what each key begins with, far more than a trial spends.
const credits = 1_000_000

// model is what the service has acknowledged.
type model struct {
	rootKey string // as printed at first start, "" before
	apiID   string
	workers [8]worker
}

// worker calls the service on keys of its own, one call after the other, so that
// at most its last call has an outcome that it does not know.
type worker struct {
	keys []*key
}

// key is what a worker knows of a key.
type key struct {
	id, secret string
	before     state  // as acknowledged
	after      *state // as the call under way would leave it, nil if there is none
}

// state is what changes about a key.
type state struct {
	deleted, disabled bool
	name              string
	spent             int64
}

// prepare makes what all keys need. A trial that begins on an empty disk does it
// first, one that goes on finds it done.
func (m *model) prepare(ctx context.Context, s *service) error {
	if m.apiID != "" {
		return nil
	}
	api, err := s.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "power"})
	m.apiID = api.APIID
	return err
}

// work calls the service from all workers until it is gone. It returns an error if
// the service rejects a call.
func (m *model) work(ctx context.Context, s *service, seed uint64) error {
	var wg sync.WaitGroup
	rejected := make([]error, len(m.workers))
	for i := range m.workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			var err error
			for err == nil {
				err = m.workers[i].step(ctx, s, m.apiID, r)
			}
			if errors.As(err, new(*latchkey.Error)) {
				rejected[i] = err
			}
		})
	}
	wg.Wait()
	return errors.Join(rejected...)
}

// step makes one call. It returns an error where the outcome is unknown.
func (w *worker) step(ctx context.Context, s *service, apiID string, r *rand.Rand) error {
	alive := slices.DeleteFunc(slices.Clone(w.keys), func(k *key) bool { return k.before.deleted })
	if len(alive) < 3 || r.IntN(8) == 0 {
		return w.create(ctx, s, apiID)
	}
	k := alive[r.IntN(len(alive))]
	next := k.before
	var call func() error
	switch n := r.IntN(10); {
	case n < 6 && !k.before.disabled:
		next.spent++
		call = func() error {
			return verified(s.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: k.secret}))
		}
	case n < 9:
		next.disabled, next.name = !k.before.disabled, fmt.Sprint("name ", r.IntN(1000))
		call = func() error {
			return s.Keys.Update(ctx, latchkey.UpdateKeyRequest{
				KeyID: k.id, Enabled: latchkey.Set(!next.disabled), Name: latchkey.Set(next.name),
			})
		}
	default:
		next.deleted = true
		call = func() error { return s.Keys.Delete(ctx, latchkey.DeleteKeyRequest{KeyID: k.id}) }
	}
	k.after = &next
	if err := call(); err != nil {
		return err
	}
	k.before, k.after = next, nil
	return nil
}

func verified(v latchkey.Verification, err error) error {
	if err == nil && !v.Valid {
		return fmt.Errorf("a verification that must pass answers %s", v.Code)
	}
	return err
}

// create makes a key of several rows, which exist together or not at all.
func (w *worker) create(ctx context.Context, s *service, apiID string) error {
	made, err := s.Keys.Create(ctx, latchkey.CreateKeyRequest{
		APIID: apiID, Credits: &latchkey.Credits{Remaining: latchkey.Set[int64](credits)},
		Permissions: []string{"documents.read", "documents.write"},
		Ratelimits: []latchkey.RatelimitRequest{
			{
				Name: "requests", Limit: credits, Duration: latchkey.Per(time.Minute),
				AutoApply: latchkey.Set(true),
			},
			{
				Name: "tokens", Limit: credits, Duration: latchkey.Per(time.Hour),
				AutoApply: latchkey.Set(false),
			},
		},
	})
	if err == nil {
		w.keys = append(w.keys, &key{id: made.KeyID, secret: made.Key})
	}
	return err
}

// broken is a promise that did not hold.
type broken struct{ text string }

func (b broken) Error() string { return b.text }

func breach(format string, args ...any) error { return broken{fmt.Sprintf(format, args...)} }

// audit compares what the service answers after a cut with the model, and takes
// over what became of the calls that were under way.
func (m *model) audit(ctx context.Context, s *service) error {
	for i := range m.workers {
		for _, k := range m.workers[i].keys {
			if err := k.audit(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *key) audit(ctx context.Context, s *service) error {
	got, err := k.read(ctx, s)
	if err != nil {
		return err
	}
	switch {
	case got == k.before:
	case k.after != nil && got == *k.after:
	default:
		return breach("key %s is %+v after the cut; acknowledged was %+v, under way %+v", k.id,
			got, k.before, k.after)
	}
	k.before, k.after = got, nil
	return k.verify(ctx, s)
}

// read returns the state of the key as the service tells it.
func (k *key) read(ctx context.Context, s *service) (state, error) {
	got, err := s.Keys.Get(ctx, latchkey.GetKeyRequest{KeyID: k.id})
	if errors.Is(err, latchkey.ErrNotFound) {
		gone := k.before // nothing else can be read of a deleted key
		gone.deleted = true
		return gone, nil
	}
	if err != nil {
		return state{}, err
	}
	if len(got.Permissions) != 2 || len(got.Ratelimits) != 2 || got.Credits == nil {
		return state{}, breach("key %s came back in part: %+v", k.id, got)
	}
	return state{
		disabled: !got.Enabled, name: got.Name, spent: credits - got.Credits.Remaining.Or(0),
	}, nil
}

// verify asks the service about the secret; a revoked key must not pass.
func (k *key) verify(ctx context.Context, s *service) error {
	v, err := s.Keys.Verify(ctx, latchkey.VerifyKeyRequest{
		Key: k.secret, Credits: &latchkey.VerifyKeyCredits{Cost: latchkey.Int(0)},
	})
	if err != nil {
		return err
	}
	want := latchkey.Valid
	switch {
	case k.before.deleted:
		want = latchkey.NotFound
	case k.before.disabled:
		want = latchkey.Disabled
	}
	if v.Code != want {
		return breach("key %s verifies as %s after the cut, which must be %s", k.id, v.Code, want)
	}
	return nil
}
