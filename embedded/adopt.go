package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// Adopt says from where keys that are unknown here are adopted.
type Adopt struct {
	// URL is that of Unkey, of another Latchkey, or of a service of yours that answers
	// POST /v2/keys.whoami as they do.
	URL string
	// RootKey is a root key of that service with the permission api.<apiId>.read_key for the one
	// API there whose keys are adopted: it decides which are. Without the permission, that
	// service says of every key that it doesn't exist.
	RootKey string
	// API is the id of the API here that adopted keys belong to. Verifications with root keys
	// of its workspace adopt.
	API string
}

// adoption returns what the engine needs to adopt keys, or nil.
func (a *Adopt) adoption() (*engine.Adoption, error) {
	if a == nil {
		return nil, nil
	}
	client, err := latchkey.New(latchkey.Config{
		BaseURL: a.URL, RootKey: a.RootKey, Retry: latchkey.NoRetry,
	})
	if err != nil {
		return nil, fmt.Errorf("adopt: %w", err)
	}
	return &engine.Adoption{
		API: a.API,
		Ask: func(ctx context.Context, key string) (*latchkey.Key, error) {
			found, err := client.Keys.Whoami(ctx, latchkey.WhoamiRequest{Key: key})
			var refused *latchkey.Error
			// Any other 404 comes from something that isn't the service.
			if errors.As(err, &refused) && refused.Status == http.StatusNotFound &&
				refused.Code() == "key_not_found" {
				return nil, nil
			}
			if err == nil && found.KeyID == "" {
				err = errors.New("the response has no key")
			}
			if err != nil {
				return nil, fmt.Errorf("the old service: %w", err)
			}
			return &found, nil
		},
	}, nil
}
