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
// are doubles, hold every whole number.
const exact = 1 << 53

//go:embed redis.lua
var source string

// script is called by its hash, and sent where a server doesn't know it.
var script = rueidis.NewLuaScript(source)

// strict brings the numbers of a request to what the script holds. Larger limits
// are taken for the largest that it does, and a cost above that never fits. A
// limit that isn't positive refuses always, also what costs nothing on a counter
// that was never used: the script, which only compares, is given -1 for it.
func strict(r Request) Request {
	if r.Limit = min(r.Limit, exact-1); r.Limit <= 0 {
		r.Limit = -1
	}
	r.Cost = min(r.Cost, exact)
	return r
}

// name is a counter's key in Redis. All counters of a workspace share what
// stands in braces and so, in a cluster, a server. As the length of all but the
// last text is told, no two Keys have one name, whatever is in them.
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

// tag is what the names of all counters of a workspace begin with.
func tag(workspace string) []byte {
	b := append(make([]byte, 0, 128), "latchkey:{"...)
	b = strconv.AppendInt(b, int64(len(workspace)), 10)
	b = append(append(b, ':'), workspace...)
	return append(b, '}')
}

// run calls the script with the counters and requests of a batch, and with what
// this node has heard and owes on each counter. It returns the counters' states
// before the requests, and the time at which these were decided.
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
		return nil, 0, errors.New("the answer of the script can't be read")
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

// arguments are those of the script. Of a batch with an invalid request it only
// sends the counters, because nothing is to be counted.
func (r *Redis) arguments(now int64, b batch, x *exchange) []string {
	args := make([]string, 1, 1+8*len(b.counters)+3*len(b.requests))
	if !r.cfg.OwnClock {
		args[0] = strconv.FormatInt(now, 10)
	}
	for i := range b.counters {
		key := &b.counters[i].Key
		args = append(args, key.Algorithm.String(),
			strconv.FormatInt(min(key.Duration, exact-1), 10))
		args = appendState(args, x.heard[i])
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
