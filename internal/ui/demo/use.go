package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// pause is how long the clock stands still at a time.
const pause = 3 * time.Minute

// use verifies keys, more of them by day than by night, and with a burst of one customer.
func (d *demo) use(ctx context.Context) error {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same story each time
	begin := d.now.Add(-traffic)
	steps := int(traffic / pause)
	for i := range steps {
		at := begin.Add(time.Duration(i) * pause)
		day := 1 - .6*math.Cos(2*math.Pi*float64(at.Hour()*60+at.Minute())/1440)
		for _, u := range d.users {
			n := float64(u.perDay) / float64(steps) * day * (.8 + .4*random.Float64())
			for j := range int(n + random.Float64()) {
				d.at(at.Add(time.Duration(j) * pause / 64))
				if err := d.verify(ctx, u); err != nil {
					return err
				}
			}
		}
		if i > steps*2/3 && i < steps*3/4 { // acct_pellworth meets its limit
			d.at(at)
			for range 60 {
				if err := d.verify(ctx, d.users[4]); err != nil {
					return err
				}
			}
		}
		if err := d.limit(ctx, at, random.IntN(3)); err != nil {
			return err
		}
	}
	d.at(d.now)
	return nil
}

func (d *demo) verify(ctx context.Context, u user) error {
	_, err := d.Keys.Verify(ctx, latchkey.VerifyKeyRequest{
		Key: u.key, Tags: u.tags, Permissions: u.asks,
	})
	return err
}

// limit asks a namespace some times.
func (d *demo) limit(ctx context.Context, at time.Time, times int) error {
	d.at(at)
	for i := range times {
		if _, err := d.Ratelimits.Limit(ctx, latchkey.LimitRequest{
			Namespace: "uploads", Identifier: fmt.Sprintf("bot_%d", i), Limit: 10,
			Duration: latchkey.Per(time.Hour),
		}); err != nil {
			return err
		}
	}
	return nil
}
