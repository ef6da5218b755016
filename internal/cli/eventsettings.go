package cli

import (
	"errors"
	"time"
)

// eventSettings say what is recorded of verifications and decisions on rate limits.
type eventSettings struct {
	Events          string        `env:"LATCHKEY_EVENTS" enum:"on,off" default:"on" help:"Whether verifications and decisions on rate limits are recorded, for analytics and usage: ${enum}."`
	EventsRetention time.Duration `env:"LATCHKEY_EVENTS_RETENTION" default:"2160h" placeholder:"TIME" help:"How long single events are kept (default: 90 days). Sums by hour, day and month are kept longer."`
	EventsBytes     int64         `env:"LATCHKEY_EVENTS_BYTES" default:"10000000000" placeholder:"N" help:"Bytes that single events can take; the oldest are deleted beyond it (default: 10 GB)."`
}

// validate refuses settings that keep hardly anything.
func (s *eventSettings) validate() error {
	if s.EventsRetention < time.Hour || s.EventsBytes < 1<<20 {
		return errors.New("--events-retention must be at least an hour and --events-bytes a " +
			"megabyte; to record nothing, use --events off")
	}
	return nil
}
