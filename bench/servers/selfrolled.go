package servers

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// SelfRolledKey is the one key that the self-rolled service knows.
const SelfRolledKey = "sk_selfrolled_0123456789abcdef"

// selfRolled is what most teams write: the key's hash is looked up in PostgreSQL
// and a counter for the window is incremented in Redis, both at every request.
type selfRolled struct {
	db    *pgxpool.Pool
	redis *redis.Client
}

func serveSelfRolled(ctx context.Context, listener net.Listener, cfg Config) error {
	db, err := pgxpool.New(ctx, cfg.Postgres)
	if err != nil {
		return errors.New("the DSN of PostgreSQL can't be used") // the error may show it
	}
	defer db.Close()
	s := &selfRolled{db: db, redis: redis.NewClient(&redis.Options{Addr: cfg.Redis})}
	defer s.redis.Close()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /verify", s.verify)
	mux.HandleFunc("POST /limit", s.limit)
	return serveHTTP(listener, mux)
}

// prepare makes the table with its one key.
func (s *selfRolled) prepare(ctx context.Context) error {
	const table = `CREATE TABLE IF NOT EXISTS selfrolled (hash TEXT PRIMARY KEY, owner TEXT NOT NULL, enabled BOOLEAN NOT NULL, amount BIGINT NOT NULL)`
	if _, err := s.db.Exec(ctx, table); err != nil {
		return fmt.Errorf("table: %w", err)
	}
	_, err := s.db.Exec(ctx, `INSERT INTO selfrolled VALUES ($1, 'owner', TRUE, 1000000000) ON CONFLICT DO NOTHING`, hashOf(SelfRolledKey))
	return err
}

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// selfRolledAnswer is what both of its requests answer.
type selfRolledAnswer struct {
	Valid     bool   `json:"valid"`
	Owner     string `json:"owner,omitempty"`
	Remaining int64  `json:"remaining"`
}

// verify answers whether a key is known, enabled and within its limit.
func (s *selfRolled) verify(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Key string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	var answer selfRolledAnswer
	var amount int64
	row := s.db.QueryRow(r.Context(), `SELECT owner, enabled, amount FROM selfrolled WHERE hash = $1`, hashOf(asked.Key))
	switch err := row.Scan(&answer.Owner, &answer.Valid, &amount); {
	case errors.Is(err, pgx.ErrNoRows):
		http.Error(w, "no such key", http.StatusUnauthorized)
		return
	case err != nil:
		http.Error(w, "failed", http.StatusInternalServerError)
		return
	}
	s.count(w, r, answer, "key:"+asked.Key, amount)
}

// limit answers whether an identifier is within its limit.
func (s *selfRolled) limit(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Identifier string
		Limit      int64
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	s.count(w, r, selfRolledAnswer{Valid: true}, "id:"+asked.Identifier, asked.Limit)
}

// count counts in a fixed window of one hour and answers.
func (s *selfRolled) count(w http.ResponseWriter, r *http.Request, answer selfRolledAnswer, name string, amount int64) {
	name += ":" + strconv.FormatInt(time.Now().Unix()/3600, 10)
	pipe := s.redis.Pipeline()
	used := pipe.Incr(r.Context(), name)
	pipe.Expire(r.Context(), name, time.Hour)
	if _, err := pipe.Exec(r.Context()); err != nil {
		http.Error(w, "failed", http.StatusInternalServerError)
		return
	}
	answer.Remaining = max(amount-used.Val(), 0)
	answer.Valid = answer.Valid && used.Val() <= amount
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
