# make demo   shows the product at work, and ends by itself
# make run    the same Caddy, kept running, with the demo application beside it;
#             PORT=8081 APP_PORT=9001 ADMIN_PORT=2020 if the usual ports are taken
# make test   all tests, with the race detector
# make build  bin/caddy: Caddy with this module
# make bench  how fast it is, beside plain Caddy; BENCHFLAGS=-help says more
# make soak   an hour at a steady rate: does anything grow, is anything lost? SOAKFLAGS="-soak 8h" for longer
# make torture  random faults against promises; TORTUREFLAGS="-minutes 60" for longer, -help says more
# make model  random walks through the stores, beside the model, from a seed of the clock;
#             MODELFLAGS="-model.walks=100000" for longer. What fails is a seed for modeltest's list
# make lint   gofmt, go vet, staticcheck, and whether all would compile on CROSS, other systems

MODULE := github.com/caddywebhooks/caddy-webhooks
CADDY_VERSION = $(shell go list -m -f '{{.Version}}' github.com/caddyserver/caddy/v2)
SOURCES := $(shell git ls-files '*.go' go.mod go.sum)
TESTFLAGS ?=
BENCHFLAGS ?=
SOAKFLAGS ?= -soak 1h
TORTUREFLAGS ?=
MODELFLAGS ?= -model.walks=2000
CROSS ?= windows/amd64 darwin/arm64 freebsd/amd64 linux/arm64
PORT ?= 8080
APP_PORT ?= 9000
ADMIN_PORT ?= 2019

.PHONY: demo run test build bench soak torture model lint deps vectors

demo: bin/caddy bin/demo
	bin/demo

run: bin/caddy bin/demo
	@PORT=$(PORT) APP_PORT=$(APP_PORT) ADMIN_PORT=$(ADMIN_PORT) bin/demo -keep

build: bin/caddy

bin/caddy: $(SOURCES)
	go tool xcaddy build $(CADDY_VERSION) --with $(MODULE)@v0.0.0=. --output $@

bin/demo: $(SOURCES)
	go build -o $@ ./examples/quickstart/demo

bench: bin/caddy bin/loadtest
	bin/loadtest $(BENCHFLAGS)

soak: bin/caddy bin/loadtest
	bin/loadtest $(SOAKFLAGS)

bin/loadtest: $(SOURCES)
	go build -o $@ ./internal/bench

torture: bin/caddy bin/torture
	bin/torture $(TORTUREFLAGS)

bin/torture: $(SOURCES)
	go build -o $@ ./internal/torture

model:
	go test -timeout 0 -v -run '^TestModel$$/^Walks$$' ./retrystore/filestore ./retrystore/redisstore -args -model.seed=0 $(MODELFLAGS)

test: deps bin/caddy
	CADDY_BIN=$(CURDIR)/bin/caddy CGO_ENABLED=1 go test -race -timeout 20m $(TESTFLAGS) ./...

lint:
	@test -z "$$(gofmt -l .)" || { echo "gofmt these files:"; gofmt -l .; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go run ./internal/crosscheck $(CROSS)

# What the tests need besides Go: a C compiler for the race detector, and
# node with the providers' own libraries for an independent second opinion.
deps:
	@.ci/deps

# Makes the providers' test vectors anew.
vectors: deps
	cd verify/testdata/vectors && node make.mjs
