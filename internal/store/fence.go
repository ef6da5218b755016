package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/latchkeyhq/latchkey/internal/durable"
)

// server says which server of which history a session or a reading is on. The zero
// value is unknown.
type server struct {
	system   string // identifier of the database cluster, the same on its standbys
	timeline int64  // counts the promotions of the cluster's servers
	started  string // when the server was started
}

const (
	// whoAmI is the text from which serverOf makes a server: on a standby, one word.
	// Any role can call these functions.
	whoAmI = `CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE
    (SELECT CAST(system_identifier AS TEXT) FROM pg_control_system()) || ' ' ||
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) || ' ' ||
    CAST(extract(epoch FROM pg_postmaster_start_time()) AS TEXT) END`
	// noticeDeadNodes makes the server close connections whose node is gone without a word.
	noticeDeadNodes = `, set_config('tcp_keepalives_idle', '30', false),
    set_config('tcp_user_timeout', '10000', false)`
	// whoAmINot is its stand-in where these functions don't exist.
	whoAmINot = `''`
)

var (
	errStandby    = errors.New("the server is a standby, which can't be written to")
	errOldPrimary = errors.New("the server was replaced by another one that was promoted later")
	errOtherData  = errors.New("the server belongs to another database cluster")
)

func serverOf(text string) (s server, err error) {
	if text == "" {
		return server{}, nil
	}
	if text == "standby" {
		return server{}, errStandby
	}
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return server{}, fmt.Errorf("the server calls itself %q", text)
	}
	s.system, s.started = fields[0], fields[2]
	s.timeline, err = strconv.ParseInt(fields[1], 16, 64)
	return s, err
}

// fence keeps a node away from all servers but the primary that was promoted last: a
// node that writes to one and reads from another would believe keys that it deleted
// itself. It remembers the highest timeline of the database cluster, over restarts
// too if it has a file.
type fence struct {
	file string // "" for none
	log  *slog.Logger

	mu      sync.Mutex
	off     bool // the server has no such functions
	fresh   bool // nothing was admitted since the start
	highest server
	warned  time.Time // when a refusal was last logged
}

// openFence reads what was remembered. Without a folder nothing is.
func openFence(folder string, log *slog.Logger) (*fence, error) {
	f := &fence{log: log, fresh: true}
	if folder == "" {
		return f, nil
	}
	f.file = folder + "/postgres-timeline"
	text, err := os.ReadFile(f.file)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text))
	if len(fields) == 2 {
		f.highest.system = fields[0]
		f.highest.timeline, err = strconv.ParseInt(fields[1], 10, 64)
	}
	if len(fields) != 2 || err != nil {
		return nil, fmt.Errorf("%s can't be read; delete it if no old primary is running", f.file)
	}
	return f, nil
}

// validate asks a new session for its server, and refuses it if it isn't to be used.
// pgx then tries the next host.
func (f *fence) validate(ctx context.Context, conn *pgconn.PgConn) error {
	if f.isOff() {
		return nil
	}
	r := conn.ExecParams(ctx, "SELECT "+whoAmI+noticeDeadNodes, nil, nil, nil, nil).Read()
	if missing := new(pgconn.PgError); errors.As(r.Err, &missing) && missing.Severity == "ERROR" {
		f.turnOff(r.Err)
		return nil
	}
	if r.Err != nil {
		return r.Err
	}
	s, err := serverOf(string(r.Rows[0][0]))
	if err != nil {
		return err
	}
	conn.CustomData()["server"] = s
	return f.admit(s)
}

func (f *fence) isOff() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.off
}

func (f *fence) turnOff(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.off {
		f.log.Warn("the database doesn't say which server it is, so this node can't tell "+
			"a primary that was replaced; make sure that only one can be reached", "error", err)
	}
	f.off = true
}

// admit remembers a server that was promoted later than those before, and refuses one
// that was replaced. At the start it takes another database cluster for a migration.
func (f *fence) admit(s server) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.system == "" {
		return nil
	}
	known := f.highest
	switch {
	case known.system != "" && known.system != s.system && !f.fresh:
		f.warn("refusing a server of another database cluster; restart the node if you "+
			"have moved the data there", "server", s.system, "known", known.system)
		return errOtherData
	case known.system == s.system && s.timeline < known.timeline:
		f.warn("refusing a primary that was replaced: shut it down or make it a standby. "+
			"If it is the right one, for example after restoring an older backup, stop all "+
			"nodes and delete the file postgres-timeline in their data folders",
			"timeline", s.timeline, "known", known.timeline)
		return errOldPrimary
	case known.system == s.system && s.timeline == known.timeline:
		f.fresh = false
		return nil
	}
	if known.system != "" {
		f.log.Warn("the database has another primary", "timeline", s.timeline,
			"before", known.timeline)
	}
	f.highest, f.fresh = server{system: s.system, timeline: s.timeline}, false
	if f.file == "" {
		return nil
	}
	text := fmt.Sprintf("%s %d\n", s.system, s.timeline)
	if err := durable.WriteFile(f.file, text); err != nil {
		f.log.Error("the timeline of the database can't be remembered over a restart",
			"error", err)
	}
	return nil
}

// warn logs a refusal, at most one a minute.
func (f *fence) warn(message string, args ...any) {
	if now := time.Now(); now.Sub(f.warned) > time.Minute {
		f.warned = now
		f.log.Warn(message, args...)
	}
}

// current reports whether no later primary is known than that of a session.
func (f *fence) current(conn *pgx.Conn) bool {
	s, _ := conn.PgConn().CustomData()["server"].(server)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.off || s.system == f.highest.system && s.timeline == f.highest.timeline
}
