package vault

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func open(t testing.TB, masters string) *Vault {
	t.Helper()
	v, err := New(masters)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMasterKeysAreSeparatedByCommasOrSpace(t *testing.T) {
	a, b := NewMaster(), NewMaster()
	wrappedByB, err := open(t, b).NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		a + "," + b, a + "\n" + b + "\n", " " + a + "\t" + b, a + ",\r\n" + b + ",",
		a + "," + b + "," + a,
	} {
		v := open(t, text)
		if want := open(t, a).current; v.current != want || len(v.masters) != 2 {
			t.Errorf("%v, want current %v of 2", v, want)
		}
		if _, _, err := v.Rewrap(wrappedByB); err != nil {
			t.Errorf("the second master key can't unwrap: %v", err)
		}
	}
}

func TestErrorsDoNotRepeatBadMasterKeys(t *testing.T) {
	good := NewMaster()
	for _, text := range []string{
		"", " ,\n", "lkm_", good[4:], good[:46], good + "A", "LKM_" + good[4:], good + good,
		good + ";" + good,
		good + "," + good[:20], strings.Repeat("B", 47), "lkm_" + strings.Repeat("B", 43),
		"lkm_" + strings.Repeat("+", 43),
	} {
		v, err := New(text)
		if err == nil || v != nil {
			t.Errorf("%q is accepted as a master key", text)
		} else if strings.Contains(err.Error(), good[4:20]) || strings.Contains(
			err.Error(), "BBB",
		) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}

func TestErrorsSayWhichMasterKeyIsBad(t *testing.T) {
	_, err := New(NewMaster() + "\nnonsense\n")
	const want = "vault: master key 2 of 2: want lkm_ and 43 characters of base64url"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestMasterKeysDiffer(t *testing.T) {
	if a, b := NewMaster(), NewMaster(); a == b || open(t, a).current == open(t, b).current {
		t.Error("two new master keys are the same")
	}
}

func TestVaultShowsOnlyIDs(t *testing.T) {
	text := NewMaster()
	v := open(t, text)
	shown := "vault(current " + v.current.String() + " of 1)"
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, v); got != shown {
			t.Errorf("%s prints %s", format, got)
		}
	}
	if got, err := json.Marshal(v); err != nil || string(got) != `"`+shown+`"` {
		t.Errorf("JSON is %s, %v", got, err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("ready", "vault", v)
	if !strings.Contains(log.String(), shown) {
		t.Errorf("the log is %s", &log)
	}
}

func TestNoVerbPrintsKeyMaterial(t *testing.T) {
	text := NewMaster()
	key, err := base64.RawURLEncoding.DecodeString(text[4:])
	if err != nil {
		t.Fatal(err)
	}
	v := open(t, text)
	for _, verb := range "vsqdxXobcUptTeg" {
		for _, flag := range []string{"", "+", "#"} {
			format := "%" + flag + string(verb)
			got := fmt.Sprintf(format+format, v, *v)
			for _, secret := range []any{text[4:], string(key[:8]), key[:8]} {
				for _, form := range []string{fmt.Sprintf(format, secret), fmt.Sprint(secret)} {
					if strings.Contains(got, strings.Trim(form, "[]")) {
						t.Errorf("%s prints %s", format, got)
					}
				}
			}
		}
	}
}

func TestSealForNeedsTheSecretAndTheContext(t *testing.T) {
	v, err := New(NewMaster())
	if err != nil {
		t.Fatal(err)
	}
	wrapped, other := newDataKey(t, v), newDataKey(t, v)
	sealed, err := v.SealFor("secret", wrapped, []byte("text"), "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.UnsealFor("secret", wrapped, sealed, "a", "b")
	if err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	for _, c := range []struct {
		name, secret string
		wrapped      []byte
		context      []string
	}{
		{"another secret", "Secret", wrapped, []string{"a", "b"}},
		{"no secret", "", wrapped, []string{"a", "b"}},
		{"another data key", "secret", other, []string{"a", "b"}},
		{"another context", "secret", wrapped, []string{"ab"}},
	} {
		got, err := v.UnsealFor(c.secret, c.wrapped, sealed, c.context...)
		if !rejected(got, err, ErrCorrupt) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	if got, err := v.Unseal(wrapped, sealed, "a", "b"); !rejected(got, err, ErrCorrupt) {
		t.Errorf("the data key alone: %q, %v", got, err)
	}
}
