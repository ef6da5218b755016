package latchkey

import "context"

// SystemHealthRequest asks how the service is.
type SystemHealthRequest struct{}

// SystemHealth is the state of the service as the node that responded sees it.
type SystemHealth struct {
	// Ready reports whether the node wants requests.
	Ready bool `json:"ready" check:"required"`
	// Reason is why the node isn't ready; absent if it is.
	Reason string `json:"reason,omitempty"`
	// Version is the version of the node's program; absent if it isn't known.
	Version string `json:"version,omitempty"`
	// StartedAt is when the node started, in unix milliseconds.
	StartedAt Time `json:"startedAt" check:"required"`
	// Nodes are the nodes that share the database; only this one if it isn't shared.
	Nodes []SystemNode `json:"nodes" check:"required"`
	// Database is the state of the database.
	Database SystemDatabase `json:"database" check:"required"`
	// Ratelimits says where rate limits are counted.
	Ratelimits SystemRatelimits `json:"ratelimits" check:"required"`
	// Events are the recorded verifications and decisions on rate limits; absent if none are
	// recorded.
	Events *SystemEvents `json:"events,omitempty"`
	// Disk is the file system of the data folder; absent where it isn't known.
	Disk *SystemDisk `json:"disk,omitempty"`
	// Backup are the scheduled backups; absent if there are none.
	Backup *SystemBackup `json:"backup,omitempty"`
}

// SystemNode is a node of the service.
type SystemNode struct {
	// NodeID is the name of the process, which is new at each start; empty if the database isn't
	// shared.
	NodeID string `json:"nodeId" check:"required"`
	// Self marks the node that responded.
	Self bool `json:"self" check:"required"`
	// Alive reports whether the node still counts up its heartbeats.
	Alive bool `json:"alive" check:"required"`
	// Silence is the time since its last heartbeat, as this node noticed it, in milliseconds.
	Silence Duration `json:"silence" check:"required"`
}

// SystemDatabase is the state of the database.
type SystemDatabase struct {
	// Kind is "sqlite", or "postgres" for a shared database.
	Kind string `json:"kind" check:"required,enum=sqlite|postgres"`
	// Up reports whether it answered the read that this request made.
	Up bool `json:"up" check:"required"`
	// Writable reports whether it accepts changes, as far as the node knows.
	Writable bool `json:"writable" check:"required"`
	// Latency is how long the read took, in milliseconds.
	Latency Duration `json:"latency" check:"required"`
	// Lag is the time since the changes of other nodes were last read, in milliseconds; absent if
	// the database isn't shared. Beyond MaxLag the node reads every key from the database.
	Lag Duration `json:"lag,omitzero"`
	// MaxLag is the age up to which cached keys are used, in milliseconds; absent if the database
	// isn't shared.
	MaxLag Duration `json:"maxLag,omitzero"`
}

// SystemRatelimits says where rate limits are counted.
type SystemRatelimits struct {
	// Counter is "memory", "redis", or "database" for rows of the shared database.
	Counter string `json:"counter" check:"required,enum=memory|redis|database"`
	// Mode is "exact", "fast" or "local".
	Mode string `json:"mode" check:"required,enum=exact|fast|local"`
	// Reachable is false while the counters that nodes share can't be reached. Then each node decides
	// by its share.
	Reachable bool `json:"reachable" check:"required"`
}

// SystemEvents are numbers of events of the node since it started.
type SystemEvents struct {
	// Written is how many events were stored.
	Written int64 `json:"written" check:"required"`
	// Dropped is how many were lost because the buffer was full or the database was down too long.
	Dropped int64 `json:"dropped" check:"required"`
	// WaitingBytes is the size of the events that wait for the database.
	WaitingBytes int64 `json:"waitingBytes" check:"required"`
	// FlushFailures is how often storing events failed and was tried again.
	FlushFailures int64 `json:"flushFailures" check:"required"`
}

// SystemDisk is a file system.
type SystemDisk struct {
	// FreeBytes is what can still be written.
	FreeBytes int64 `json:"freeBytes" check:"required"`
	// TotalBytes is its size.
	TotalBytes int64 `json:"totalBytes" check:"required"`
}

// SystemBackup are the scheduled backups.
type SystemBackup struct {
	// LastAt is when the newest backup was made, in unix milliseconds; absent if there is none yet.
	LastAt Time `json:"lastAt,omitzero"`
}

// System are the operations on the service itself, for its operator.
type System struct{ c *Client }

// Health reads how the service is, as the node that responds sees it.
func (s System) Health(ctx context.Context, opts ...CallOption) (SystemHealth, error) {
	return call[SystemHealth](ctx, s.c, "system.getHealth", &SystemHealthRequest{}, opts)
}
