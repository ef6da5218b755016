package latchkey_test

import (
	"strings"
	"testing"

	"github.com/latchkeyhq/latchkey"
)

func TestEveryTypingErrorInARootKeyIsFound(t *testing.T) {
	key := latchkey.FormatRootKey("Wu7rNbtMfHV8zBhYqPQ6eXd3K9cTgJ2aL")
	if err := latchkey.CheckRootKey(key); err != nil {
		t.Fatal(err)
	}
	for i := len("latchkey_"); i < len(key); i++ {
		for _, c := range "1aZ9" {
			wrong := key[:i] + string(c) + key[i+1:]
			if wrong != key && latchkey.CheckRootKey(wrong) == nil {
				t.Errorf("%q at %d is not found", c, i)
			}
		}
		if i > len("latchkey_")+1 && key[i] != key[i-1] {
			swapped := key[:i-1] + key[i:i+1] + key[i-1:i] + key[i+1:]
			if latchkey.CheckRootKey(swapped) == nil {
				t.Errorf("the swapped characters at %d are not found", i)
			}
		}
	}
	for _, wrong := range []string{key[:len(key)-1], key + "1", key + key, key[:44]} {
		if latchkey.CheckRootKey(wrong) == nil {
			t.Errorf("%d characters are accepted", len(wrong))
		}
	}
}

func TestRootKeysWithoutAChecksumPass(t *testing.T) {
	for _, key := range []string{
		"", "x", "unkey_3ZcQ8pTnVw1bN6yHk5LxRg2sMf9DjAe7Cu4BtYhGpKqWvXzE", "latchkey", "latchkey_",
		"latchkey_" + strings.Repeat("a", 33), "latchkey_" + strings.Repeat("a", 20),
	} {
		if err := latchkey.CheckRootKey(key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestTheChecksumOfARootKeyNeverChanges(t *testing.T) {
	want := "latchkey_11111111111111111111111111111111z"
	key := latchkey.FormatRootKey("z")
	if key != want+"4RhFHr" { // the CRC-32 of what precedes it
		t.Errorf("%s", key)
	}
}
