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

// SelfRolledKey is the only key of the self-rolled service.
const SelfRolledKey = "sk_selfrolled_0123456789abcdef"

// selfRolled is a service like those that many teams write: for every request it looks up the key's
// hash
// in PostgreSQL and increments the counter of the window in Redis.
type selfRolled struct {
	db    *pgxpool.Pool
	redis *redis.Client
}

func serveSelfRolled(ctx context.Context, listener net.Listener, cfg Config) error {
	db, err := pgxpool.New(ctx, cfg.Postgres)
	if err != nil {
		// the error could contain the password
		return errors.New("the DSN of PostgreSQL is invalid")
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

// prepare creates the table with the only key.
func (s *selfRolled) prepare(ctx context.Context) error {
	const table = `CREATE TABLE IF NOT EXISTS selfrolled (
		hash TEXT PRIMARY KEY, owner TEXT NOT NULL,
		enabled BOOLEAN NOT NULL, amount BIGINT NOT NULL)`
	if _, err := s.db.Exec(ctx, table); err != nil {
		return fmt.Errorf("table: %w", err)
	}
	const insert = `INSERT INTO selfrolled VALUES ($1, 'owner', TRUE, 1000000000)
		ON CONFLICT DO NOTHING`
	_, err := s.db.Exec(ctx, insert, hashOf(SelfRolledKey))
	return err
}

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// selfRolledResponse is the response of both operations.
type selfRolledResponse struct {
	Valid     bool   `json:"valid"`
	Owner     string `json:"owner,omitempty"`
	Remaining int64  `json:"remaining"`
}

// verify checks whether a key exists, is enabled and is within its limit.
func (s *selfRolled) verify(w http.ResponseWriter, r *http.Request) {
	var request struct{ Key string }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	var response selfRolledResponse
	var amount int64
	const query = `SELECT owner, enabled, amount FROM selfrolled WHERE hash = $1`
	row := s.db.QueryRow(r.Context(), query, hashOf(request.Key))
	switch err := row.Scan(&response.Owner, &response.Valid, &amount); {
	case errors.Is(err, pgx.ErrNoRows):
		http.Error(w, "no such key", http.StatusUnauthorized)
		return
	case err != nil:
		http.Error(w, "failed", http.StatusInternalServerError)
		return
	}
	s.count(w, r, response, "key:"+request.Key, amount)
}

// limit checks whether an identifier is within its limit.
func (s *selfRolled) limit(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Identifier string
		Limit      int64
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	s.count(w, r, selfRolledResponse{Valid: true}, "id:"+request.Identifier, request.Limit)
}

// count counts in a fixed window of one hour and writes the response.
func (s *selfRolled) count(w http.ResponseWriter, r *http.Request, response selfRolledResponse,
	name string, amount int64) {
	name += ":" + strconv.FormatInt(time.Now().Unix()/3600, 10)
	pipe := s.redis.Pipeline()
	used := pipe.Incr(r.Context(), name)
	pipe.Expire(r.Context(), name, time.Hour)
	if _, err := pipe.Exec(r.Context()); err != nil {
		http.Error(w, "failed", http.StatusInternalServerError)
		return
	}
	response.Remaining = max(amount-used.Val(), 0)
	response.Valid = response.Valid && used.Val() <= amount
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(response)
}
