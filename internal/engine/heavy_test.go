package engine

import (
	"fmt"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

// BenchmarkHeaviestUpdate replaces a thousand permissions of a key by a thousand new ones.
func BenchmarkHeaviestUpdate(b *testing.B) {
	w := newWorld(b)
	key := w.newKey(latchkey.CreateKeyRequest{}).KeyID
	who := w.who.calling("keys.updateKey")
	n := 0
	for b.Loop() {
		slugs := make([]string, 1000)
		for i := range slugs {
			n++
			slugs[i] = fmt.Sprint("slug.", n)
		}
		err := w.UpdateKey(b.Context(), who,
			&latchkey.UpdateKeyRequest{KeyID: key, Permissions: latchkey.Set(slugs)})
		if err != nil {
			b.Fatal(err)
		}
	}
}
