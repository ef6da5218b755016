package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/durable"
	"github.com/latchkeyhq/latchkey/internal/store/read"
)

// auditExport is the folder of the files that audit records are appended to before
// they are dropped, or "" for none.
type auditExport string

// exportedLog is a record as a line of a file.
type exportedLog struct {
	WorkspaceID string `json:"workspaceId"`
	latchkey.AuditLog
}

// openAuditExport creates the folder if it is missing.
func openAuditExport(dir string) (auditExport, error) {
	if dir == "" {
		return "", nil
	}
	if err := durable.MakeFolder(dir); err != nil {
		return "", fmt.Errorf("audit export: %w", err)
	}
	return auditExport(dir), nil
}

// save appends records to the file of their month, one JSON object a line, and returns
// when they are on disk. What is saved can be saved again if the process ends before the
// records are dropped; their ids tell.
func (dir auditExport) save(rows []read.AuditLog) error {
	if dir == "" {
		return nil
	}
	for len(rows) > 0 {
		month, n := monthOf(rows[0]), 1
		for n < len(rows) && monthOf(rows[n]) == month {
			n++
		}
		if err := dir.append("audit-"+month+".jsonl", rows[:n]); err != nil {
			return fmt.Errorf("audit export: %w", err)
		}
		rows = rows[n:]
	}
	return nil
}

func monthOf(row read.AuditLog) string {
	return time.UnixMilli(row.Time).UTC().Format("2006-01")
}

func (dir auditExport) append(name string, rows []read.AuditLog) (err error) {
	lines := new(bytes.Buffer)
	enc := json.NewEncoder(lines)
	enc.SetEscapeHTML(false)
	for _, row := range rows {
		log, err := auditLogOf(row)
		if err != nil {
			return err
		}
		if err := enc.Encode(exportedLog{row.WorkspaceID, log}); err != nil {
			return err
		}
	}
	path := filepath.Join(string(dir), name)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := endLine(file); err != nil {
		return err
	}
	if _, err := file.Write(lines.Bytes()); err != nil {
		return err
	}
	return errors.Join(file.Sync(), durable.SyncFolder(string(dir)))
}

// endLine ends the last line of a file if a power failure or a full disk cut it off, so
// that it spoils no other.
func endLine(file *os.File) error {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = file.WriteString("\n")
	return err
}
