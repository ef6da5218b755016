package powercut

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOnlyWhatWasSyncedSurvives writes files with and without the two syncs
// that a new file needs, and cuts the power.
func TestOnlyWhatWasSyncedSurvives(t *testing.T) {
	dir, disk := t.TempDir(), NewDisk()
	unmount := mounted(t, disk, dir)
	write(t, filepath.Join(dir, "nothing"), false)
	write(t, filepath.Join(dir, "all"), true)
	syncFolder(t, dir)
	write(t, filepath.Join(dir, "data only"), true)
	appendTo(t, filepath.Join(dir, "all"), " and more")
	if err := os.Rename(filepath.Join(dir, "all"), filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	unmount()
	disk.Cut(func() bool { return false })

	defer mounted(t, disk, dir)()
	if got := read(t, filepath.Join(dir, "all")); got != "hello" {
		t.Errorf("a synced file holds %q after the cut", got)
	}
	if got := read(t, filepath.Join(dir, "nothing")); got != "" {
		t.Errorf("data that was never synced is %q after the cut", got)
	}
	for _, name := range []string{"data only", "moved"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !os.IsNotExist(err) {
			t.Errorf("a name that was never synced survived: %s, %v", name, err)
		}
	}
}

// TestEverythingCanSurvive cuts the power of a disk that had written all.
func TestEverythingCanSurvive(t *testing.T) {
	dir, disk := t.TempDir(), NewDisk()
	unmount := mounted(t, disk, dir)
	write(t, filepath.Join(dir, "file"), false)
	if err := os.Rename(filepath.Join(dir, "file"), filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	unmount()
	disk.Cut(func() bool { return true })

	defer mounted(t, disk, dir)()
	if got := read(t, filepath.Join(dir, "moved")); got != "hello" {
		t.Errorf("the file holds %q", got)
	}
}

func mounted(t *testing.T, disk *Disk, dir string) (unmount func()) {
	t.Helper()
	end, err := disk.Mount(dir)
	if err != nil {
		t.Fatalf("mount: %v", err)
	}
	return func() {
		t.Helper()
		if err := end(); err != nil {
			t.Fatalf("unmount: %v", err)
		}
	}
}

func write(t *testing.T, path string, sync bool) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("hello"); err != nil {
		t.Fatal(err)
	}
	if sync {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func syncFolder(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}
