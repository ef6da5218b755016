package store

import (
	"os"
	"strings"
	"testing"
)

// Any other text is neither taken for a folder nor repeated in the error, because it
// can contain a password.
func TestOnlyURLsAreAccepted(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, where := range []string{
		"", "/u:sesame@h/db", "sesame", `"postgres://u:sesame@h/db"`, " postgres://u:sesame@h/db",
		"'sqlite://sesame'", "jdbc:postgresql://h/db?password=sesame", "mysql://u:sesame@h/db",
		"postgresql+psycopg2://u:sesame@h/db", "postgres:u:sesame@h/db", "sqlite://",
		"host=h user=lk password=sesame dbname=lk",
	} {
		_, opening := Open(t.Context(), where)
		_, copyingFrom := Copy(t.Context(), where, "sqlite://"+t.TempDir(), nil)
		_, asking := MigrationStatus(t.Context(), where)
		for _, err := range []error{opening, copyingFrom, asking} {
			if err == nil || !strings.Contains(err.Error(), "must begin with postgres://") ||
				strings.Contains(err.Error(), "sesame") {
				t.Errorf("%q: error %v", where, err)
			}
		}
	}
	if made, err := os.ReadDir("."); err != nil || len(made) > 0 {
		t.Errorf("%v was created (%v)", made, err)
	}
}

func TestSchemesAreCaseInsensitive(t *testing.T) {
	for where, want := range map[string]bool{
		"postgres://h/n": true, "POSTGRES://h/n": true, "PostgreSQL://h/n": true,
		"sqlite://dir": false, "postgres:h": false, "postgres": false,
	} {
		if got := IsPostgres(where); got != want {
			t.Errorf("%s: %v, want %v", where, got, want)
		}
	}
	if dir, err := Folder("SQLite:///var/lib/latchkey"); dir != "/var/lib/latchkey" || err != nil {
		t.Errorf("the folder is %q (%v)", dir, err)
	}
}
