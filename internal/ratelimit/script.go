package ratelimit

import (
	"context"
	_ "embed"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// exact is the largest number up to which the numbers of a Redis script, which
// are doubles, represent every integer.
const exact = 1 << 53

//go:embed redis.lua
var source string

// script is called by its hash, and sent to a server that doesn't have it.
var script = rueidis.NewLuaScript(source)

// strict bounds the numbers of a request to those of the script. A larger limit
// becomes the largest, and a larger cost never fits. A limit ≤ 0 must deny even a
// cost of 0 on an unused counter; the script only compares, so it gets -1.
func strict(r Request) Request {
	if r.Limit = min(r.Limit, exact-1); r.Limit <= 0 {
		r.Limit = -1
	}
	r.Cost = min(r.Cost, exact)
	return r
}

// name is a counter's key in Redis. All counters of a workspace have the same hash
// tag, the part in braces, and so are on one server of a cluster. The name has the
// length of each text except the last, so different Keys have different names.
func name(key *Key) string {
	b := append(tag(key.Workspace), ':')
	if key.Algorithm != SlidingWindow { // whose names begin with a digit
		b = append(append(b, key.Algorithm.String()...), ':')
	}
	b = strconv.AppendInt(b, key.Duration, 10)
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(len(key.Namespace)), 10)
	b = append(append(b, ':'), key.Namespace...)
	b = append(append(b, ':'), key.Identifier...)
	return string(b)
}

// tag is the prefix of the names of all counters of a workspace.
func tag(workspace string) []byte {
	b := append(make([]byte, 0, 128), "latchkey:{"...)
	b = strconv.AppendInt(b, int64(len(workspace)), 10)
	b = append(append(b, ':'), workspace...)
	return append(b, '}')
}

// run calls the script with the counters and requests of a batch, and with this
// node's synced and owed state of each counter. It returns the counters' states
// before the requests, and the time at which they were decided.
func (r *Redis) run(ctx context.Context, now int64, b batch, x *exchange) ([]state, int64, error) {
	select {
	case r.calls <- struct{}{}:
		defer func() { <-r.calls }()
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	names := make([]string, len(b.counters))
	for i := range b.counters {
		names[i] = name(&b.counters[i].Key)
	}
	began := time.Now()
	answer, err := script.Exec(ctx, r.client, names, r.arguments(now, b, x)).AsIntSlice()
	took := time.Since(began)
	r.metrics.script.Observe(took.Seconds())
	if err != nil {
		return nil, 0, err
	}
	if len(answer) != 1+3*len(names) {
		return nil, 0, errors.New("the rate limit script returned a malformed response")
	}
	if r.cfg.OwnClock {
		r.ahead.Store(answer[0] - began.Add(took/2).UnixMilli())
	}
	return statesOf(answer[1:]), answer[0], nil
}

func statesOf(numbers []int64) []state {
	states := make([]state, len(numbers)/3)
	for i := range states {
		words := numbers[3*i:]
		states[i] = state{uint64(words[0]), uint64(words[1]), uint64(words[2])}
	}
	return states
}

// arguments are those of the script. For a batch with an invalid request they have
// only the counters, because nothing is counted.
func (r *Redis) arguments(now int64, b batch, x *exchange) []string {
	args := make([]string, 1, 1+8*len(b.counters)+3*len(b.requests))
	if !r.cfg.OwnClock {
		args[0] = strconv.FormatInt(now, 10)
	}
	for i := range b.counters {
		key := &b.counters[i].Key
		args = append(args, key.Algorithm.String(),
			strconv.FormatInt(min(key.Duration, exact-1), 10))
		args = appendState(args, x.synced[i])
		args = appendState(args, x.owed[i])
	}
	if slices.ContainsFunc(b.requests, func(q Request) bool { return q.invalid() }) {
		return args
	}
	for i := range b.requests {
		q := &b.requests[i]
		args = append(args, strconv.Itoa(b.of[i]+1), strconv.FormatInt(q.Limit, 10),
			strconv.FormatInt(q.Cost, 10))
	}
	return args
}

func appendState(args []string, s state) []string {
	return append(args, strconv.FormatUint(s.a, 10), strconv.FormatUint(s.b, 10),
		strconv.FormatUint(s.c, 10))
}
