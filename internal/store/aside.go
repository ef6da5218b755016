package store

import "database/sql"

// Aside opens a pool of at most three connections to the database that nodes share, for what
// must not take those of the pool, or nil on SQLite. Its user closes it before the DB.
func (db *DB) Aside() *sql.DB {
	if db.shared == nil {
		return nil
	}
	pool := sql.OpenDB(db.shared.dialer)
	pool.SetMaxOpenConns(3)
	pool.SetMaxIdleConns(1)
	pool.SetConnMaxLifetime(connectionLifetime)
	return pool
}
