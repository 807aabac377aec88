# AltNet. `make run` starts a node, `make test` runs everything the CI runs.
# Both install what a bare Debian lacks, where they may.

GO      ?= go
ARGS    ?=
# No C is needed but by the race detector.
NOCGO   := CGO_ENABLED=0
LDFLAGS := -s -w
SYSTEMS := linux/amd64 linux/arm64 windows/amd64 windows/arm64 darwin/amd64 darwin/arm64

.PHONY: run build test race vet lint bench fuzz cross clean need-certs need-cc

run: build
	./altnet $(ARGS)

build: need-certs
	$(NOCGO) $(GO) build -tags nogui -trimpath -ldflags '$(LDFLAGS)' -o altnet .

test: vet
	$(NOCGO) $(GO) test -tags nogui ./...
	$(MAKE) race

# The race detector needs a C compiler; where none can be had, say so.
race: need-cc
	@if command -v gcc >/dev/null || command -v clang >/dev/null; then \
		CGO_ENABLED=1 $(GO) test -tags nogui -race -short ./...; \
	else echo "no C compiler: the race detector is left out"; fi

vet: need-certs
	$(NOCGO) $(GO) vet -tags nogui ./...

lint: vet
	@test -z "$$(gofmt -l *.go assets e2e engine platform ui 2>/dev/null)" || { gofmt -l .; exit 1; }
	@if command -v staticcheck >/dev/null; then staticcheck -tags nogui ./...; fi

# Each figure stands beside its ceiling, measured in the same run.
bench: need-certs
	@mkdir -p dist
	$(NOCGO) $(GO) test -tags nogui -run '^$$' -bench . -benchmem ./... | tee dist/bench.txt

FUZZTIME ?= 10s
fuzz: need-certs
	.ci/fuzz $(FUZZTIME)

# A node without the window for every system, and their tests compiled.
cross: need-certs
	@mkdir -p dist
	@set -e; for s in $(SYSTEMS); do \
		os=$${s%/*}; arch=$${s#*/}; ext=; test $$os = windows && ext=.exe || true; \
		echo "dist/altnet-$$os-$$arch$$ext"; \
		$(NOCGO) GOOS=$$os GOARCH=$$arch $(GO) build -tags nogui -trimpath -ldflags '$(LDFLAGS)' -o dist/altnet-$$os-$$arch$$ext .; \
	done
	@set -e; for os in windows darwin; do $(NOCGO) GOOS=$$os $(GO) vet -tags nogui ./...; done

clean:
	rm -rf altnet altnet.exe dist

# Downloading modules needs the roots of trust.
need-certs:
	@.ci/need ca-certificates /etc/ssl/certs/ca-certificates.crt

need-cc:
	@.ci/need gcc gcc
	@.ci/need libc6-dev /usr/include/stdlib.h
