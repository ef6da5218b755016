package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrNotFound says that there is no such row.
	ErrNotFound = sql.ErrNoRows
	// ErrLocked says that another process owns the data folder.
	ErrLocked = errors.New("another process is using this data folder")
	// ErrClosed says that the database was closed.
	ErrClosed = errors.New("the database is closed")
	// ErrUnknownOutcome says that the answer to a commit was lost: the change is
	// there or it isn't. Only the caller knows whether it may be repeated.
	ErrUnknownOutcome = errors.New("the database didn't answer, the outcome is unknown")

	errUnavailable = errors.New("the database is out of reach")
)

// IsDuplicate reports whether a write was refused because a unique value is taken.
func IsDuplicate(err error) bool {
	if code := sqliteCode(err); code != 0 {
		return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return sqlState(err) == "23505"
}

// IsUnavailable reports whether an error says that the database can't be reached,
// doesn't answer in time or can't write at present, and nothing about the
// question. What was asked for has not happened, except if the error is
// [ErrUnknownOutcome] too, and may be asked for again later.
func IsUnavailable(err error) bool {
	if errors.Is(err, errUnavailable) || errors.Is(err, ErrUnknownOutcome) {
		return true
	}
	if state := sqlState(err); state != "" {
		return unavailable(state) || errors.As(err, new(*pgconn.ConnectError))
	}
	switch sqliteCode(err) & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return true
	}
	return lost(err)
}

// unavailable tells the states of PostgreSQL, by class or one by one, in which
// no question is answered.
func unavailable(state string) bool {
	switch state {
	case "57P01", "57P02", "57P03", "57P05", // shutdown, crash, starting, idle for too long
		"57014", "55P03", // it took too long: the statement, or the wait for a lock
		"25P03", // idle in a transaction for too long
		"25006": // a replica, or a primary no more
		return true
	}
	return strings.HasPrefix(state, "08") || strings.HasPrefix(state, "53") || strings.HasPrefix(state, "58")
}

// lost reports whether a connection can't be made, broke, or was silent for too long.
func lost(err error) bool {
	for _, e := range []error{driver.ErrBadConn, sql.ErrConnDone, pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network) || errors.As(err, new(*pgconn.ConnectError))
}

// broke reports whether a connection that was made broke; it is neither slow nor
// refused, so that another one may do better at once.
func broke(err error) bool {
	for _, e := range []error{driver.ErrBadConn, pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, e) {
			return !errors.As(err, new(*pgconn.ConnectError))
		}
	}
	return sqlState(err) == "57P01" // the server ended the session
}

// isConflict reports whether the database has undone a transaction in favour of
// another one: a serialization failure or a deadlock.
func isConflict(err error) bool {
	state := sqlState(err)
	return state == "40001" || state == "40P01"
}

// settled says of a commit, or of a statement that commits by itself, what is
// known when it failed on a connection: the server's plain refusal is certain,
// and nothing else is. In particular the driver's SafeToRetry isn't, nor
// driver.ErrBadConn, which comes of it: when a connection breaks after a text
// without parameters was sent, pgx says that it was closed before.
func settled(err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || refused(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
}

// refused reports whether the server itself has said that it didn't do what it
// was asked. A FATAL error may be about the session only; 40003 is how servers
// say that they don't know.
func refused(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.SeverityUnlocalized == "ERROR" && e.Code != "40003"
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
