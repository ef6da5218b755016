package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// KeySearch says which keys of a workspace [DB.FindKeys] looks for, and from where. Zero
// values of the filters select all keys.
type KeySearch struct {
	WorkspaceID  string
	APIID        string
	IdentityID   string
	RoleID       string
	PermissionID string // held directly or through a role
	Start        string // the beginning of the start
	Name         string
	Enabled      sql.NullBool

	ExpiresFrom, ExpiresTo   int64 // unix ms; 0 for no bound
	LastUsedFrom, LastUsedTo int64 // unix ms; 0 for no bound. Keys never used have 0

	Order KeyOrder
	From  KeyPlace // the first place to look at
	Most  int      // how many keys to look at
}

// KeyOrder is an order of keys.
type KeyOrder string

// The orders. Keys without the value are not in an order.
const (
	KeysByID      KeyOrder = "id"
	KeysByCreated KeyOrder = "created_at"
	KeysByExpires KeyOrder = "expires"
	KeysByStart   KeyOrder = "start"
)

// KeyPlace is a place in an order: a value and an id.
type KeyPlace struct {
	Number int64  // for KeysByCreated and KeysByExpires
	Text   string // for KeysByStart
	ID     string
}

// FoundKey is a key that a search looked at.
type FoundKey struct {
	Place   KeyPlace
	Matches bool
}

// FindKeys looks at keys in the order of an index, at most that many, and says which of
// them match. So its work is bounded, however rare matches are.
func (db *DB) FindKeys(ctx context.Context, s *KeySearch) ([]FoundKey, error) {
	text, args := s.query()
	rows, err := db.on.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("store: keys: %w", err)
	}
	defer rows.Close()
	found := make([]FoundKey, 0, s.Most)
	for rows.Next() {
		var k FoundKey
		var value any = new(sql.NullString) // the id again
		switch s.Order {
		case KeysByCreated, KeysByExpires:
			value = &k.Place.Number
		case KeysByStart:
			value = &k.Place.Text
		}
		if err := rows.Scan(&k.Place.ID, value, &k.Matches); err != nil {
			return nil, fmt.Errorf("store: keys: %w", err)
		}
		found = append(found, k)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: keys: %w", err)
	}
	return found, nil
}

// conditions builds a conjunction with parameters, each used once and in order.
type conditions struct {
	texts []string
	args  []any
}

// add adds a condition, in which ? is the next parameter.
func (c *conditions) add(text string, args ...any) {
	for _, arg := range args {
		c.args = append(c.args, arg)
		text = strings.Replace(text, "?", "$"+strconv.Itoa(len(c.args)), 1)
	}
	c.texts = append(c.texts, text)
}

// between adds bounds of a column.
func (c *conditions) between(column string, from, to int64) {
	if from != 0 {
		c.add(column+" >= ?", from)
	}
	if to != 0 {
		c.add(column+" <= ?", to)
	}
}

func (c *conditions) String() string { return strings.Join(c.texts, " AND ") }

// query returns the statement: what matches is computed for the keys of one range of an
// index.
func (s *KeySearch) query() (text string, args []any) {
	var matches conditions
	s.match(&matches)
	where := conditions{args: matches.args}
	from, order := s.walk(&where)
	where.args = append(where.args, s.Most)
	most := fmt.Sprintf("CAST($%d AS BIGINT)", len(where.args))
	if s.byRole() {
		// In a join PostgreSQL would read all keys of the role and sort them.
		from = fmt.Sprintf("(SELECT r.key_id FROM key_roles r WHERE %s ORDER BY r.key_id LIMIT %s) r "+
			"JOIN keys k ON k.id = r.key_id", &where, most)
		where.texts = []string{"TRUE"}
	}
	return fmt.Sprintf("SELECT k.id, k.%s, CASE WHEN %s THEN TRUE ELSE FALSE END "+
		"FROM %s WHERE %s ORDER BY %s LIMIT %s", s.Order, &matches, from, &where, order, most), where.args
}

// match adds the conditions that a key matches under.
func (s *KeySearch) match(c *conditions) {
	c.add("k.deleted_at = 0")
	c.add("EXISTS (SELECT 1 FROM apis a WHERE a.id = k.api_id AND a.deleted_at = 0)")
	if s.Name != "" {
		c.add("k.name = ?", s.Name)
	}
	if s.Enabled.Valid {
		c.add("k.enabled = ?", s.Enabled.Bool)
	}
	c.between("k.expires", s.ExpiresFrom, s.ExpiresTo)
	c.between("k.last_used_at", s.LastUsedFrom, s.LastUsedTo)
	if s.APIID != "" {
		c.add("k.api_id = ?", s.APIID)
	}
	if s.IdentityID != "" {
		c.add("k.identity_id = ?", s.IdentityID)
	}
	if s.Start != "" {
		c.add("k.start >= ? AND k.start < ?", s.Start, s.Start+lastCharacter)
	}
	if s.RoleID != "" {
		c.add("EXISTS (SELECT 1 FROM key_roles kr WHERE kr.key_id = k.id AND kr.role_id = ?)", s.RoleID)
	}
	if s.PermissionID != "" {
		c.add("(EXISTS (SELECT 1 FROM key_permissions kp WHERE kp.key_id = k.id "+
			"AND kp.permission_id = ?) OR EXISTS (SELECT 1 FROM key_roles kr "+
			"JOIN role_permissions rp ON rp.role_id = kr.role_id "+
			"WHERE kr.key_id = k.id AND rp.permission_id = ?))", s.PermissionID, s.PermissionID)
	}
}

// byRole reports whether the search walks the keys of a role.
func (s *KeySearch) byRole() bool {
	return s.Order == KeysByID && s.IdentityID == "" && s.RoleID != ""
}

// lastCharacter sorts after every text that continues a prefix.
const lastCharacter = "\U0010ffff"

// walk adds the conditions of the range of an index to look at, and returns what it is of
// and the order in which the index has it. Each case is one index.
func (s *KeySearch) walk(c *conditions) (from, order string) {
	from, order = "keys k", "k."+string(s.Order)+", k.id"
	switch {
	case s.Order == KeysByCreated:
		c.add("k.workspace_id = ? AND k.deleted_at = 0", s.WorkspaceID)
		c.add("(k.created_at, k.id) >= (?, ?)", s.From.Number, s.From.ID)
	case s.Order == KeysByExpires:
		c.add("k.workspace_id = ? AND k.deleted_at = 0 AND k.expires IS NOT NULL", s.WorkspaceID)
		c.add("(k.expires, k.id) >= (?, ?)", max(s.From.Number, s.ExpiresFrom), s.From.ID)
		c.between("k.expires", 0, s.ExpiresTo)
	case s.Order == KeysByStart:
		c.add("k.workspace_id = ? AND k.deleted_at = 0", s.WorkspaceID)
		c.add("(k.start, k.id) >= (?, ?)", max(s.From.Text, s.Start), s.From.ID)
		c.add("k.start < ?", s.Start+lastCharacter)
	case s.IdentityID != "":
		c.add("k.identity_id = ? AND k.identity_id <> '' AND k.id >= ?", s.IdentityID, s.From.ID)
		order = "k.id"
	case s.byRole():
		c.add("r.role_id = ? AND r.key_id >= ?", s.RoleID, s.From.ID)
		order = "r.key_id"
	case s.APIID != "":
		c.add("k.api_id = ? AND k.id >= ?", s.APIID, s.From.ID)
		order = "k.id"
	default:
		c.add("k.workspace_id = ? AND k.deleted_at = 0 AND k.id >= ?", s.WorkspaceID, s.From.ID)
		order = "k.id"
	}
	return from, order
}
