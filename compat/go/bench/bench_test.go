package bench

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/latchkeyhq/latchkey"
	unkey "github.com/unkeyed/sdks/api/go/v2"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// verified is the answer that both clients get: a valid key with what keys
// commonly have.
const verified = `{"meta":{"requestId":"req_000000000"},"data":{"valid":true,"code":"VALID",` +
	`"keyId":"key_000000000","name":"a key","meta":{"plan":"pro"},"enabled":true,` +
	`"permissions":["documents.read","documents.write"],"roles":["editor"],` +
	`"identity":{"id":"id_000000000","externalId":"user_1"},"credits":999}}`

// BenchmarkVerify measures what a client costs its program: one verification
// over loopback, answered by a service that does nothing, through the official
// client and through Latchkey's own.
func BenchmarkVerify(b *testing.B) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, verified)
	}))
	defer service.Close()

	b.Run("official", func(b *testing.B) {
		c := unkey.New(unkey.WithServerURL(service.URL), unkey.WithSecurity("root"))
		b.ReportAllocs()
		for b.Loop() {
			res, err := c.Keys.VerifyKey(b.Context(),
				components.V2KeysVerifyKeyRequestBody{Key: "sk_0000000000000000000000"})
			if err != nil || !res.V2KeysVerifyKeyResponseBody.Data.Valid {
				b.Fatal(err)
			}
		}
	})
	b.Run("latchkey", func(b *testing.B) {
		c, err := latchkey.New(latchkey.Config{BaseURL: service.URL, RootKey: "root"})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			v, err := c.Keys.Verify(b.Context(),
				latchkey.VerifyKeyRequest{Key: "sk_0000000000000000000000"})
			if err != nil || !v.Valid {
				b.Fatal(err)
			}
		}
	})
}
