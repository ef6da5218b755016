# `make check` is all that CI runs on the Go code, and nothing that a person can't.

SHELL := /bin/bash
TOOLS := $(CURDIR)/.tools
SQLC := $(TOOLS)/sqlc
STATICCHECK := $(TOOLS)/staticcheck

.PHONY: check fmt vet lint generated generate test shared adapters powercut fuzz bench microbench build clean

check: fmt vet lint generated test

fmt:
	@files=$$(gofmt -l . ); if [ -n "$$files" ]; then echo "gofmt these files:"; echo "$$files"; exit 1; fi

vet:
	go vet ./...

lint: $(STATICCHECK)
	$(STATICCHECK) ./...

# What is generated and committed must be what its sources make today.
generated: $(SQLC)
	cd internal/store && $(SQLC) diff
	go test -count=1 -run 'TestCommitted.*Current' ./internal/wire/gen ./internal/spec ./internal/licenses/gen

# The document is made by a program that needs the code of the other two.
generate: $(SQLC)
	PATH="$(TOOLS):$$PATH" go generate ./internal/store ./internal/wire
	go generate ./internal/spec ./internal/licenses

# Clusters are tested alone: what they promise within a time they can't keep on
# processors that others use.
test:
	go test -race $$(go list ./... | grep -v /conformance/cluster)
	go test -count=1 ./conformance/cluster

# The same tests over the servers that nodes share, in each combination. They
# are started for the tests alone and end with them.
SHARED := ./internal/engine ./internal/server ./embedded ./conformance
shared:
	LATCHKEY_TEST_DATABASE=postgres LATCHKEY_TEST_REDIS=1 go test -count=1 -p 2 $(SHARED)
	LATCHKEY_TEST_DATABASE=postgres go test -count=1 -p 2 $(SHARED)
	LATCHKEY_TEST_REDIS=1 go test -count=1 -p 2 $(SHARED)

# The adapters are a module of their own, so that nobody who uses the root
# downloads web frameworks.
adapters:
	cd adapters && go vet ./... && go test -race ./...

# What was answered survives power failures: 200 of them, half losing all that was
# not synced and half keeping a random part. It needs root, to mount a file system.
powercut:
	cd powercut && go vet ./... && go test -count=1 -timeout 60m . -args -cuts 200

# A look at each fuzz target, some seconds long.
fuzz:
	@set -e; go list ./... | while read -r pkg; do \
		go test -list '^Fuzz' "$$pkg" | grep '^Fuzz' | while read -r target; do \
			echo "$$pkg $$target"; go test -run xxx -fuzz "^$$target$$" -fuzztime 10s "$$pkg"; done; done

# Beside ceilings and rivals, in a quarter of an hour; bench/README.md says how.
bench:
	cd bench && go build -o .bin/bench . && .bin/bench

microbench:
	go test -run xxx -bench . -benchmem ./internal/engine ./internal/server ./internal/wire ./internal/ratelimit ./internal/rbac

build:
	CGO_ENABLED=0 go build -trimpath -o bin/latchkey ./cmd/latchkey

# The tools are pinned here and not in go.mod, so that nobody who uses the
# module downloads them.
$(SQLC):
	GOBIN=$(TOOLS) go install github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1
$(STATICCHECK):
	GOBIN=$(TOOLS) go install honnef.co/go/tools/cmd/staticcheck@v0.8.2

clean:
	rm -rf bin .tools
