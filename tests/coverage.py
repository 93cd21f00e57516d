#!/usr/bin/env python3
"""How much of the code the tests execute: branches and lines of each source file, by gcov.

    coverage.py [--missing] FOLDER...     base, journal, kv, transport, ...: builds build/coverage,
                                          runs the unit tests and fuzz inputs of these folders, and
                                          prints a table; --missing shows the lines with a branch
                                          that was never taken

Left out: ASSERT, whose other branch is our own mistake, and what ends by a kill. gcov counts a
switch over all values of an enum as having a branch for none of them.
"""
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "coverage"
FLAGS = "-O0 --coverage -fprofile-update=atomic"


def run(*words, **options):
    return subprocess.run(words, cwd=ROOT, check=True, **options)


def build(folders):
    run("cmake", "--preset", "dev", "-B", BUILD, f"-DCMAKE_C_FLAGS={FLAGS}",
        "-DCMAKE_EXE_LINKER_FLAGS=--coverage", stdout=subprocess.DEVNULL)
    targets = [f"test_{folder}_{test.stem.removeprefix('test_')}"
               for folder in folders for test in sorted((ROOT / "tests" / folder).glob("test_*.c"))]
    fuzz = ROOT / "tests" / "fuzz"
    targets += [f"test_{test.stem}"
                for folder in folders for test in sorted(fuzz.glob(f"fuzz_{folder}_*.c"))]
    run("ninja", "-C", BUILD, "--quiet", *targets)


def test(folders):
    for counts in BUILD.rglob("*.gcda"):
        counts.unlink()
    names = "|".join(folders)
    run("ctest", "--test-dir", BUILD, "-j2", "--output-on-failure", "-R",
        f"^(({names})/|fuzz/({names})_)", stdout=sys.stderr)


def asserts(lines):
    """The numbers of the lines that an ASSERT stands on."""
    found, depth = set(), 0
    for number, line in enumerate(lines, 1):
        if depth > 0 or line.strip().startswith("ASSERT("):
            found.add(number)
            depth += line.count("(") - line.count(")")
    return found


def read_counts(folder):
    """Of each source file: [(line, times executed, [times each branch was taken])]."""
    files = {}
    for counts in sorted((BUILD / f"CMakeFiles/kitbag_{folder}.dir").rglob("*.gcda")):
        said = run("gcov", "-b", "-t", "--json-format", counts, capture_output=True)
        for file in json.loads(said.stdout)["files"]:
            path = Path(file["file"]).resolve()
            if path.suffix == ".c" and path.is_relative_to(ROOT):
                left_out = asserts(path.read_text().splitlines())
                files[path] = [(line["line_number"], line["count"],
                                [branch["count"] for branch in line["branches"]])
                               for line in file["lines"] if line["line_number"] not in left_out]
    return files


def percent(part, whole):
    return f"{100 * part / whole if whole else 100:6.1f} %"


def report(name, lines):
    taken = sum(count > 0 for _, _, branches in lines for count in branches)
    branches = sum(len(branches) for _, _, branches in lines)
    executed = sum(count > 0 for _, count, _ in lines)
    print(f"{name:32} branches {taken:5} of {branches:5} {percent(taken, branches)}"
          f"   lines {percent(executed, len(lines))}")


def show_missing(path, lines):
    source = path.read_text().splitlines()
    for number, _, branches in lines:
        if 0 in branches:
            text = source[number - 1].strip()
            print(f"  {number:4}: {branches.count(0)} of {len(branches)}: {text}")


def main():
    folders = [word for word in sys.argv[1:] if word != "--missing"]
    if not folders or not all((ROOT / "tests" / folder).is_dir() for folder in folders):
        sys.exit(__doc__)
    build(folders)
    test(folders)
    for folder in folders:
        files = read_counts(folder)
        for path, lines in sorted(files.items()):
            report(str(path.relative_to(ROOT)), lines)
            if "--missing" in sys.argv:
                show_missing(path, lines)
        report(folder + "/", [line for lines in files.values() for line in lines])


if __name__ == "__main__":
    main()
