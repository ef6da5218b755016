package engine

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// BenchmarkVerify measures a verification in process, without transport: the
// engine's own cost.
func BenchmarkVerify(b *testing.B) {
	for _, c := range []struct {
		name    string
		key     latchkey.CreateKeyRequest
		request latchkey.VerifyKeyRequest
	}{
		{name: "plain"},
		{name: "limit", key: latchkey.CreateKeyRequest{Ratelimits: []latchkey.RatelimitRequest{
			{
				Name: "requests", Limit: 1 << 60, Duration: latchkey.Per(time.Hour),
				AutoApply: latchkey.Set(true),
			},
		}}},
		{name: "credits", key: latchkey.CreateKeyRequest{Credits: limitedTo(1 << 60)}},
		{name: "roles", key: latchkey.CreateKeyRequest{
			Roles: []string{"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"},
		},
			request: latchkey.VerifyKeyRequest{
				Permissions: "docs.5.write AND (docs.9.read OR admin)",
			}},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b)
			for i := range c.key.Roles {
				must[latchkey.CreatedRole](w, w.who, "permissions.createRole",
					latchkey.CreateRoleRequest{
						Name: fmt.Sprintf("r%d", i),
						Permissions: []string{
							fmt.Sprintf("docs.%d.read", i), fmt.Sprintf("docs.%d.write", i),
						},
					})
			}
			c.request.Key = w.newKey(c.key).Key
			verify := func(who Caller) {
				v, err := w.VerifyKey(b.Context(), who, &c.request)
				if err != nil || !v.Valid {
					b.Errorf("%v %v", v.Code, err)
				}
			}
			who := w.who.calling("keys.verifyKey")
			verify(who)
			b.ReportAllocs()
			b.ResetTimer()
			if c.name == "credits" { // durable: many callers share a commit
				b.SetParallelism(32)
			}
			var lane atomic.Uint32
			b.RunParallel(func(pb *testing.PB) {
				who := who
				who.Lane = lane.Add(1)
				for pb.Next() {
					verify(who)
				}
			})
		})
	}
}
