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
	// ErrNotFound means that there is no such row.
	ErrNotFound = sql.ErrNoRows
	// ErrLocked means that another process owns the data folder.
	ErrLocked = errors.New("another process is using this data folder")
	// ErrClosed means that the database was closed.
	ErrClosed = errors.New("the database is closed")
	// ErrUnknownOutcome means that the response to a commit was lost: the change was
	// made or not. Only the caller knows whether it is safe to retry.
	ErrUnknownOutcome = errors.New("the database didn't answer, the outcome is unknown")

	errUnavailable = errors.New("the database is out of reach")
	// errReadOnly is about the only server that there is: another attempt meets it again.
	errReadOnly = errors.New("the database accepts no changes")
	errNoTurn   = errors.New("too many changes are waiting: no turn to write")
)

// IsUnavailable reports whether an error means that the database can't be reached,
// doesn't respond in time, has no turn for a change or can't write at present. The statement then
// had no effect, unless the error is also [ErrUnknownOutcome], and can be retried later.
func IsUnavailable(err error) bool {
	for _, e := range []error{
		errUnavailable, errNoTurn, ErrUnknownOutcome, errOldPrimary, errOtherData, errStandby,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	if state := sqlState(err); state != "" {
		return unavailableState(state) || errors.As(err, new(*pgconn.ConnectError))
	}
	switch sqliteCode(err) & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return true
	}
	return connectionFailed(err)
}

// IsReadOnly reports whether a write was refused because the database or its server
// accepts none.
func IsReadOnly(err error) bool { return sqlState(err) == "25006" }

// unavailableState reports whether a PostgreSQL error state means that the server
// can't serve any statement now.
func unavailableState(state string) bool {
	switch state {
	case "57P01", "57P02", "57P03", "57P05", // shutdown, crash, starting, idle for too long
		"57014", "55P03", // it took too long: the statement, or the wait for a lock
		"25P03", // idle in a transaction for too long
		"25006": // a replica, or a primary no more
		return true
	}
	return strings.HasPrefix(state, "08") || strings.HasPrefix(state, "53") ||
		strings.HasPrefix(state, "58")
}

// connectionFailed reports whether a connection can't be made, broke or timed out.
func connectionFailed(err error) bool {
	for _, e := range []error{
		driver.ErrBadConn, sql.ErrConnDone, pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF,
		net.ErrClosed, context.DeadlineExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network) || errors.As(err, new(*pgconn.ConnectError))
}

// connectionBroke reports whether an established connection broke. It was neither
// slow nor refused, so a new one may work at once.
func connectionBroke(err error) bool {
	for _, e := range []error{
		driver.ErrBadConn, pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET,
		syscall.EPIPE,
	} {
		if errors.Is(err, e) {
			return !errors.As(err, new(*pgconn.ConnectError))
		}
	}
	return sqlState(err) == "57P01" // the server ended the session
}

// isConflict reports whether the database rolled a transaction back in favor of
// another one: a serialization failure or a deadlock.
func isConflict(err error) bool {
	state := sqlState(err)
	return state == "40001" || state == "40P01"
}

// commitError returns the error of a commit, or of a statement that commits by
// itself. It keeps an explicit server error and turns any other into
// ErrUnknownOutcome. The driver's SafeToRetry, and driver.ErrBadConn that follows
// from it, can't be relied on: if a connection breaks after a statement without
// parameters was sent, pgx reports that it had been closed before.
func commitError(err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || refusedByServer(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
}

// refusedByServer reports whether the server itself reported that the statement
// failed. A FATAL error can be about the session only, and 40003 means that the
// server doesn't know.
func refusedByServer(err error) bool {
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
