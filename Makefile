# The commands of a day; the build itself is Meson's.
#
#   make         build/slicewright (-O2, asserts on) with what is installed
#   make demo    install what is missing, build, run the main job, write report.html
#   make test    install what is missing; all tests under ASan+UBSan and in the release build,
#                corpora, a fuzz smoke
#   make check   format, static analysis, house rules
#   make format  put the C files into the house's format
#   make fuzz    each fuzz target for FUZZ_SECONDS (default 60)
#   make bench   the programs under bench/, to build/bench/

NINJA = ninja
FUZZ_SECONDS = 60

all: build/build.ninja
	@$(NINJA) -C build $(NINJA_FLAGS) slicewright

demo:
	@tools/bootstrap build
	@$(MAKE) --no-print-directory all
	build/slicewright simulate --report report.html

test:
	@tools/bootstrap build test
	@tools/test/run $(TEST_FLAGS)

check:
	@tools/bootstrap build test check
	@tools/check $(CHECK_FLAGS)

format:
	@tools/format

fuzz:
	@tools/bootstrap build test
	@tools/test/fuzz $(FUZZ_SECONDS)

bench: build/build.ninja
	@$(NINJA) -C build $(NINJA_FLAGS) benchmarks

clean:
	rm -rf build report.html

build/build.ninja:
	@tools/test/setup release

.PHONY: all demo test check format fuzz bench clean
