# `make help` lists the targets. Whatever they make goes to .cache.

GO      ?= go
# The same for tests, tools and programs, so that each package is compiled once.
export CGO_ENABLED ?= 0
export GOFLAGS     ?= -trimpath
CACHE   := .cache
BIN     ?= bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
STAGE   := $(GO) run ./test/cluster/cmd/stage
IMAGES  ?= postgres-13 postgres-18 postgres-19
# Those of the tests against real PostgreSQL servers; the stage has others of its own.
SERVERS := postgres-13 postgres-15 postgres-17 postgres-18 postgres-19
# Those that drivers are tried with.
PROXIES := haproxy nginx
FUZZTIME ?= 10m
LINTERS := $(CACHE)/bin/golangci-lint
# What `make integration` tests, with its unit tests.
INTEGRATION := ./cmd/... ./steps/... ./controllers/... ./gitops/... ./test/pg/... ./test/ledger/... ./test/catalogue/... ./test/breakglass/...
# What takes part in `make e2e`, and in `make chaos`; each package has the stage for itself.
E2E     := ./test/cluster ./test/e2e ./test/e2e/fleet ./test/e2e/testenv ./test/e2e/security ./test/stress
CHAOS   := ./test/e2e/faults ./test/e2e/matrix
# Of `make stress`: how long, the plan's seed (0 takes one by chance), databases side by side.
DURATION ?= 20m
SEED     ?= 0
FLEETS   ?= 2
# Of `make bench-switch`: of its first case; of `make bench-growth`: of each shape.
SWITCHES ?= 20

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

##@ Without root

.PHONY: build
build: ## compile gitover to bin/
	$(GO) build -ldflags "-s -w -X github.com/gitover/gitover/internal/version.version=$(VERSION)" -o $(BIN)/ ./cmd/gitover ./cmd/gitover-agent

.PHONY: image
image: ## build the image for amd64 and arm64: IMAGE=registry/gitover:v1, PUSH=1 pushes it
	@IMAGE="$(IMAGE)" VERSION="$(VERSION)" tools/image.sh

.PHONY: signers
signers: # what people sign commits with, for tests; installed if it is missing
	@command -v gpg >/dev/null && command -v ssh-keygen >/dev/null || \
	{ apt-get update -q && apt-get install -y -q --no-install-recommends gnupg openssh-client; }

.PHONY: unit
unit: signers ## unit tests, without servers
	$(GO) test -short ./...

.PHONY: unit-others
unit-others: signers # the unit tests that integration leaves out
	@$(GO) test -short $$($(GO) list ./... | grep -vxF "$$($(GO) list $(INTEGRATION))")

.PHONY: race
race: signers ## all tests but the stage's under the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 60m ./...

.PHONY: fuzz
fuzz: ## every fuzzer in turn, each for FUZZTIME (10m)
	@$(GO) test -list '^Fuzz' ./... | awk '/^Fuzz/ {f[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, f[i]; n = 0}' | \
	while read -r package fuzzer; do \
		echo "$$package $$fuzzer"; \
		$(GO) test -run '^$$' -fuzz "^$$fuzzer\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null || exit 1; \
	done

.PHONY: lint
lint: $(LINTERS) ## formatting, vet, staticcheck, spelling and more: .golangci.yml
	$(GO) vet -tags crashpoints ./internal/crash ./cmd/gitover
	$(LINTERS) run ./...

$(CACHE)/bin/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	$(GO) -C tools/lint build -o $(abspath $@) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(CACHE)/bin/helm: tools/helm/go.mod tools/helm/go.sum
	$(GO) -C tools/helm build -o $(abspath $@) helm.sh/helm/v4/cmd/helm

.PHONY: release-check
release-check: ## let goreleaser check .goreleaser.yaml; compiling it takes minutes
	$(GO) -C tools/release build -o $(abspath $(CACHE)/bin/goreleaser) github.com/goreleaser/goreleaser/v2 && $(CACHE)/bin/goreleaser check

.PHONY: packaging
packaging: apiserver $(CACHE)/bin/helm ## what people install: chart, manifests, components, image; helm takes 6 minutes to compile
	GITOVER_INTEGRATION=1 $(GO) test -count=1 -timeout 30m ./test/packaging

.PHONY: monitoring
monitoring: ## alerts and dashboard of manifests/monitoring: Prometheus' own packages try them
	$(GO) -C tools/prometheus test -count=1 ./...

.PHONY: check
check: lint unit verify ## what a pull request has to pass first, without root

.PHONY: generate
generate: ## regenerate what is generated
	tools/generate.sh generate

.PHONY: verify
verify: ## fail if a generated file is out of date
	tools/generate.sh verify

##@ With root, on the stage

.PHONY: cluster
cluster: ## start the stage: Kubernetes, Flux, Git server, PostgreSQL images
	$(STAGE) up $(IMAGES)

.PHONY: cluster-down
cluster-down: ## remove the stage, but for its caches
	$(STAGE) down

.PHONY: cluster-status
cluster-status: ## what runs on the stage, and its memory
	$(STAGE) status

.PHONY: images
images: ## make the images (IMAGES=…), without starting anything
	$(STAGE) images $(SERVERS) $(PROXIES) $(IMAGES)

.PHONY: apiserver
apiserver: # a Kubernetes API server that tests run as a process
	$(STAGE) apiserver

.PHONY: integration
integration: images apiserver signers ## tests against real PostgreSQL servers, without the stage
	GITOVER_INTEGRATION=1 $(GO) test -count=1 -timeout 60m $(INTEGRATION)

.PHONY: gitea-stories
gitea-stories: images apiserver ## pull requests at a real Gitea, which compiles for minutes
	tools/gitea.sh v1.25.2
	GITOVER_INTEGRATION=1 GITOVER_GITEA=1 $(GO) test -count=1 -timeout 15m -v -run 'MergeButton|AtGitea' ./controllers ./gitops/pullrequest

.PHONY: catalogue
catalogue: images ## real applications' schemas up through every version and down again; RESUME=1 goes on
	GITOVER_INTEGRATION=1 GITOVER_FULL=1 $(GO) test -count=1 -timeout 120m -parallel 4 -v ./test/catalogue $(if $(RESUME),-resume)

.PHONY: bench-servers
bench-servers: images ## check, comparison, sequences, verification beside PostgreSQL's own programs: .cache/bench
	GITOVER_INTEGRATION=1 $(GO) test -count=1 -timeout 60m -run '^$$' -bench . -benchtime 1x ./test/bench/servers

.PHONY: bench-switch
bench-switch: ## switches forth and back beside other ways, on the running stage: SWITCHES=20
	$(GO) run ./test/bench/switches -switches $(SWITCHES)

.PHONY: bench-growth
bench-growth: ## how a switch grows with databases, sequences, tables and poolers, on the running stage: SWITCHES=20
	$(GO) run ./test/bench/switches -growth -switches $(SWITCHES)

.PHONY: bench-git
bench-git: ## a repository of 50,000 files and 100,000 commits, beside the git command
	$(GO) test -count=1 -timeout 30m -run '^$$' -bench . -benchtime 1x ./test/bench/git

.PHONY: bench-seed
bench-seed: ## copies of whole databases beside pgcopydb, pg_dump and others: SIZE=2048 (MiB) PAIRS=15-17,17-18
	$(STAGE) images $(SERVERS) pgcopydb
	GITOVER_INTEGRATION=1 $(GO) test -count=1 -timeout 180m -run '^$$' -bench . -benchtime 1x -v ./test/bench/seed

.PHONY: e2e
e2e: signers ## end-to-end tests on the running stage
	GITOVER_E2E=1 $(GO) test -count=1 -p 1 -timeout 45m -v $(E2E)

.PHONY: e2e-helm
e2e-helm: $(CACHE)/bin/helm ## end-to-end tests of installing, by helm, Flux and init, on the running stage
	GITOVER_E2E=1 GITOVER_FULL=1 $(GO) test -count=1 -timeout 45m -v -run "ByHelm|InitAdopts" ./test/e2e

.PHONY: e2e-cnpg
e2e-cnpg: ## end-to-end tests with the operator CloudNativePG, which compiles for minutes, on the running stage
	GITOVER_E2E=1 GITOVER_FULL=1 $(GO) test -count=1 -timeout 45m -v -run CloudNativePG ./test/e2e

.PHONY: chaos
chaos: ## every fault, and a crash at every step and part, on the running stage
	GITOVER_INTEGRATION=1 GITOVER_FULL=1 $(GO) test -count=1 -timeout 60m -run 'TestWhatever|TestASubscriptionOfOthersMoves' ./steps/switchover
	GITOVER_INTEGRATION=1 GITOVER_FULL=1 $(GO) test -count=1 -timeout 120m -skip TestRandomSchemas ./steps/postgres
	GITOVER_INTEGRATION=1 GITOVER_FULL=1 $(GO) test -count=1 -timeout 60m ./steps
	GITOVER_INTEGRATION=1 GITOVER_FULL=1 $(GO) test -count=1 -timeout 60m -run 'ClientsAreLetGo|WhatIsNotReplicated|MadeOnBothSides|FallsSilent|AnAgentThatRestarts|AClockThatWasSetBack|StartsDuringASwitch|AMigration|PastThePoolers|MoveTogether|AStubbornClient|GoesForthAndBack|ForgetsItsOpening' ./steps/switchover
	GITOVER_INTEGRATION=1 GITOVER_FULL=1 GITOVER_SEEDS=10 $(GO) test -count=1 -timeout 60m -run TestRandomSchemas -v ./steps/postgres
	GITOVER_FULL=1 $(GO) test -count=1 -timeout 30m -run ALongHistory ./gitops
	GITOVER_INTEGRATION=1 GITOVER_FULL=1 $(GO) test -count=1 -timeout 60m -run Dies ./steps/pooler/conformance
	GITOVER_INTEGRATION=1 GITOVER_FULL=1 $(GO) test -count=1 -timeout 30m -run TestTheWAL ./test/ledger
	GITOVER_E2E=1 GITOVER_FULL=1 $(GO) test -count=1 -timeout 60m -v ./test/cluster
	GITOVER_E2E=1 GITOVER_FULL=1 $(GO) test -count=1 -timeout 60m -v -run "WrongManifests|WrongCredentials|ChangesOfMind|Downgrade|VersionThatIsNone|DuringAPhysicalCopy|BehindAnotherProxy" ./test/e2e
	GITOVER_E2E=1 GITOVER_FULL=1 $(GO) test -count=1 -timeout 60m -v -run EveryRight ./test/e2e/security
	GITOVER_E2E=1 $(GO) test -count=1 -p 1 -timeout 60m -v $(CHAOS)

.PHONY: demo
demo: ## the whole story in one command; KEEP=1 leaves the stage up
	$(GO) run ./test/demo

.PHONY: stress
stress: ## random moves and faults under a ledger; DURATION=20m SEED=1 FLEETS=2
	$(GO) run ./test/stress -duration $(DURATION) -seed $(SEED) -fleets $(FLEETS)

.PHONY: test
test: lint verify unit-others integration ## all but packaging, monitoring, chaos, fuzz and race; brings the stage up and down itself
	@trap '$(STAGE) down' EXIT; $(MAKE) cluster && $(MAKE) e2e

.PHONY: clean
clean: cluster-down ## remove the stage and all caches
	rm -rf $(CACHE) bin
