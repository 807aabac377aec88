# AltNet. `make run` starts the desktop program where there is a display, else
# a node with a prompt; `make test` runs everything the CI runs. Both install
# what a bare Debian lacks, where they may.

GO      ?= go
ARGS    ?=
# No C is needed but by the window and the race detector.
NOCGO   := CGO_ENABLED=0
LDFLAGS := -s -w
SYSTEMS := linux/amd64 linux/arm64 windows/amd64 windows/arm64 darwin/amd64 darwin/arm64

.PHONY: dist run build test race vet lint vuln e2e bench fuzz cross clean window need-certs need-cc need-e2e need-desk need-window

# WINDOW=0 leaves the window out.
WINDOW ?= $(if $(DISPLAY)$(WAYLAND_DISPLAY),1,0)
run: $(if $(filter 1,$(WINDOW)),window) build
	@if test "$(WINDOW)" = 1 && test -x altnet-desktop; then exec ./altnet-desktop $(ARGS); else exec ./altnet $(ARGS); fi

# The program with the window. The first build takes minutes; without a C
# compiler and the headers of OpenGL, X11 and Wayland there is none, which is said.
window: need-window
	@if command -v gcc >/dev/null && test -e /usr/include/GL/gl.h; then \
		echo "building the window"; \
		CGO_ENABLED=1 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o altnet-desktop .; \
	else rm -f altnet-desktop; echo "no C compiler or no OpenGL headers: the window is left out"; fi

build: need-certs
	$(NOCGO) $(GO) build -tags nogui -trimpath -ldflags '$(LDFLAGS)' -o altnet .

# E2E=0 leaves out what drives the real program, TESTFUZZ=0 the fuzzers.
E2E ?= 1
test: lint
	$(NOCGO) $(GO) test -tags nogui ./...
	$(MAKE) race
	@test "$(E2E)" = 0 || $(MAKE) e2e
	$(MAKE) fuzz FUZZTIME=$(TESTFUZZ)
	$(MAKE) vuln

# Whole networks of the real program, real documentation, a real browser.
# The giant file and the idle node take long: see e2e/memory_test.go.
KILLS ?= 10
e2e: need-e2e need-desk build window
	$(NOCGO) $(GO) test -tags nogui ./e2e -count 1 -timeout 30m -e2e -altnet $(CURDIR)/altnet $(addprefix -window ,$(wildcard $(CURDIR)/altnet-desktop)) -kills $(KILLS) $(E2EFLAGS)

# The race detector needs a C compiler; where none can be had, say so.
race: need-cc
	@if command -v gcc >/dev/null || command -v clang >/dev/null; then \
		CGO_ENABLED=1 $(GO) test -tags nogui -race -short ./...; \
	else echo "no C compiler: the race detector is left out"; fi

vet: need-certs
	$(NOCGO) $(GO) vet -tags nogui ./...

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

lint: vet
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "gofmt: $$files"; exit 1; }
	$(NOCGO) $(GO) run $(STATICCHECK) -tags nogui ./...

# The list of vulnerabilities is on the internet; without it there is nothing
# to compare with, which is said and is no failure.
vuln: need-certs
	@mkdir -p dist
	@$(NOCGO) $(GO) run $(GOVULNCHECK) -tags nogui ./... > dist/vuln.txt 2>&1; code=$$?; \
	if grep -q 'fetching vulnerabilities' dist/vuln.txt && ! grep -q '^Vulnerability' dist/vuln.txt && test $$code != 0; \
	then echo "govulncheck: the list of vulnerabilities cannot be had here"; \
	else cat dist/vuln.txt; exit $$code; fi

# Each figure stands beside its ceiling, measured in the same run: ROUNDS of a
# few minutes, whose medians the table holds, and an idle node watched for IDLE.
ROUNDS ?= 3
IDLE   ?= 3m
bench: need-certs
	@mkdir -p dist
	@$(NOCGO) .ci/bench $(ROUNDS) $(IDLE) | tee dist/bench.txt
	@$(GO) run ./e2e/table < dist/bench.txt | tee dist/bench.md

FUZZTIME ?= 10s
TESTFUZZ ?= 2s
fuzz: need-certs
	@test "$(FUZZTIME)" = 0 || .ci/fuzz $(FUZZTIME)

# A node without the window for every system, and their tests compiled.
cross: need-certs
	@mkdir -p dist
	@set -e; for s in $(SYSTEMS); do \
		os=$${s%/*}; arch=$${s#*/}; ext=; test $$os = windows && ext=.exe || true; \
		echo "dist/altnet-$$os-$$arch$$ext"; \
		$(NOCGO) GOOS=$$os GOARCH=$$arch $(GO) build -tags nogui -trimpath -ldflags '$(LDFLAGS)' -o dist/altnet-$$os-$$arch$$ext .; \
	done
	@set -e; for os in windows darwin; do $(NOCGO) GOOS=$$os $(GO) vet -tags nogui ./...; done

# Everything that people install and that can be built here: see
# packaging/README.md. TARGETS="linux windows macos" limits it.
TARGETS ?=
dist: need-certs
	packaging/dist $(TARGETS)

clean:
	rm -rf altnet altnet.exe altnet-desktop dist

# Downloading modules needs the roots of trust.
need-certs:
	@.ci/need ca-certificates /etc/ssl/certs/ca-certificates.crt

need-e2e: need-certs
	@.ci/need postgresql-doc-15 /usr/share/doc/postgresql-doc-15/html
	@.ci/need python3-doc /usr/share/doc/python3.11/html
	@.ci/need chromium chromium
	@.ci/need firefox-esr firefox-esr
	@.ci/need libnss3-tools certutil
	@.ci/need dbus-daemon dbus-daemon
	@.ci/need libglib2.0-bin gsettings
	@.ci/need gsettings-desktop-schemas /usr/share/glib-2.0/schemas/org.gnome.system.proxy.gschema.xml
	@.ci/need bind9-dnsutils dig
	@.ci/need openssl openssl
	@.ci/need curl curl
	@.ci/need iproute2 ip

# What the tests of the desktop drive: a display, a window manager, a bus, a
# program to drag from, and eyes.
need-desk: need-certs
	@.ci/need xvfb Xvfb
	@.ci/need openbox openbox
	@.ci/need xdotool xdotool
	@.ci/need dbus dbus-daemon
	@.ci/need libgl1-mesa-dri /usr/share/doc/libgl1-mesa-dri
	@.ci/need python3-gi /usr/lib/python3/dist-packages/gi
	@.ci/need gir1.2-gtk-3.0 /usr/share/doc/gir1.2-gtk-3.0
	@.ci/need imagemagick import
	@.ci/need tesseract-ocr tesseract

need-window: need-certs need-cc
	@.ci/need pkg-config pkg-config
	@.ci/need libgl-dev /usr/include/GL/gl.h
	@.ci/need libx11-dev /usr/include/X11/Xlib.h
	@.ci/need libxcursor-dev /usr/include/X11/Xcursor/Xcursor.h
	@.ci/need libxrandr-dev /usr/include/X11/extensions/Xrandr.h
	@.ci/need libxinerama-dev /usr/include/X11/extensions/Xinerama.h
	@.ci/need libxi-dev /usr/include/X11/extensions/XInput2.h
	@.ci/need libxxf86vm-dev /usr/include/X11/extensions/xf86vmode.h
	@.ci/need libegl-dev /usr/include/EGL/egl.h
	@.ci/need libwayland-dev /usr/include/wayland-client-core.h
	@.ci/need libxkbcommon-dev /usr/include/xkbcommon/xkbcommon.h

need-cc:
	@.ci/need gcc gcc
	@.ci/need libc6-dev /usr/include/stdlib.h
