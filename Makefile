# Everything a developer or CI does with this repository. It needs Go, gcc, make and (for the walk-through)
# Node; golangci-lint is built once into .tools.
.DEFAULT_GOAL := help
SHELL := bash
export CGO_ENABLED := 1

# Runs "go test", shows what failed and counts, so that "make test" can add up over its parts.
GOTEST := go run ./.ci/gotest
# The end-to-end tests start real processes; the rest is everything but them.
E2E := ./cmd/...
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
	@.ci/parts build verify lint race e2e bench fuzz

.PHONY: verify
verify: ## Prove that what is generated, copied or formatted is current.
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	  test -z "$$unformatted" || { echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; }
	go mod verify
	go test -run '^TestStatesDoc$$' ./dispatch
	@if test -f ../shared/design/contract.md; then cmp docs/contract.md ../shared/design/contract.md; fi

.PHONY: states
states: ## Write docs/states.md anew from the transition table.
	go test -run '^TestStatesDoc$$' ./dispatch -rewrite

.PHONY: fit
fit: ## Fit the demand of San Francisco anew from ../shared/data.
	go test -run '^TestDemandFit$$' ./dispatch/sim -rewrite

.PHONY: lint
lint: ## Run the linters of .golangci.yaml.
	"$$(.ci/golangci-lint)" run

.PHONY: race
race: ## Run all tests but the end-to-end ones, with the race detector.
	$(GOTEST) -race $(REST)

.PHONY: e2e
e2e: ## Run the end-to-end tests: real processes, sockets and files.
	$(GOTEST) -race $(E2E)

.PHONY: fuzz
fuzz: ## Run each fuzz target for 5 seconds.
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort | while IFS=: read -r file name; do \
	  echo "$$(dirname "$$file") $${name#func }"; \
	  go test -run '^$$' -fuzz "^$${name#func }\$$" -fuzztime 5s "$$(dirname "$$file")" || exit 1; \
	done

.PHONY: bench
bench: ## Run each benchmark once, to prove that it works; for figures see docs/bench.
	$(GOTEST) -run '^$$' -bench . -benchtime 1x $(REST)

.PHONY: clean
clean: ## Remove what was built; data and .tools stay.
	rm -rf bin

.PHONY: compilers
compilers:
	@command -v go >/dev/null || { echo "hexfleet is built with Go 1.26 or later: https://go.dev/dl"; exit 1; }
	@command -v gcc >/dev/null || { echo "hexfleet needs gcc: H3 and SQLite are C libraries (Debian: apt-get install gcc libc6-dev)"; exit 1; }
