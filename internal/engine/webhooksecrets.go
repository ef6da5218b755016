package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/latchkeyhq/latchkey/internal/store"
	"github.com/latchkeyhq/latchkey/internal/store/read"
	"github.com/latchkeyhq/latchkey/internal/store/write"
)

// sealWebhook sets the columns with the secrets of a webhook: the current one, and that
// before it.
func (e *Engine) sealWebhook(
	ctx context.Context, c *Change, row *read.Webhook, secrets ...string,
) error {
	return e.sealSecrets(ctx, c.tx, row, strings.Join(secrets, " "))
}

func (e *Engine) sealSecrets(
	ctx context.Context, tx *store.Tx, row *read.Webhook, text string,
) error {
	key, err := e.dataKeyFor(ctx, tx, webhookSecrets)
	if err != nil {
		return err
	}
	row.DataKey = key.id
	row.Secrets, err = e.vault.Seal(key.wrapped, []byte(text), row.WorkspaceID, row.ID)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	return tx.UseDataKey(ctx, key.id, 1)
}

// webhookSecrets returns the secrets of a webhook that sign messages now, the newest first.
func (e *Engine) webhookSecrets(
	ctx context.Context, tx *store.Tx, row *read.Webhook,
) ([]string, error) {
	wrapped, err := tx.DataKey(ctx, row.DataKey)
	if err != nil {
		return nil, fmt.Errorf("data key of webhook %s: %w", row.ID, err)
	}
	text, err := e.vault.Unseal(wrapped, row.Secrets, row.WorkspaceID, row.ID)
	if err != nil {
		return nil, fmt.Errorf("webhook %s: %w", row.ID, err)
	}
	secrets := strings.Fields(string(text))
	if e.now() >= row.RotatedAt+secretOverlap.Milliseconds() {
		secrets = secrets[:1]
	}
	return secrets, nil
}

// resealWebhooks seals the secrets of webhooks that are under a retired data key under the
// current one. It reports how many of them are damaged, and stay as they are.
func (e *Engine) resealWebhooks(ctx context.Context, under string) (damaged int, err error) {
	const few = 50
	for rows, after := few, ""; rows == few; {
		bad, last := 0, after
		err := e.db.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
			bad, last = 0, after
			all, err := tx.WebhooksUnder(ctx, under, after, few)
			if err != nil {
				return fmt.Errorf("webhooks: %w", err)
			}
			rows = len(all)
			for i := range all {
				last = all[i].ID
				ok, err := e.resealWebhook(ctx, tx, &all[i])
				if err != nil {
					return err
				}
				if !ok {
					bad++
				}
			}
			return nil
		})
		if err != nil {
			return damaged, err
		}
		damaged, after = damaged+bad, last
	}
	return damaged, nil
}

func (e *Engine) resealWebhook(
	ctx context.Context, tx *store.Tx, row *read.Webhook,
) (ok bool, err error) {
	wrapped, err := tx.DataKey(ctx, row.DataKey)
	if err != nil {
		return false, fmt.Errorf("data key: %w", err)
	}
	text, err := e.vault.Unseal(wrapped, row.Secrets, row.WorkspaceID, row.ID)
	if err != nil {
		return false, nil
	}
	if err := e.sealSecrets(ctx, tx, row, string(text)); err != nil {
		return false, err
	}
	return true, tx.SetWebhookSecrets(ctx, write.SetWebhookSecretsParams{
		ID: row.ID, Secrets: row.Secrets, DataKey: row.DataKey, RotatedAt: row.RotatedAt,
	})
}
