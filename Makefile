# The commands of pgweir. Each installs the Debian packages that it needs (root or passwordless sudo; otherwise it prints
# the line to run), so that all of them work on a machine with nothing but make and a shell.
#   JOBS=N           compile N files at a time
#   TESTS=REGEX      only the ctest entries that match, e.g. make test TESTS=unit_
#   TEST_JOBS=N      run N of the entries at a time; each picks its own ports and folders
#   FUZZ_SECONDS=N   time for each fuzzer
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
TESTS ?= .
TEST_JOBS ?= 2
ASAN_TESTS ?= ^(unit_.*|wire|sim|integration_.|chaos|walk)$$
TSAN_TESTS ?= ^(unit_pool|unit_proxy|sim|integration_.|chaos|walk)$$
CLANG_TESTS ?= ^unit_
FUZZ_SECONDS ?= 10

tsan_targets := pgweir unit_pool unit_proxy sim
# A sanitizer multiplies the memory that these tests bound, and the time of each place where wire cuts a stream.
sanitized := GTEST_FILTER='-*MemoryTest.*' WIRE_EVERY=5
deps := tests/support/install_deps.sh
# A report ends the process by a signal, so that a test sees a pgweir of its own die of it, and prints its log.
export ASAN_OPTIONS ?= abort_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1
export LSAN_OPTIONS ?= suppressions=$(CURDIR)/tests/support/lsan_suppressions.txt:print_suppressions=0
export UBSAN_OPTIONS ?= abort_on_error=1:print_stacktrace=1
export TSAN_OPTIONS ?= abort_on_error=1:halt_on_error=1:second_deadlock_stack=1:suppressions=$(CURDIR)/tests/support/tsan_suppressions.txt
# The sanitizers of these compilers give up on some layouts of a randomised address space.
fixed_addresses := $(shell setarch -R true 2>/dev/null && echo setarch -R)

# configure_and_build(preset, arguments)
define configure_and_build
@cmake --preset $(1) >/dev/null
@cmake --build --preset $(1) -j $(JOBS)$(2)
endef
# CI's machines are shared: there a test that fails gets one more try, and its first failure stays in the log.
retry := $(if $(CI),--repeat until-pass:2)
# build_outside: the programs that drive a pgweir from outside are those of `make test`, whatever that pgweir was built with
build_outside = $(call configure_and_build,release, --target integration chaos walk)
# run_tests(folder, regex): the last line says how it ended, for the target that was asked for
run_tests = ctest --test-dir $(1) --output-on-failure --no-tests=error $(retry) -j $(TEST_JOBS) -R '$(2)' \
  && echo 'make $@: passed' || { echo 'make $@: FAILED; the lines above name the tests' >&2; exit 1; }

.PHONY: help build demo test beside bench check-deps asan tsan clang fuzz docker-test clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo         build, start a throwaway PostgreSQL and pgweir on port 6432, show both, stay until Ctrl-C'
	@echo 'make test         build and run all tests'
	@echo 'make build        build/pgweir'
	@echo 'make beside       pgweir and Debian'\''s pgbouncer from the same files: console, log, logins, limits, exporter'
	@echo 'make bench        pgweir beside pgbouncer and a bare relay (short)'
	@echo 'make docker-test  the images of docker/, started for real (needs a Docker engine)'
	@echo 'make asan         the tests under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make tsan         the tests under ThreadSanitizer'
	@echo 'make clang        build with clang, its thread-safety analysis and its sanitizers, run the unit tests'
	@echo 'make fuzz         run each fuzzer for FUZZ_SECONDS over its corpus'
	@echo 'make check-deps   install what build, demo and test need'
	@echo 'make clean        remove the build folders'

check-deps:
	@$(deps) build gtest test

build:
	@$(deps) build gtest
	$(call configure_and_build,release, --target pgweir)

demo:
	@$(deps) build gtest test
	$(call configure_and_build,release, --target pgweir)
	@tests/support/demo.sh

test:
	@$(deps) build gtest test
	$(call configure_and_build,release)
	@$(call run_tests,build,$(TESTS))

beside:
	@$(deps) build gtest test beside
	$(call configure_and_build,release, --target integration)
	@build/tests/integration --gtest_brief=1 --gtest_filter='*Beside*:Setup*:Exporter*:*PgBouncer*:ClientWords*:ConnectQuery*'

bench:
	@$(deps) build gtest test bench
	$(call configure_and_build,release)
	@tests/bench/run quick

asan:
	@$(deps) build gtest test
	$(build_outside)
	$(call configure_and_build,asan)
	@$(sanitized) $(fixed_addresses) $(call run_tests,build-asan,$(ASAN_TESTS))

tsan:
	@$(deps) build gtest test
	$(build_outside)
	$(call configure_and_build,tsan, --target $(tsan_targets))
	@$(sanitized) $(fixed_addresses) $(call run_tests,build-tsan,$(TSAN_TESTS))

clang:
	@$(deps) build gtest test sanitize
	$(build_outside)
	$(call configure_and_build,clang)
	@$(sanitized) $(fixed_addresses) $(call run_tests,build-clang,$(CLANG_TESTS))

fuzz:
	@$(deps) build gtest sanitize
	$(call configure_and_build,clang)
	@$(fixed_addresses) tests/support/run_fuzzers.sh build-clang/tests $(FUZZ_SECONDS)

docker-test:
	@tests/support/docker_test.sh || test $$? -eq 77  # 77: no Docker engine here, and it said so

clean:
	rm -rf build build-asan build-tsan build-clang build-debug
