"""Plants violations of the house's rules in a small tree and checks that each lint finds them, and
nothing in the same tree without them.  Run by `tools/check lint-tests`."""

import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

LAYERS = """# folder: allowed
base:
mig:    base
core:   base mig
# ---- purity line ----
os:     base
cli:    *
"""

FILES = {
    "src/layers.txt": LAYERS,
    "src/base/num.h": "#ifndef BASE_NUM_H\n#define BASE_NUM_H\n\nint num_one(void);\n\n#endif\n",
    "src/base/num.c": '#include "base/num.h"\n\nint num_one(void)\n{\n    return 1;\n}\n',
    "src/mig/cut.h": '#ifndef MIG_CUT_H\n#define MIG_CUT_H\n\nint mig_cut(int at);\n\n#endif\n',
    "src/mig/cut.c": '#include "mig/cut.h"\n#include "base/num.h"\n\n'
                     "static const char *const names[] = {\"a\", \"b\"};\n\n"
                     "int mig_cut(int at)\n{\n    return num_one() + names[at & 1][0];\n}\n",
    "src/core/step.c": '#include "mig/cut.h"\n\nint core_step(void);\n\n'
                       "int core_step(void)\n{\n    return mig_cut(1);\n}\n",
    "src/os/clock.c": "#include <time.h>\n\nlong os_now(void);\n\n"
                      "long os_now(void)\n{\n    return (long)time(0);\n}\n",
}


class Lints(unittest.TestCase):
    """Each test starts from the clean tree and changes one thing."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name, text):
        """Puts a file into the tree."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, name, old, new):
        """Replaces the first `old` in a file of the tree."""
        self.assertIn(old, FILES[name])
        self.write(name, FILES[name].replace(old, new, 1))

    def build(self):
        """Compiles the tree as the release build does: one thin library a folder."""
        for folder in sorted((self.root / "src").iterdir()):
            sources = sorted(folder.glob("*.c")) if folder.is_dir() else []
            objects = []
            for source in sources:
                obj = self.root / "build/src" / f"{folder.name}_{source.name}.o"
                obj.parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(
                    ["cc", "-std=gnu17", "-O2", "-fPIE", "-U_FORTIFY_SOURCE",
                     "-D_FORTIFY_SOURCE=2", "-fvisibility=hidden", "-w", "-I",
                     str(self.root / "src"), "-c", "-o", str(obj), str(source)], check=True)
                objects.append(str(obj))
            if objects:
                library = self.root / "build/src" / f"lib{folder.name}.a"
                subprocess.run(["ar", "rcsT", str(library), *objects], check=True)

    def run_lint(self, lint):
        """The lint's exit status and output over the tree."""
        run = subprocess.run([str(ROOT / "tools/lint" / lint), "--root", str(self.root)],
                             capture_output=True, text=True, check=False)
        return run.returncode, run.stdout + run.stderr

    def expect(self, lint, finding):
        """The lint fails and says so."""
        status, output = self.run_lint(lint)
        self.assertIn(finding, output)
        self.assertEqual(status, 1, output)

    def test_clean_tree_passes(self):
        self.build()
        for lint in ("layers", "headers", "lengths", "symbols"):
            status, output = self.run_lint(lint)
            self.assertEqual(status, 0, f"{lint}: {output}")

    # go

    def write_module(self, kubernetes, api):
        """A Go module that uses Kubernetes, and the version that all must use."""
        self.write("tools/versions", "# tool version\nkubernetes 1.37.2\n")
        self.write("tools/x/go.mod", f"module x\n\nrequire (\n\tk8s.io/kubernetes {kubernetes}\n"
                   "\tk8s.io/api v0.36.1 // indirect\n\tk8s.io/client-go v0.37.2\n"
                   "\tk8s.io/utils v0.0.1\n\tsigs.k8s.io/yaml v1.6.0\n)\n\n"
                   f"replace k8s.io/api => k8s.io/api {api}\n")

    def test_go_versions_agree(self):
        self.write_module("v1.37.2", "v0.37.2")
        self.assertEqual(self.run_lint("go")[0], 0)

    def test_go_other_kubernetes(self):
        self.write_module("v1.36.2", "v0.37.2")
        self.expect("go", "tools/x/go.mod:4: k8s.io/kubernetes v1.36.2, tools/versions wants v1.37.2")

    def test_go_replaced_by_another(self):
        self.write_module("v1.37.2", "v0.36.1")
        self.expect("go", "tools/x/go.mod:11: k8s.io/api v0.36.1, tools/versions wants v0.37.2")

    # layers

    def test_include_upwards(self):
        self.edit("src/base/num.c", '"base/num.h"', '"base/num.h"\n#include "mig/cut.h"')
        self.expect("layers", "src/base/num.c:2: base may not include mig")

    def test_include_without_folder(self):
        self.edit("src/mig/cut.c", '"base/num.h"', '"num.h"')
        self.expect("layers", 'write "folder/module.h"')

    def test_include_of_nothing(self):
        self.edit("src/mig/cut.c", '"base/num.h"', '"base/nun.h"')
        self.expect("layers", "does not exist")

    def test_pure_includes_clock(self):
        self.edit("src/mig/cut.c", '"base/num.h"', '"base/num.h"\n#include <time.h>')
        self.expect("layers", "pure mig may not include <time.h>")

    def test_library_in_wrong_folder(self):
        self.edit("src/os/clock.c", "<time.h>", "<yaml.h>")
        self.expect("layers", "<yaml.h> belongs to base")

    def test_unknown_folder(self):
        self.write("src/util/x.c", "int util_x;\n")
        self.expect("layers", "is in no folder")

    def test_table_cycle(self):
        self.write("src/layers.txt", LAYERS.replace("base:\n", "base: mig\n"))
        self.expect("layers", "base names mig, not listed above it")

    def test_table_not_closed(self):
        self.write("src/layers.txt", LAYERS.replace("core:   base mig", "core:   mig"))
        self.expect("layers", "so it must name base too")

    def test_table_pure_names_impure(self):
        self.write("src/layers.txt", LAYERS.replace("core:   base mig", "core:   base mig os"))
        self.expect("layers", "core names os, not listed above it")

    def test_table_without_purity_line(self):
        self.write("src/layers.txt", LAYERS.replace("# ---- purity line ----\n", ""))
        self.expect("layers", "no line with the words")

    # headers

    def test_header_needs_another(self):
        self.edit("src/mig/cut.h", "int at", "uint8_t at")
        self.expect("headers", "src/mig/cut.h: does not compile alone")

    def test_header_guard(self):
        self.edit("src/mig/cut.h", "#ifndef MIG_CUT_H\n#define MIG_CUT_H", "#pragma once\n#if 1")
        self.expect("headers", "its guard should be MIG_CUT_H")

    # lengths

    def test_long_function(self):
        self.edit("src/mig/cut.c", "    return", "\n" * 70 + "    return")
        self.expect("lengths", "mig_cut has 74 lines")

    def test_many_parameters(self):
        self.edit("src/mig/cut.c", "int mig_cut(int at)",
                  "int mig_cut(int a, int b, int (*c)(int, int), int d, int e, int at)")
        self.expect("lengths", "mig_cut has 6 parameters")

    def test_outputs_are_no_parameters(self):
        self.edit("src/mig/cut.c", "int mig_cut(int at)",
                  "int mig_cut(int a, int b, int c, int d, int at, int *ret_x, void *reterr)")
        self.assertEqual(self.run_lint("lengths")[0], 0)

    def test_long_file(self):
        self.edit("src/mig/cut.h", "int mig_cut", "\n" * 800 + "int mig_cut")
        self.expect("lengths", "src/mig/cut.h: has 806 lines")

    # symbols

    def expect_symbols(self, finding):
        """As expect, after a build."""
        self.build()
        self.expect("symbols", finding)

    def test_pure_calls_clock(self):
        # A prototype of its own is no way around the lint.
        self.edit("src/mig/cut.c", "int mig_cut(int at)\n{\n",
                  "long time(long *);\n\nint mig_cut(int at)\n{\n    at += (int)time(0);\n")
        self.expect_symbols("mig/cut.c: calls time, which is not pure")

    def test_pure_allocates(self):
        self.edit("src/core/step.c", "return mig_cut(1)",
                  "extern void *malloc(unsigned long);\n    return *(int *)malloc(4)")
        self.expect_symbols("core/step.c: calls malloc, which is not pure")

    def test_unsafe_call_anywhere(self):
        self.edit("src/os/clock.c", "(long)time(0)", "(long)gmtime(&(time_t){0})")
        self.expect_symbols("os/clock.c: calls gmtime, which no folder may")

    def test_mutable_global(self):
        self.edit("src/mig/cut.c", "static const char", "int mig_count = 3;\nstatic const char")
        self.expect_symbols("mig/cut.c: keeps writable data: mig_count")

    def test_mutable_static_local(self):
        self.edit("src/mig/cut.c", "return num_one()",
                  "static int calls;\n    return calls++ + num_one()")
        self.expect_symbols("mig/cut.c: keeps writable data: calls")

    def test_export_prefix(self):
        self.edit("src/mig/cut.c", "int mig_cut", "int cut_helper(void)\n{\n    return 2;\n}\n\n"
                                                  "int mig_cut")
        self.expect_symbols("mig/cut.c: exports cut_helper, expected the prefix mig_")

    def test_base_prefix_is_a_module(self):
        self.edit("src/base/num.c", "int num_one", "int base_two(void)\n{\n    return 2;\n}\n\n"
                                                   "int num_one")
        self.expect_symbols("base/num.c: exports base_two")

    def test_nothing_built(self):
        self.expect("symbols", "build it first")


if __name__ == "__main__":
    unittest.main()
