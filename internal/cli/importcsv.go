package cli

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// columns set a field of a key from a cell of CSV. Their errors never repeat the cell, which
// can be a key in the wrong column.
var columns = map[string]func(k *importKey, cell string) error{
	"key":         func(k *importKey, cell string) error { k.Key = cell; return nil },
	"hash":        func(k *importKey, cell string) error { k.Hash = cell; return nil },
	"start":       func(k *importKey, cell string) error { k.Start = cell; return nil },
	"name":        func(k *importKey, cell string) error { k.Name = cell; return nil },
	"externalid":  func(k *importKey, cell string) error { k.ExternalID = cell; return nil },
	"owner":       func(k *importKey, cell string) error { k.ExternalID = cell; return nil },
	"roles":       func(k *importKey, cell string) error { k.Roles = words(cell); return nil },
	"permissions": func(k *importKey, cell string) error { k.Permissions = words(cell); return nil },
	"meta": func(k *importKey, cell string) error {
		var o object
		if o.UnmarshalText([]byte(cell)) != nil {
			return errors.New("want a JSON object")
		}
		k.Meta = latchkey.Meta(o)
		return nil
	},
	"expires": func(k *importKey, cell string) error {
		at, err := cellTime(cell)
		k.Expires = at
		return err
	},
	"enabled": func(k *importKey, cell string) error {
		on, err := strconv.ParseBool(strings.ToLower(cell))
		k.Enabled = latchkey.Set(on)
		if err != nil {
			return errors.New("want true or false")
		}
		return nil
	},
	"credits": func(k *importKey, cell string) error {
		var c credits
		switch err := c.UnmarshalText([]byte(cell)); {
		case err != nil:
			return errors.New("want credits like 1000, 1000/day, 1000/month@15 or unlimited")
		case c.remove:
			return nil
		}
		k.Credits = &latchkey.Credits{Remaining: latchkey.Set(c.amount), Refill: c.refill}
		return nil
	},
	"limits": func(k *importKey, cell string) error {
		for _, word := range words(cell) {
			var l limit
			if l.UnmarshalText([]byte(word)) != nil {
				return errors.New("want rates like 10/s or tokens=1000/min")
			}
			k.Ratelimits = append(k.Ratelimits, l.RatelimitRequest)
		}
		return nil
	},
}

// words splits a cell at spaces.
func words(cell string) []string { return strings.Fields(cell) }

// cellTime reads a date, a time of RFC 3339, or unix milliseconds. Unix seconds are refused:
// read as milliseconds, they are a time in 1970.
func cellTime(cell string) (latchkey.Time, error) {
	if n, err := strconv.ParseInt(cell, 10, 64); err == nil {
		const earliest = 100_000_000_000 // in 1973
		if n < earliest {
			return latchkey.Time{}, errors.New("want milliseconds since 1970, not seconds, or a date")
		}
		return latchkey.AtMilli(n), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, cell); err == nil {
			return latchkey.At(t), nil
		}
	}
	return latchkey.Time{}, errors.New("want a time like 2027-01-31 or 2027-01-31T12:00:00Z")
}

// readCSV reads keys from CSV, whose first line names the columns.
func (m *importer) readCSV(ctx context.Context, in io.Reader) error {
	r := csv.NewReader(in)
	r.ReuseRecord, r.FieldsPerRecord = true, -1
	header, err := r.Read()
	if err != nil {
		return fmt.Errorf("the first line must name the columns: %w", err)
	}
	names := make([]string, len(header))
	for i, name := range header {
		name = strings.TrimPrefix(name, "\ufeff")
		names[i] = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), "_", ""))
		if columns[names[i]] == nil {
			return fmt.Errorf("the first line must name the columns, and column %d has no name that is "+
				"known: key or hash, start, name, externalId, meta, roles, permissions, expires, enabled, "+
				"credits, limits", i+1)
		}
	}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var wrong *csv.ParseError
		if err != nil && !errors.As(err, &wrong) {
			return err
		}
		line, _ := r.FieldPos(0)
		if wrong != nil {
			m.reject(wrong.StartLine, "not a line of CSV: "+wrong.Err.Error())
			continue
		}
		if err := m.row(ctx, line, names, cells); err != nil {
			return err
		}
	}
}

// row imports a line of CSV.
func (m *importer) row(ctx context.Context, line int, names, cells []string) error {
	if len(cells) != len(names) {
		m.reject(line, fmt.Sprintf("%d cells, and there are %d columns", len(cells), len(names)))
		return nil
	}
	var k importKey
	for i, name := range names {
		cell := strings.TrimSpace(cells[i])
		if cell == "" {
			continue
		}
		if err := columns[name](&k, cell); err != nil {
			m.reject(line, name+": "+err.Error())
			return nil
		}
	}
	return m.add(ctx, line, &k)
}

// hashOf returns the SHA-256 of a key in base64.
func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// sha256Of decodes a SHA-256 from base64 or hex.
func sha256Of(text string) (sum []byte, ok bool) {
	var err error
	if len(text) == hex.EncodedLen(sha256.Size) {
		sum, err = hex.DecodeString(text)
	} else {
		sum, err = base64.StdEncoding.Strict().DecodeString(text)
	}
	return sum, err == nil && len(sum) == sha256.Size
}
