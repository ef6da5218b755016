package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/latchkeyhq/latchkey/bench/report"
)

// describeMachine describes this machine.
func describeMachine(data string) report.Machine {
	return report.Machine{
		CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(),
		Memory: field("/proc/meminfo", "MemTotal"),
		Kernel: word("/proc/sys/kernel/osrelease", 0), Disk: fileSystem(data),
		Load: word("/proc/loadavg", 0),
	}
}

// field returns the value of the first line "name : value" of a file.
func field(file, name string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// word returns the i-th word of a file.
func word(file string, i int) string {
	text, _ := os.ReadFile(file)
	if words := strings.Fields(string(text)); i < len(words) {
		return words[i]
	}
	return "unknown"
}

// fileSystem returns the file system of a folder. The numbers are from statfs(2).
func fileSystem(dir string) string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return "unknown"
	}
	switch s.Type {
	case 0xEF53:
		return "ext4"
	case 0x58465342:
		return "xfs"
	case 0x9123683E:
		return "btrfs"
	case 0x01021994:
		return "tmpfs: memory, so durable writes are not durable"
	case 0x794C7630:
		return "overlayfs"
	}
	return fmt.Sprintf("type %#x", s.Type)
}

// versions returns the versions of the measured programs.
func versions() map[string]string {
	v := map[string]string{
		"Go": runtime.Version(), "Latchkey": firstLineOf("git", "describe", "--always", "--dirty"),
		"gubernator": gubernator.version, "envoyproxy/ratelimit": envoy.version,
		"Redis":      firstLineOf("redis-server", "--version"),
		"PostgreSQL": firstLineOf(postgresBin+"/postgres", "--version"),
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, m := range info.Deps {
		switch m.Path {
		case "github.com/sethvargo/go-limiter", "github.com/go-redis/redis_rate/v10",
			"github.com/jackc/pgx/v5", "google.golang.org/grpc", "modernc.org/sqlite":
			v[m.Path] = m.Version
		}
	}
	return v
}

// firstLineOf returns the first line of a command's output.
func firstLineOf(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "not installed"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}
