package vault

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A master key, and a data key and value that an earlier version wrapped and
// sealed: data at rest outlives the program that wrote it.
const (
	fixedMaster  = "lkm_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
	fixedWrapped = "AV/jTQz0OhvROvJTcrnm2t/xS/9xonLck+BUSnc7X5zLm4d3QHNs2OKw7igc8T2HVMopfGJN" +
		"iyYb3AvpuVJwyOzB7d+9"
	fixedSealed = "Ad6W0PXgQXxER+ktPo3IJhjhNv494RZ5K5GWEEmVUa4rclo7du1YzdSpZxYnHQ=="
)

func TestStoredValuesStayReadable(t *testing.T) {
	got, err := open(t, fixedMaster).Unseal(decode(t, fixedWrapped), decode(t, fixedSealed),
		"ws_1", "key_1")
	if err != nil || string(got) != "a recoverable key" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestUnsealReturnsWhatWasSealed(t *testing.T) {
	v := open(t, NewMaster())
	wrapped := newDataKey(t, v)
	rapid.Check(t, func(t *rapid.T) {
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		context := rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "context")
		before := slices.Clone(plaintext)
		sealed, err := v.Seal(wrapped, plaintext, context...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Unseal(wrapped, sealed, context...)
		if err != nil || !bytes.Equal(got, before) || !bytes.Equal(plaintext, before) {
			t.Fatalf("sealed %q, got %q, %v", before, got, err)
		}
	})
}

func TestSealingTwiceLooksDifferent(t *testing.T) {
	v := open(t, NewMaster())
	wrapped := newDataKey(t, v)
	if bytes.Equal(seal(t, v, wrapped, "x"), seal(t, v, wrapped, "x")) ||
		bytes.Equal(wrapped, newDataKey(t, v)) {
		t.Error("the sealed forms show that two values are equal")
	}
}

func TestSealedValueStaysInItsRow(t *testing.T) {
	v := open(t, NewMaster())
	wrapped := newDataKey(t, v)
	contexts := [][]string{
		nil, {""}, {"", ""}, {"ws"}, {"ws", "key"}, {"key", "ws"}, {"wskey"}, {"wsk", "ey"},
		{"ws", "key", ""},
		{"ws\x00\x00\x00\x00\x00\x00\x00\x03key"},
	}
	for i, from := range contexts {
		sealed := seal(t, v, wrapped, "secret", from...)
		for j, to := range contexts {
			got, err := v.Unseal(wrapped, sealed, to...)
			if i == j && err != nil || i != j && !rejected(got, err, ErrCorrupt) {
				t.Errorf("sealed for %q, opened for %q: %q, %v", from, to, got, err)
			}
		}
	}
}

func TestSealedValueNeedsItsDataKey(t *testing.T) {
	v := open(t, NewMaster())
	sealed := seal(t, v, newDataKey(t, v), "secret")
	if got, err := v.Unseal(newDataKey(t, v), sealed); !rejected(got, err, ErrCorrupt) {
		t.Errorf("another data key opens it: %q, %v", got, err)
	}
}

func TestAnyFlippedBitIsDetected(t *testing.T) {
	v := open(t, NewMaster())
	wrapped := newDataKey(t, v)
	sealed := seal(t, v, wrapped, "secret", "row")
	for i := range 8 * len(sealed) {
		got, err := v.Unseal(wrapped, flipped(sealed, i), "row")
		if !rejected(got, err, ErrCorrupt) {
			t.Errorf("bit %d of the value: %q, %v", i, got, err)
		}
	}
	for i := range 8 * len(wrapped) {
		want := ErrCorrupt
		if 8 <= i && i < 8*headSize {
			want = ErrUnknownMaster
		}
		bad := flipped(wrapped, i)
		if got, err := v.Unseal(bad, sealed, "row"); !rejected(got, err, want) {
			t.Errorf("bit %d of the data key: %q, %v", i, got, err)
		}
		if got, err := v.Seal(bad, nil); !rejected(got, err, want) {
			t.Errorf("bit %d of the data key: sealed %q, %v", i, got, err)
		}
		if got, changed, err := v.Rewrap(bad); changed || !rejected(got, err, want) {
			t.Errorf("bit %d of the data key: rewrapped %q, %v", i, got, err)
		}
	}
}

func TestAnyOtherLengthIsRejected(t *testing.T) {
	v := open(t, NewMaster())
	wrapped := newDataKey(t, v)
	for _, plaintext := range []string{"", "secret"} {
		sealed := seal(t, v, wrapped, plaintext)
		for n := range len(sealed) {
			if got, err := v.Unseal(wrapped, sealed[:n]); !rejected(got, err, ErrCorrupt) {
				t.Errorf("%d of %d bytes: %q, %v", n, len(sealed), got, err)
			}
		}
		if got, err := v.Unseal(wrapped, append(sealed, 0)); !rejected(got, err, ErrCorrupt) {
			t.Errorf("a byte more: %q, %v", got, err)
		}
	}
	for n := range len(wrapped) {
		if got, _, err := v.Rewrap(wrapped[:n]); !rejected(got, err, ErrCorrupt) {
			t.Errorf("%d of %d bytes of the data key: %q, %v", n, len(wrapped), got, err)
		}
	}
	if got, _, err := v.Rewrap(append(wrapped, 0)); !rejected(got, err, ErrCorrupt) {
		t.Errorf("a byte more of the data key: %q, %v", got, err)
	}
}

func TestRotation(t *testing.T) {
	first, second := NewMaster(), NewMaster()
	before, during, after := open(t, first), open(t, second+","+first), open(t, second)
	wrapped := newDataKey(t, before)
	sealed := seal(t, before, wrapped, "secret", "row")

	rewrapped, changed, err := during.Rewrap(wrapped)
	if err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	again, changed, err := during.Rewrap(rewrapped)
	if err != nil || changed || !bytes.Equal(again, rewrapped) {
		t.Errorf("rewrapping again: changed %v, %v", changed, err)
	}
	for _, c := range []struct {
		v       *Vault
		wrapped []byte
	}{{during, wrapped}, {during, rewrapped}, {after, rewrapped}} {
		if got, err := c.v.Unseal(c.wrapped, sealed, "row"); string(got) != "secret" {
			t.Errorf("%v: %q, %v", c.v, got, err)
		}
	}
	if _, err := after.Seal(newDataKey(t, during), nil); err != nil {
		t.Errorf("a data key created during rotation is lost after it: %v", err)
	}
	if got, err := after.Unseal(wrapped, sealed, "row"); !rejected(got, err, ErrUnknownMaster) {
		t.Errorf("the dropped master key still opens: %q, %v", got, err)
	}
}

func TestWrongMasterIsUnknown(t *testing.T) {
	v, other := open(t, NewMaster()), open(t, NewMaster())
	wrapped := newDataKey(t, v)
	_, sealErr := other.Seal(wrapped, nil)
	_, unsealErr := other.Unseal(wrapped, seal(t, v, wrapped, "secret"))
	_, _, rewrapErr := other.Rewrap(wrapped)
	_, zeroErr := new(Vault).NewDataKey()
	for _, err := range []error{sealErr, unsealErr, rewrapErr, zeroErr} {
		if !errors.Is(err, ErrUnknownMaster) {
			t.Errorf("got %v", err)
		}
	}
	if want := "vault: unknown master key " + v.current.String(); sealErr.Error() != want {
		t.Errorf("got %v, want %s", sealErr, want)
	}
}

func FuzzUnseal(f *testing.F) {
	v := open(f, fixedMaster)
	wrapped, sealed := decode(f, fixedWrapped), decode(f, fixedSealed)
	f.Add(wrapped, sealed, "ws_1", "key_1")
	f.Add(wrapped, sealed[:29], "", "")
	f.Add(wrapped[:9], sealed, "ws_1", "key_2")
	f.Add([]byte{}, []byte{version}, "", "")
	f.Fuzz(func(t *testing.T, w, s []byte, workspace, key string) {
		got, err := v.Unseal(w, s, workspace, key)
		if bytes.Equal(w, wrapped) && bytes.Equal(s, sealed) && workspace == "ws_1" &&
			key == "key_1" {
			if string(got) != "a recoverable key" {
				t.Fatalf("the genuine value is rejected: %v", err)
			}
		} else if !rejected(got, err, ErrCorrupt) && !rejected(got, err, ErrUnknownMaster) {
			t.Fatalf("garbage opens: %q, %v", got, err)
		}
	})
}

func rejected(got []byte, err, want error) bool { return got == nil && errors.Is(err, want) }

func flipped(b []byte, bit int) []byte {
	b = slices.Clone(b)
	b[bit/8] ^= 1 << (bit % 8)
	return b
}

func decode(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newDataKey(t testing.TB, v *Vault) []byte {
	t.Helper()
	wrapped, err := v.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func seal(t testing.TB, v *Vault, wrapped []byte, plaintext string, context ...string) []byte {
	t.Helper()
	sealed, err := v.Seal(wrapped, []byte(plaintext), context...)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}
