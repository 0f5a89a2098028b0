# What a newcomer needs is `make demo` and `make test`. Everything here is a
# thin name for a script; the scripts say what they do.

GO ?= go

.PHONY: demo test race build guests bench fuzz soak lint cross clean

# A real connector fetches real contacts with a credential it never sees.
demo:
	@$(GO) run -C e2e ./cmd/demo

# All suites; at the end what could not run and why. REQUIRE_ALL=1 makes that
# a failure; TESTFLAGS goes to go test (TESTFLAGS=-race).
test: guests
	@scripts/deps
	@$(GO) run ./scripts/testall $(TESTFLAGS)

race: guests
	@$(GO) run ./scripts/testall -race

build: guests
	$(GO) build -buildvcs=false -trimpath -o bin/ ./cmd/sallyport

guests:
	@scripts/guests

bench: guests
	$(GO) run -C bench .

# FUZZTIME=5m for longer.
fuzz:
	@scripts/fuzz

# A vault's writer killed a thousand times, and a database's; fifty processes that renew one token
# a hundred times; ten thousand runs of good and hostile guests; then the same
# connector again and again for SOAK, watching what grows.
SOAK ?= 10m
soak: guests
	SOAK=1 $(GO) test -v -count=1 -timeout 0 -run '^TestKilledWriter$$' ./vaultstore/agefile
	SOAK=1 $(GO) test -v -count=1 -timeout 0 -run '^TestKilledWriter$$' ./sinks/sqlite
	SOAK=1 $(GO) test -v -count=1 -timeout 0 -run '^TestProcessesRefreshOnce$$' ./host/internal/oauth
	SOAK=1 $(GO) test -v -count=1 -timeout 0 -run '^TestManyProcessesRenewOnce$$' ./internal/turnfile
	SOAK=1 $(GO) test -v -count=1 -timeout 0 -run '^TestSoak$$' ./host/hostile
	SOAK=$(SOAK) $(GO) test -C e2e -v -count=1 -timeout 0 -run '^TestSoak$$' .

lint:
	@scripts/lint

cross:
	@scripts/cross

clean:
	rm -rf bin examples/*/*.wasm
