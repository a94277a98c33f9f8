# Everything a developer or CI does with this repository. It needs Go, gcc, make and (for the walk-through, the
# board and its tests) Node; bench runs LEMON and scipy beside the solver; golangci-lint is built once into .tools.
.DEFAULT_GOAL := help
SHELL := bash
export CGO_ENABLED := 1

# Runs "go test", shows what failed and counts, so that "make test" can add up over its parts.
GOTEST := go run ./.ci/gotest
# The end-to-end tests start real processes; the rest is everything but them.
E2E := ./cmd/...
BOARD := gateway/board
REST = $(shell go list ./... | grep -v /cmd/)

.PHONY: help
help: ## List these targets.
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build and start a moving city on 127.0.0.1:8080; its data is gone when it stops.
	bin/hexfleet serve --demo

.PHONY: build
build: compilers ## Leave the program in bin/hexfleet.
	go build -o bin/hexfleet ./cmd/hexfleet

.PHONY: test
test: compilers ## Run every check in order, with the time of each; stop at the first that fails.
	@.ci/parts build verify lint race e2e browser bench fuzz

.PHONY: verify
verify: ## Prove that what is generated, copied or formatted is current.
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	  test -z "$$unformatted" || { echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; }
	go mod verify
	go test -run '^TestStatesDoc$$' ./dispatch
	go run ./.ci/mutants -fit
	@if test -f ../shared/design/contract.md; then \
	  ! diff ../shared/design/contract.md docs/contract.md | grep '^<' || { echo "docs/contract.md only adds to the contract"; exit 1; }; fi
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory boarddist; \
	  else echo "no Node here: whether gateway/board/dist is current was not proved"; fi

# The page is built aside and compared: the same sources and lock file give the same bytes.
.PHONY: boarddist
boarddist: $(BOARD)/node_modules/.package-lock.json
	@aside=$$(mktemp -d) && trap 'rm -rf "$$aside"' EXIT && (cd $(BOARD) && BOARD_OUT="$$aside" npx vite build --logLevel warn) && \
	  diff -rq "$$aside" $(BOARD)/dist || { echo "$(BOARD)/dist is not what the sources give: run make board"; exit 1; }

.PHONY: board
board: $(BOARD)/node_modules/.package-lock.json ## Build the live board's page into gateway/board/dist (needs Node).
	cd $(BOARD) && npx vite build --logLevel warn

.PHONY: browser
browser: node chromium build $(BOARD)/node_modules/.package-lock.json ## Test the board: its parts, and the page in Chromium.
	cd $(BOARD) && npm run --silent check && npx vitest run && node browser/run.mjs

$(BOARD)/node_modules/.package-lock.json: $(BOARD)/package-lock.json
	cd $(BOARD) && npm ci --ignore-scripts && touch node_modules/.package-lock.json

.PHONY: states
states: ## Write docs/states.md anew from the transition table.
	go test -run '^TestStatesDoc$$' ./dispatch -rewrite

.PHONY: fit
fit: ## Fit the demand of San Francisco anew from ../shared/data.
	go test -run '^TestDemandFit$$' ./dispatch/sim -rewrite

.PHONY: lint
lint: ## Run the linters of .golangci.yaml.
	"$$(.ci/golangci-lint)" run --allow-parallel-runners

.PHONY: race
race: ## Run all tests but the end-to-end ones, with the race detector.
	$(GOTEST) -race $(REST)

.PHONY: e2e
e2e: ## Run the end-to-end tests: real processes, sockets and files.
	$(GOTEST) -race $(E2E)

.PHONY: fuzz
fuzz: ## Run each fuzz target for 5 seconds.
	.ci/fuzz

.PHONY: bench
bench: compilers ## Run each benchmark once, and the solver beside its peers; for figures see docs/bench.
	$(GOTEST) -run '^$$' -bench . -benchtime 1x $(REST)
	go run ./.ci/peers -quick

.PHONY: peers
peers: compilers ## Time the solver beside LEMON and scipy in full, about 10 minutes; all costs must be equal.
	go run ./.ci/peers

.PHONY: soak
soak: ## Run the properties of the index and of the market ten times as long, a million steps each, with the race detector.
	HEXFLEET_SOAK=10 $(GOTEST) -race -timeout 30m -run '^TestIndex' ./geo
	HEXFLEET_SOAK=10 $(GOTEST) -race -timeout 60m -run '^TestCore_Step_keeps' ./dispatch/market

.PHONY: chaos
chaos: compilers ## Kill, cut off and race at full counts, about 25 minutes; PARTS="cuts crash" runs those parts alone.
	@.ci/chaos

.PHONY: mutants
mutants: compilers ## Seed known defects, one at a time, and want a named test to go red for each, about 10 minutes.
	go run ./.ci/mutants

.PHONY: clean
clean: ## Remove what was built; data and .tools stay.
	rm -rf bin

.PHONY: compilers
compilers:
	@command -v go >/dev/null || { echo "hexfleet is built with Go 1.26 or later: https://go.dev/dl"; exit 1; }
	@command -v gcc >/dev/null || { echo "hexfleet needs gcc: H3 and SQLite are C libraries (Debian: apt-get install gcc libc6-dev)"; exit 1; }

.PHONY: node
node:
	@command -v npm >/dev/null || { echo "the board is tested with Node 20 or later and npm (Debian: apt-get install nodejs npm)"; exit 1; }

.PHONY: chromium
chromium:
	@test -x /usr/bin/chromium || { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; } || \
	  { echo "the board is tested in Chromium (Debian: apt-get install chromium)"; exit 1; }
