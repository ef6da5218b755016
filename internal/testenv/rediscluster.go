package testenv

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// RedisCluster is a Redis Cluster that belongs to one test.
type RedisCluster struct {
	URL       string    // with the addresses of the primaries
	Primaries []*Server // three, with a third of the slots each
	Replicas  []*Server // the replica of each primary
	t         testing.TB
}

// clusterSlots is the number of slots of every Redis Cluster.
const clusterSlots = 16384

// StartRedisCluster starts a cluster of three primaries with a replica each. A replica is
// promoted some seconds after its primary is gone.
func StartRedisCluster(t testing.TB) *RedisCluster {
	t.Helper()
	c := &RedisCluster{t: t}
	for range 3 {
		c.Primaries = append(c.Primaries, startClusterServer(t))
		c.Replicas = append(c.Replicas, startClusterServer(t))
	}
	for i, s := range c.Primaries {
		c.command(s, fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", i*clusterSlots/3,
			(i+1)*clusterSlots/3-1))
	}
	for _, s := range append(c.Primaries[1:], c.Replicas...) {
		host, port, _ := net.SplitHostPort(c.Primaries[0].Addr)
		c.command(s, fmt.Sprintf("CLUSTER MEET %s %s %s", host, port, c.busPort(c.Primaries[0])))
	}
	for i, s := range c.Replicas {
		id := c.idOf(c.Primaries[i])
		c.await("a replica that knows its primary", func() bool {
			_, err := redisCommands(s.Addr, "CLUSTER REPLICATE "+id)
			return err == nil
		})
	}
	c.await("a cluster that serves", func() bool {
		for i := range c.Primaries {
			state, _ := redisCommands(c.Primaries[i].Addr, "CLUSTER INFO")
			link, _ := redisCommands(c.Replicas[i].Addr, "INFO replication")
			if !strings.Contains(state, "cluster_state:ok") ||
				!strings.Contains(link, "master_link_status:up") {
				return false
			}
		}
		return true
	})
	var addrs []string
	for _, s := range c.Primaries {
		addrs = append(addrs, s.Addr)
	}
	c.URL = "redis://" + strings.Join(addrs, ",")
	return c
}

// startClusterServer starts a server with a port of its own for the other servers, whose
// default is beyond the range of free ports.
func startClusterServer(t testing.TB) *Server {
	t.Helper()
	bus, err := freePort()
	must(t, err)
	return StartRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000",
		"--cluster-port", fmt.Sprint(bus))
}

func (c *RedisCluster) command(s *Server, command string) string {
	c.t.Helper()
	reply, err := redisCommands(s.Addr, command)
	must(c.t, err)
	return reply
}

func (c *RedisCluster) idOf(s *Server) string {
	c.t.Helper()
	for line := range strings.Lines(c.command(s, "CLUSTER MYID")) {
		if id := strings.TrimSpace(line); len(id) == 40 {
			return id
		}
	}
	c.t.Fatal("a server of the cluster has no id")
	return ""
}

func (c *RedisCluster) busPort(s *Server) string {
	c.t.Helper()
	lines := strings.Fields(c.command(s, "CONFIG GET cluster-port"))
	for i, word := range lines {
		if word == "cluster-port" && i+2 < len(lines) {
			return lines[i+2]
		}
	}
	c.t.Fatal("a server of the cluster has no port for the others")
	return ""
}

// PrimaryOf returns the index of the primary that has a key before any failover.
func (c *RedisCluster) PrimaryOf(key string) int {
	c.t.Helper()
	reply, slot := c.command(c.Primaries[0], "CLUSTER KEYSLOT "+key), 0
	if _, err := fmt.Sscanf(reply, ":%d", &slot); err != nil {
		c.t.Fatalf("slot of %q: %q", key, reply)
	}
	primary := 0
	for slot >= (primary+1)*clusterSlots/3 {
		primary++
	}
	return primary
}

func (c *RedisCluster) await(what string, done func() bool) {
	c.t.Helper()
	must(c.t, waitFor(what, func() (bool, error) { return done(), nil }))
}
