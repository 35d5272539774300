"""What the house's lints share: src/layers.txt, the files of src/, and how a finding is told."""

import argparse
import pathlib
import sys

PURITY_LINE = "purity line"


class Layers:
    """The table of allowed includes: folder -> folders, lowest first, and which are pure."""

    def __init__(self, text):
        self.allowed = {}
        self.pure = set()
        self.findings = []
        above = True
        for number, line in enumerate(text.splitlines(), 1):
            where = f"src/layers.txt:{number}"
            if line.startswith("#"):
                above = above and PURITY_LINE not in line
                continue
            if not line.strip():
                continue
            folder, colon, rest = line.partition(":")
            folder = folder.strip()
            if not colon or not folder.isidentifier():
                self.findings.append(f"{where}: expected 'folder: folders...', not '{line}'")
                continue
            if folder in self.allowed:
                self.findings.append(f"{where}: {folder} is listed twice")
            names = list(self.allowed) if rest.strip() == "*" else rest.split()
            for name in names:
                # Only earlier lines may be named: so the table is acyclic, and no folder above the
                # purity line names one below it.
                if name not in self.allowed:
                    self.findings.append(f"{where}: {folder} names {name}, not listed above it")
            for name in names:
                for below in self.allowed.get(name, ()):
                    if below not in names:
                        self.findings.append(
                            f"{where}: {folder} may include {name}, which includes {below}, "
                            f"so it must name {below} too")
            self.allowed[folder] = names
            if above:
                self.pure.add(folder)
        if above:
            self.findings.append(f"src/layers.txt: no line with the words '{PURITY_LINE}'")


def arguments(description, *extra):
    """Parses --root and what `extra` adds: (flag, keyword arguments) pairs."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=pathlib.Path, help="the project's root",
                        default=pathlib.Path(__file__).resolve().parents[2])
    for flag, options in extra:
        parser.add_argument(flag, **options)
    return parser.parse_args()


def layers(root):
    return Layers((root / "src/layers.txt").read_text(encoding="utf-8"))


def sources(root, *suffixes):
    """The files below src/ with one of the suffixes, in a fixed order."""
    return sorted(p for p in (root / "src").rglob("*") if p.suffix in suffixes and p.is_file())


def finish(name, findings, looked_at):
    """Prints the findings and ends the program: 0 if there are none, else 1."""
    for finding in findings:
        print(finding)
    print(f"{name}: {looked_at}, {len(findings)} finding(s)")
    sys.exit(1 if findings else 0)
