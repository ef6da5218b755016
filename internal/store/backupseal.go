package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"
)

// ErrNotABackup means that a file isn't a backup, or that its end is missing.
var ErrNotABackup = errors.New("not a backup made by latchkey backup, or its end is missing")

// seal is the last line of a backup, in JSON. What is before it is an SQLite database, which
// SQLite's own tools open too: they ignore the seal.
type seal struct {
	Format string    `json:"format"`
	At     time.Time `json:"at"`
	Size   int64     `json:"size"`
	SHA256 string    `json:"sha256"`
}

const (
	backupFormat = "latchkey-backup-1"
	sealSize     = 512 // in bytes; seals are shorter
)

// seal appends the seal to the database, and keeps what it says.
func (b *Backup) seal(file string) (err error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	if b.Size, err = io.Copy(sum, f); err != nil {
		return err
	}
	b.SHA256 = hex.EncodeToString(sum.Sum(nil))
	line, err := json.Marshal(seal{backupFormat, b.At, b.Size, b.SHA256})
	if err != nil {
		return err
	}
	_, err = f.Write(append(append([]byte{'\n'}, line...), '\n'))
	return err
}

// readSeal returns the seal of a file.
func readSeal(file string) (s seal, err error) {
	f, err := os.Open(file)
	if err != nil {
		return seal{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return seal{}, err
	}
	end := make([]byte, min(sealSize, info.Size()))
	if _, err := f.ReadAt(end, info.Size()-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
		return seal{}, err
	}
	rest, ended := bytes.CutSuffix(end, []byte{'\n'})
	at := bytes.LastIndexByte(rest, '\n')
	if !ended || at < 0 || json.Unmarshal(rest[at+1:], &s) != nil || s.Format != backupFormat ||
		s.Size != info.Size()-int64(len(rest)-at)-1 {
		return seal{}, ErrNotABackup
	}
	return s, nil
}

// extract copies the database out of a backup, and compares it with the seal.
func (s seal) extract(file string, to io.Writer) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(sum, to), f, s.Size); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != s.SHA256 {
		return errors.New("the backup is damaged: its SHA-256 differs from the one in its last line")
	}
	return nil
}

// extractTo is extract into a file.
func (s seal) extractTo(file, target string) error {
	to, err := os.OpenFile(target, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	return errors.Join(s.extract(file, to), to.Close())
}

// unseal checks a backup and what is in it. It extracts the database into a file, unless
// its name is empty.
func unseal(ctx context.Context, file, target string) (Backup, error) {
	s, err := readSeal(file)
	if err != nil {
		return Backup{}, err
	}
	if target == "" {
		target, err = file, s.extract(file, io.Discard)
	} else {
		err = s.extractTo(file, target)
	}
	if err != nil {
		return Backup{}, err
	}
	b, err := inspect(ctx, target)
	b.At, b.Size, b.SHA256 = s.At, s.Size, s.SHA256
	return b, err
}
