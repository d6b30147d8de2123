# The project's commands. `make help` lists them.

GO        ?= go
GOLANGCI  ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
NODES     ?= 3
KEEP      ?=
SHORT     ?=
ARGS      ?=
PREFIX    ?= /usr/local
FUZZTIME  ?= 60s

# The programs, and the names under which the first of them is called, too.
PROGRAMS := agent apply-vpn-routes
NAMES    := api-cli switch-leader vpn-status wireguard-go

# Race detection needs cgo, and this a compiler; no test is cached, since most
# of them depend on more than their code.
TESTFLAGS ?= -race -shuffle=on -count=1 -timeout=14m

.DEFAULT_GOAL := help
.PHONY: help build install demo test test-kernel chaos chaos-cluster lint fmt fuzz bench bench-failover clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the programs, with links for their names, and the lab into build/
	@mkdir -p build
	$(GO) build -o build/ $(PROGRAMS:%=./cmd/%) ./integration/cmd/lab
	@for name in $(NAMES); do ln -sf agent build/$$name; done

install: build ## install the programs and their names into PREFIX/bin
	install -d $(DESTDIR)$(PREFIX)/bin
	install $(PROGRAMS:%=build/%) $(DESTDIR)$(PREFIX)/bin
	@for name in $(NAMES); do ln -sf agent $(DESTDIR)$(PREFIX)/bin/$$name; done

demo: ## a cluster on this machine, and a worker promoted (root; NODES=5, KEEP=1)
	@scripts/install-deps demo
	@$(MAKE) --no-print-directory -s build
	@build/lab demo --nodes $(NODES) $(if $(KEEP),--keep)

test: ## install what is missing, and run all tests (as root: all of them)
	@scripts/install-deps test
	CGO_ENABLED=1 $(GO) test $(TESTFLAGS) ./...

test-kernel: ## the tests of the VPN on Debian's kernel, in a virtual machine (root; SHORT=1)
	@scripts/install-deps kernel
	@scripts/test-kernel $(if $(SHORT),--short)

chaos: ## kill, stop and cut the agent and its Redis, and see that no task is lost or doubled (ARGS=--help)
	@scripts/install-deps demo
	@$(MAKE) --no-print-directory -s build
	@$(GO) build -o build/chaos ./integration/chaos
	@build/chaos $(ARGS)

chaos-cluster: ## cut, kill and stop nodes and their parts while the leader changes, and see that the cluster heals (root; ARGS=--help)
	@scripts/install-deps demo
	@$(MAKE) --no-print-directory -s build
	@$(GO) build -o build/turmoil ./integration/turmoil
	@build/turmoil $(ARGS)

lint: ## check the style (needs the module proxy once)
	$(GOLANGCI) run ./...
	cd integration/bench && $(GOLANGCI) run -c ../../.golangci.yml ./...

fmt: ## format the code
	$(GOLANGCI) fmt ./...

# Minimizing an interesting input may take a minute, in which nothing else is tried: ten attempts have to do.
fuzz: ## run each fuzz target for FUZZTIME
	@grep -rl --include=*_test.go '^func Fuzz' . | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p' "$$file"); do \
			echo "== $$target ($$(dirname "$$file"))"; \
			$(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=10x "./$$(dirname "$$file")" || exit 1; \
		done; \
	done

bench: ## measure the agent and the VPN (root), and beside them their limits and another task queue
	@scripts/install-deps demo
	@$(MAKE) --no-print-directory -s build
	@cd integration/bench && $(GO) run .

bench-failover: ## measure the change of the leader, alive and dead, and see that nothing is lost (root; ARGS=--help)
	@scripts/install-deps demo
	@$(MAKE) --no-print-directory -s build
	@$(GO) build -o build/failover ./integration/failover
	@build/failover $(ARGS)

clean: ## remove what was built
	rm -rf build
