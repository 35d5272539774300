"""Checks the tools that tests themselves rest on: the counter of TAP cases, the property runner of
test/lib and the corpus replay.  Run by `tools/check lint-tests`."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

PROPERTIES = r"""
#include "test.h"
#include <assert.h>

static void prop_true(uint64_t seed)
{
    assert_true(seed == seed);
}

/* Wrong for about one seed in eight. */
static void prop_wrong(uint64_t seed)
{
    CHECK(seed % 8 != 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST_PROP(prop_true, 10), TEST_PROP(prop_wrong, 1000)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
"""

FUZZ_TARGET = r"""
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'x')
        abort();
    return 0;
}
"""


class Scratch(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, text):
        """Puts a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def run_command(self, *command, **environment):
        """A command's exit status and all its output."""
        run = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                             check=False, env={**os.environ, **environment})
        return run.returncode, run.stdout + run.stderr


class Count(Scratch):
    """tools/test/count"""

    def count(self, *entries):
        """The exit status and last line for a test log of (result, stdout) pairs."""
        log = self.write("asan/meson-logs/testlog.json", "".join(
            json.dumps({"name": f"t{i}", "result": result, "stdout": text, "returncode": 0}) + "\n"
            for i, (result, text) in enumerate(entries)))
        status, output = self.run_command(ROOT / "tools/test/count", log)
        return status, output.splitlines()[-1]

    def test_adds_programs(self):
        self.assertEqual(
            self.count(("OK", "1..2\nok 1 - a\nok 2 - b\n"),
                       ("OK", "ok 1 - c\nok 2 # SKIP d\nnot ok 3 # SKIP e\n1..3\n")),
            (0, "3 passed, 0 failed, 2 skipped"))

    def test_failed_case(self):
        self.assertEqual(self.count(("FAIL", "1..2\nok 1 - a\nnot ok 2 - b\n")),
                         (1, "1 passed, 1 failed, 0 skipped"))

    def test_crash_without_failed_case(self):
        self.assertEqual(self.count(("FAIL", "ok 1 - a\n")), (1, "1 passed, 1 failed, 0 skipped"))

    def test_short_plan(self):
        self.assertEqual(self.count(("OK", "1..3\nok 1 - a\n")),
                         (1, "1 passed, 1 failed, 0 skipped"))

    def test_skipped_program(self):
        self.assertEqual(self.count(("SKIP", "1..0 # SKIP no data\n"), ("SKIP", ""), ("OK", "")),
                         (0, "1 passed, 0 failed, 2 skipped"))

    def test_nothing_ran(self):
        self.assertEqual(self.count(), (1, "0 passed, 0 failed, 0 skipped"))


class Properties(Scratch):
    """TEST_PROP of test/lib/test.h: what fails prints a line that fails again."""

    def build(self, how, *flags):
        """A program with a wrong property that complains by the expression `how`."""
        source = self.write("prop.c", PROPERTIES)
        program = self.folder / "prop"
        status, output = self.run_command(
            "cc", "-std=gnu17", f"-DCHECK(holds)={how}", *flags, "-I", ROOT / "test/lib", "-o", program,
            source, ROOT / "test/lib/test.c", "-lcmocka")
        self.assertEqual(status, 0, output)
        return program

    def check_replay(self, program):
        """The wrong property fails, and its replay line fails in one case with the same seed."""
        status, output = self.run_command(program)
        self.assertNotEqual(status, 0)
        self.assertIn("# prop_true: 10 cases, seed 1", output)
        line = next(l for l in output.splitlines() if "replay: " in l)
        self.assertIn("# prop_wrong, case ", line)
        settings = dict(word.split("=") for word in line.split("replay: ")[1].split()[:2])
        self.assertEqual(int(settings["SLICEWRIGHT_SEED"]) % 8, 5)
        status, again = self.run_command(program, **settings)
        self.assertNotEqual(status, 0)
        self.assertIn("prop_wrong, case 0, replay: SLICEWRIGHT_SEED="
                      + settings["SLICEWRIGHT_SEED"], again)
        status, output = self.run_command(program, SLICEWRIGHT_SEED="8", SLICEWRIGHT_CASES="1")
        self.assertEqual(status, 0, output)

    def test_cmocka_assertion(self):
        self.check_replay(self.build("assert_true(holds)"))

    def test_assert(self):
        self.check_replay(self.build("assert(holds)"))

    def test_sanitizer(self):
        self.check_replay(self.build("(void)*(volatile char *)((char *)&seed + (holds ? 0 : 9))",
                                     "-fsanitize=address,undefined"))

    def test_bad_seed(self):
        status, output = self.run_command(self.build("assert_true(holds)"), SLICEWRIGHT_SEED="many")
        self.assertEqual(status, 2)
        self.assertIn("SLICEWRIGHT_SEED=many is not a number", output)


class Corpus(Scratch):
    """fuzz/standalone.c"""

    def setUp(self):
        super().setUp()
        self.program = self.folder / "replay"
        source = self.write("target.c", FUZZ_TARGET)
        status, output = self.run_command("cc", "-std=gnu17", "-o", self.program, source,
                                          ROOT / "fuzz/standalone.c")
        self.assertEqual(status, 0, output)

    def test_all_files(self):
        self.write("corpus/a", "one")
        self.write("corpus/b", "")
        self.assertEqual(self.run_command(self.program, self.folder / "corpus"),
                         (0, "1..2\nok 1 - a\nok 2 - b\n"))

    def test_crash(self):
        self.write("corpus/a", "xyz")
        status, output = self.run_command(self.program, self.folder / "corpus")
        self.assertNotEqual(status, 0)
        self.assertNotIn("ok 1", output)

    def test_no_corpus(self):
        status, output = self.run_command(self.program, self.folder / "none")
        self.assertEqual(status, 77)
        self.assertIn("1..0 # SKIP", output)


if __name__ == "__main__":
    unittest.main()
