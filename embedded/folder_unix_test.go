//go:build unix

package embedded

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestFolderThatCannotBeWrittenIsNamed(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // who can write everywhere
		becomeNobody(t)
	}
	_, err := Open(t.Context(), quiet(dir))
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v", err)
	}
}

// becomeNobody has the process act as an account without rights until the test is
// over, so no other test can run meanwhile.
func becomeNobody(t *testing.T) {
	t.Helper()
	const unchanged, nobody = -1, 65534
	if err := syscall.Setreuid(unchanged, nobody); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setreuid(unchanged, 0); err != nil {
			t.Fatal(err)
		}
	})
}
