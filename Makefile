# `make check` is what a change must pass. .ci/run passes it and the targets below
# that take longer.

SHELL := /bin/bash -o pipefail
TOOLS := $(CURDIR)/.tools
SQLC := $(TOOLS)/sqlc
LINTER := $(TOOLS)/golangci-lint

# The program is built without C, and so is everything that isn't tested for races.
export CGO_ENABLED = 0

# Tests aren't vetted again: make vet does that. The race detector leaves SQLite
# out, which is C translated to Go: it would find none of our races there, and
# doubles the processor time.
TEST := go test -json -vet=off -parallel 8 -timeout 20m
RACE := CGO_ENABLED=1 $(TEST) -race \
	'-gcflags=modernc.org/sqlite/lib=-race=false -d=checkptr=0' \
	'-gcflags=modernc.org/libc=-race=false -d=checkptr=0'

# Prints what go test would print, then the skipped tests. In CI only those listed
# in .ci/skips can be skipped.
LOG := go run ./internal/testlog .ci/skips

.PHONY: check fmt vet lint generated generate test nodes cluster hostile testenv shared adapters benchtest powercut releasetest release fuzz bench microbench build clean

check: fmt vet lint generated test nodes

fmt:
	@files=$$(gofmt -l . ); if [ -n "$$files" ]; then echo "gofmt these files:"; echo "$$files"; exit 1; fi

vet:
	go vet ./...

# .golangci.yml has the configuration.
lint: $(LINTER)
	$(LINTER) run --timeout 10m ./...

# What is generated and committed must be what its sources make today.
generated: $(SQLC)
	cd internal/store && $(SQLC) diff
	go test -count=1 -run 'TestCommitted.*Current' ./internal/wire/gen ./internal/spec ./internal/licenses/gen ./internal/cli

# The document is made by a program that needs the code of the other two.
generate: $(SQLC)
	PATH="$(TOOLS):$$PATH" go generate ./internal/store ./internal/wire
	go generate ./internal/spec ./internal/licenses ./internal/cli

# All tests of the module except those of the next three targets.
test:
	$(RACE) $$(go list ./... | grep -v -e /conformance/cluster -e /internal/testenv) | $(LOG)

# The guarantees of several nodes: all of them, or those that a change breaks first.
# They run alone, because they hold within a time.
CLUSTER := $(TEST) -count=1 ./conformance/cluster
cluster:
	$(CLUSTER) | $(LOG)
nodes:
	$(CLUSTER) -run 'Linearizable|WithinASecond|RepeatedRequests' | $(LOG)

# How long one tenant's revocations take beside another one that sends the heaviest
# requests, on one node and on two (-hostile-nodes 3: on three). The target cluster has a
# short form of it.
hostile:
	$(CLUSTER) -run Hostile -v -args -hostile-rounds 200 | $(LOG)

# The tests of the test tools, which start and kill many servers: for changes of
# internal/testenv.
testenv:
	$(RACE) ./internal/testenv | $(LOG)

# The same tests over the servers that nodes share, in each combination. They
# are started for the tests alone and end with them.
SHARED := ./internal/engine ./internal/server ./embedded ./conformance
shared:
	LATCHKEY_TEST_DATABASE=postgres LATCHKEY_TEST_REDIS=1 $(TEST) -count=1 $(SHARED) | $(LOG)
	LATCHKEY_TEST_DATABASE=postgres $(TEST) -count=1 $(SHARED) | $(LOG)
	LATCHKEY_TEST_REDIS=1 $(TEST) -count=1 $(SHARED) | $(LOG)

# Each adapter is a module of its own, so that nobody downloads a framework that he
# doesn't use.
adapters:
	@set -e; for mod in adapters/*/go.mod; do dir=$${mod%/go.mod}; echo "$$dir"; \
		go -C $$dir vet ./...; (cd $$dir && $(RACE) ./...) | $(LOG); done

# Acknowledged changes survive power failures: half of the cuts lose all unsynced
# data, half keep a random part of it. It needs root, to mount a file system.
CUTS := 200
powercut:
	go -C powercut vet ./...
	cd powercut && $(TEST) -count=1 -timeout 60m . -args -cuts $(CUTS) | (cd .. && $(LOG))

# What a release consists of, for all platforms, in the folder dist.
release:
	go -C deploy/release run . -out ../../dist

# The tests of the program that makes releases: its files for this machine's platform, from
# an ordinary build.
releasetest:
	go -C deploy/release vet ./...
	cd deploy/release && $(TEST) ./... | (cd ../.. && $(LOG))

# A look at each fuzz target, some seconds long.
fuzz:
	@set -e; go list ./... | while read -r pkg; do \
		go test -list '^Fuzz' "$$pkg" | grep '^Fuzz' | while read -r target; do \
			echo "$$pkg $$target"; go test -run xxx -fuzz "^$$target$$" -fuzztime 10s "$$pkg"; done; done

# Beside ceilings and rivals, in a quarter of an hour; bench/README.md says how.
bench:
	cd bench && go build -o .bin/bench . && .bin/bench

# The tests of the benchmark program.
benchtest:
	go -C bench vet ./...
	cd bench && $(TEST) ./... | (cd .. && $(LOG))

microbench:
	go test -run xxx -bench . -benchmem ./internal/engine ./internal/server ./internal/wire ./internal/ratelimit ./internal/rbac

build:
	go build -trimpath -o bin/latchkey ./cmd/latchkey

# The tools are pinned here and not in go.mod, so that nobody who uses the
# module downloads them.
$(SQLC):
	CGO_ENABLED=1 GOBIN=$(TOOLS) go install github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1
$(LINTER):
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

clean:
	rm -rf bin dist .tools
