package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
)

// TestHeadroomTakesNoMemory, and the collector counts on it all the same.
func TestHeadroomTakesNoMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc")
	}
	runtime.GC()
	debug.FreeOSMemory() // a block that was used before would have to be cleared
	memory, goal := resident(t), heapGoal()
	block := headroom()
	runtime.GC()
	if more := resident(t) - memory; more > 8<<20 {
		t.Errorf("it takes %d bytes", more)
	}
	if more := heapGoal() - goal; more < 32<<20 {
		t.Errorf("the heap may grow by %d bytes more", more)
	}
	runtime.KeepAlive(block)
}

// TestThereIsNoHeadroomWhereMemoryIsTight: the collector would count it.
func TestThereIsNoHeadroomWhereMemoryIsTight(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(255 << 20))
	if n := len(headroom()); n > 0 {
		t.Errorf("there are %d bytes", n)
	}
}

// resident returns how many bytes of memory this process takes.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// heapGoal returns how large the heap may become before it is collected.
func heapGoal() int {
	sample := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}
