# Build front of Weir. `make` alone says what there is.
# Build trees stay outside the clone, in ${XDG_CACHE_HOME:-~/.cache}/weir; CARGO_TARGET_DIR and LINT_DIR move them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/weir
CARGO_TARGET_DIR ?= $(CACHE)/build
LINT_DIR ?= $(CACHE)/lint
export CARGO_TARGET_DIR

CARGO_TEST := cargo test --locked
BENCHES ?= overhead shapes rls wire govern metering authorize growth load decoded

.PHONY: help test tools format lint rust npm tidy fuzz clients golden bench counts peers hostile mutants soak demo

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: tools format lint rust npm clients ## everything: layout, lints, Rust tests, Python and JDBC clients

tools: ## says in one sentence what is missing on this machine
	@for tool in cargo rustfmt cargo-clippy cc; do \
	    command -v $$tool >/dev/null || \
	        { echo "error: $$tool was not found; Rust 1.95 or newer with rustfmt and clippy, and a C compiler, are needed" >&2; exit 1; }; \
	done
	@sh catalog/src/store/suite/postgres_server.sh --tools
	@cat tests/kit/src/made_once.sh tests/kit/src/s3_server.sh | sh -s -- --tools
	@client-examples/run_tests.sh --tools

format: ## layout of the Rust files, checked
	cargo fmt --all --check

lint: ## clippy over all targets, warnings are errors
	CARGO_TARGET_DIR="$(LINT_DIR)" cargo clippy --locked --workspace --all-targets -- --deny warnings

# These need Node.js.
NPM_TESTS := buckets::azure:: issuers::openid::

# Tests in modules named `golden` need a folder of tables and run by `make golden`.
rust: ## Rust tests, the house rules (tidy) among them
	cargo build --locked --bin weir
	$(CARGO_TEST) --workspace -- --skip golden:: $(NPM_TESTS:%=--skip %)

npm: ## tests beside servers from npm: one that speaks Azure Blob Storage, and a provider of OpenID Connect
	@if command -v npm >/dev/null; then $(CARGO_TEST) -p weir-tests --test integration -- $(NPM_TESTS); \
	else echo "NOT RUN: the tests beside servers from npm, because this machine has no npm"; fi

tidy: ## the house rules alone
	$(CARGO_TEST) -p weir-tests --test integration -- tidy::

# A case that fails is printed as SQL with its seed, from which CASES=1 makes it again.
fuzz: CASES ?= 5000
fuzz: SEED ?= $(shell date +%s)
fuzz: ## CASES=number SEED=number: generated tables, policies and queries, many more than the tests ask
	@echo "CASES=$(CASES) SEED=$(SEED)"
	cargo build --locked --bin weir
	WEIR_FUZZ_CASES=$(CASES) WEIR_FUZZ_SEED=$(SEED) $(CARGO_TEST) -p weir-enforce --lib -- generated::
	WEIR_FUZZ_CASES=$$(( ($(CASES) + 49) / 50 )) WEIR_FUZZ_SEED=$(SEED) $(CARGO_TEST) -p weir-tests --test integration -- generated:: --skip golden::

clients: ## client examples and their tests against a demo server
	cargo build --locked --bin weir
	client-examples/run_tests.sh "$(CARGO_TARGET_DIR)/debug/weir"

golden: ## DIR=folder: reads every table of a folder of Spark-written tables
	@test -n "$(DIR)" || { echo "error: say where the tables are: make golden DIR=folder" >&2; exit 1; }
	@test -d "$(DIR)" || { echo "error: $(DIR) is not a folder; make golden needs the Spark-written tables there" >&2; exit 1; }
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	WEIR_GOLDEN_DIR="$(abspath $(DIR))" $(CARGO_TEST) -p weir-tests --test integration -- golden:: | tee "$$log"; \
	grep -qE '^test result: ok\. [1-9]' "$$log" || { echo "error: no golden test ran" >&2; exit 1; }

bench: ## benches and their numbers (see benches/README.md)
	cargo bench --locked --profile dev -p weir-features -p weir-benches $(BENCHES:%=--bench %)

# Instructions of one run of each path, of which those before and after the work itself are not counted.
counts: ## instructions of the hot paths under valgrind (see benches/README.md); builds for release
	@command -v valgrind >/dev/null || { echo "error: valgrind was not found" >&2; exit 1; }
	@export WEIR_BENCH_SCALE=0.01; \
	log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	cargo bench --locked --no-run -p weir-features -p weir-benches --bench counts 2>&1 | tee "$$log"; \
	program=$$(sed -n 's/.*(\(.*counts-[^)]*\)).*/\1/p' "$$log"); \
	for path in $$("$$program"); do \
	    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='counts::counted' "$$program" "$$path" 2>"$$log" || { cat "$$log" >&2; exit 1; }; \
	    awk -v path="$$path" '/Collected/ { printf "%-10s %12.0f instructions\n", path, $$NF / 20 }' "$$log"; \
	done

PEERS := $(CACHE)/peers
peers: ## Weir beside DuckDB, Sail, ROAPI, delta-rs and the engine behind another server (see benches/README.md); builds for release, and takes long
	@test -f "$(CACHE)/bench-sf1/complete" || $(MAKE) bench BENCHES=overhead
	@test -x "$(PEERS)/bin/python" || python3 -m venv "$(PEERS)"
	@"$(PEERS)/bin/pip" install --quiet --disable-pip-version-check --requirement benches/peers/requirements.txt
	PROTOC="$(PEERS)/bin/protoc" cargo build --locked --release -p weir-server -p weir-benches --features weir-benches/flight-peer --bin weir --bin flight-peer
	"$(PEERS)/bin/python" benches/peers/peers.py "$(CARGO_TARGET_DIR)/release/weir" --results "$(PEERS)/results.md"

soak: SECONDS ?= 180
soak: ## SECONDS=n: 64 clients of many kinds at once, and how the process grows
	cargo build --locked --bin weir
	WEIR_SOAK_SECONDS=$(SECONDS) $(CARGO_TEST) -p weir-tests --test integration -- soak:: --nocapture

hostile: ## TARGET=place SECONDS=n: bytes of a fuzzer (sql, ticket, descriptor, handshake, put, action); needs nightly and cargo-fuzz
	@test -d "fuzz/corpus/$(TARGET)" && test -n "$(TARGET)" || { echo "error: say where: make hostile TARGET=sql" >&2; exit 1; }
	cd fuzz && cargo +nightly fuzz run --dev $(TARGET) -- -max_total_time=$(or $(SECONDS),60)

MUTATED ?= server/enforce/src/leakproof.rs server/enforce/src/check_governed.rs
# Generated cases take most of the time, and are left out: what survives is to be tried with them.
mutants: ## MUTATED=files: mutations of the enforcer, in this clone, that no test notices; needs cargo-mutants
	cargo mutants --in-place --baseline skip --timeout 300 --package weir-enforce $(MUTATED:%=--file %) --output "$(CACHE)" \
	    --cargo-arg=--locked --cargo-arg=--package=weir-features --cargo-arg=--lib -- -- --skip generated::

demo: ## the sample warehouse: `cargo run -- demo` with the build tree of the tests
	cargo run --locked -- demo
