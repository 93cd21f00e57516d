"""Proof that the gate bites: plant a violation, and see who objects.

The tree is copied to a temporary folder. For each case below files are put into the copy. The gate
must find them there, the rule that the case names must object and name them, and no other may.
"""
import json
import shutil
import tempfile
from pathlib import Path

from tree import FOLDERS, SCRIPTS, Tree

HEAD = "/* {path} - planted. */\n"
# A test file that is fine, for planted sources that must only break the rule they are meant for.
TEST = '#include "base/err.h"\nint f = cmocka_unit_test(1);\n'


def header(path, body="int planted;\n"):
    return {path: HEAD.format(path=path) + body}


def source(path, body):
    """A source file of the product, and the test file that it needs."""
    folder, name = path.rsplit("/", 1)
    return {path: body, f"tests/{folder}/test_{name}": TEST}


def include(path, line):
    return source(path, f"#include {line}\n")


def function(lines):
    return "int planted(void)\n{\n" + "    f();\n" * (lines - 2) + "}\n"


# (what is planted, the rule that must object or None, files)
CASES = [
    ("a harmless source", None, source("base/planted.c", "int planted;\n")),
    ("a harmless header", None, header("kv/planted.h")),
    ("a header that does not say what it is", "headers", {"base/planted.h": "int planted;\n"}),
    ("a header that names another path", "headers", {"kv/planted.h": HEAD.format(path="kv/x.h")}),
    ("base includes journal", "includes", include("base/planted.c", '"journal/change.h"')),
    ("journal includes kv", "includes",
     {**header("kv/x.h"), **include("journal/planted.c", '"kv/x.h"')}),
    ("kv includes the journal's files", "includes",
     include("kv/planted.c", '"journal/segment.h"')),
    ("kv includes transport", "includes",
     {**header("transport/x.h"), **include("kv/planted.c", '"transport/x.h"')}),
    ("transport includes client", "includes",
     {**header("client/x.h"), **include("transport/planted.c", '"client/x.h"')}),
    ("client includes kv", "includes",
     {**header("kv/x.h"), **include("client/planted.c", '"kv/x.h"')}),
    ("client includes the committer's journal", "includes",
     include("client/planted.c", '"journal/journal.h"')),
    ("the public header includes base", "includes",
     header("client/include/planted.h", '#include "base/err.h"\n')),
    ("the public header shows msgpack", "includes",
     header("client/include/planted.h", "#include <msgpack.h>\n")),
    ("admin includes server", "includes",
     {**header("server/x.h"), **include("admin/planted.c", '"server/x.h"')}),
    ("cli includes kv", "includes", {**header("kv/x.h"), **include("cli/planted.c", '"kv/x.h"')}),
    ("server includes cli", "includes",
     {**header("cli/x.h"), **include("server/planted.c", '"cli/x.h"')}),
    ("server includes tests", "includes",
     {**header("tests/support/x.h"), **include("server/planted.c", '"tests/support/x.h"')}),
    ("server includes bench", "includes",
     {**header("bench/x.h"), **include("server/planted.c", '"bench/x.h"')}),
    ("server includes cmocka", "includes", include("server/planted.c", "<cmocka.h>")),
    ("RocksDB outside kv", "includes", include("server/planted.c", "<rocksdb/c.h>")),
    ("ZeroMQ outside transport", "includes", include("server/planted.c", "<zmq.h>")),
    ("LMDB outside client", "includes", include("kv/planted.c", "<lmdb.h>")),
    ("libevent outside admin", "includes", include("server/planted.c", "<event2/http.h>")),
    ("curl outside cli", "includes", include("client/planted.c", "<curl/curl.h>")),
    ("a path from the including file", "includes", include("kv/planted.c", '"../base/err.h"')),
    ("tests include anything", None,
     {"tests/kv/planted.h": HEAD.format(path="tests/kv/planted.h") +
      '#include "journal/segment.h"\n#include <zmq.h>\n'}),
    ("a function of 70 lines", None, source("base/planted.c", function(70))),
    ("a function of 71 lines", "lengths", source("base/planted.c", function(71))),
    ("a file of 600 lines", None, source("base/planted.c", "int planted;\n" * 600)),
    ("a file of 601 lines", "lengths", source("base/planted.c", "int planted;\n" * 601)),
    ("a script of 601 lines", "lengths", {"tests/planted.py": "pass\n" * 601}),
    *[(f"a line of 101 columns in {suffix}", "lengths", {f"admin/console/src/planted.{suffix}":
                                                         "/*" + "é" * 97 + "*/\n"})
      for suffix in ("css", "js", "mjs")],
    ("a line of 100 columns", None, source("base/planted.c", "//" + "é" * 98 + "\n")),
    ("a line of 101 columns", "lengths", source("base/planted.c", "//" + "é" * 99 + "\n")),
    ("a source without a test", "mirror", {"kv/planted.c": "int planted;\n"}),
    ("a test that tests nothing", "mirror",
     {"kv/planted.c": "int planted;\n", "tests/kv/test_planted.c": "// cmocka_unit_test(x)\n"}),
    ("the main of a program needs no test", None, {"cli/main_planted.c": "int planted;\n"}),
    ("something for later", "words", source("base/planted.c", "// TO" "DO: later\n")),
    ("something for later, with its issue", None,
     source("base/planted.c", "// TO" "DO(#12): later\n")),
    *[(f"a call of {name}", "words", source("base/planted.c", f"int f = {name}(x);\n"))
      for name in ("strcpy", "sprintf", "strtok", "gets", "alloca")],
    ("a word that only holds a banned one", None,
     source("base/planted.c", 'int f = my_strcpy(x); // strcpy(x)\nchar *g = "gets(x)";\n')),
    ("a misplaced brace", "format", source("base/planted.c", "int planted(void) {return 1;}\n")),
    ("a forgotten quote", "shell", {"tests/planted.sh": "#!/bin/sh\ncd /tmp\nrm -r $1/*\n"}),
    ("a use after free", "tidy", source("base/planted.c", """\
#include <stdlib.h>

int planted(void);
int planted(void)
{
    int *number = malloc(sizeof *number);
    free(number);
    return *number;
}
""")),
    ("a warning of the compiler", "tidy", source("base/planted.c", """\
int planted(void);
int planted(void)
{
    int unused;
    return 1;
}
""")),
    ("a source that is not built", "tidy", source("base/planted_unbuilt.c", "int planted;\n")),
]
SLOW = ("format", "shell", "tidy")


def run(root, rules):
    with tempfile.TemporaryDirectory(prefix="kitbag-gate-") as folder:
        copy = Path(folder)
        _copy(root, copy)
        failed = 0
        for number, (what, expected, files) in enumerate(CASES, 1):
            wrong = _case(copy, rules, expected, files)
            print(f"{'not ok' if wrong else 'ok'} {number} - the gate: {what}"
                  f" -> {expected or 'accepted'}")
            if wrong:
                print(f"#   {wrong}")
            failed += bool(wrong)
    number = len(CASES) + 1
    with tempfile.TemporaryDirectory(prefix="kitbag-gate-") as folder:
        empty = not Tree(Path(folder)).files
        print(f"{'ok' if empty else 'not ok'} {number} - the gate: an empty folder has no files")
    unproven = set(rules) - {expected for _what, expected, _files in CASES}
    print(f"{'not ok' if unproven else 'ok'} {number + 1} - the gate: each rule has its case")
    print(f"1..{number + 1}")
    return 1 if failed or unproven or not empty else 0


def _copy(root, copy):
    for folder in FOLDERS:
        if (root / folder).is_dir():
            shutil.copytree(root / folder, copy / folder,
                            ignore=shutil.ignore_patterns("__pycache__", "corpus",
                                                          "node_modules"))
    for file in (*SCRIPTS, ".clang-format", ".clang-tidy"):
        (copy / file).parent.mkdir(exist_ok=True)
        shutil.copy(root / file, copy / file)


def _case(copy, rules, expected, files):
    """Plant, ask the rules, take away again. Returns what was wrong, or None."""
    for path in files:
        if (copy / path).exists():
            return f"{path} exists already"
    try:
        for path, text in files.items():
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            (copy / path).write_text(text, encoding="utf-8")
        tree = Tree(copy)
        unseen = set(files) - set(tree.files)
        if unseen:
            return f"the gate does not read {unseen}"
        found = _ask(tree, rules, expected, files)
    finally:
        for path in files:
            (copy / path).unlink(missing_ok=True)
    others = {name: problems for name, problems in found.items() if problems and name != expected}
    if others:
        return f"other rules object: {others}"
    if expected and not any("planted" in problem for problem in found[expected]):
        return f"{expected} did not object to it: {found[expected]}"
    return None


def _ask(tree, rules, expected, files):
    """What each rule says of the planted files; a slow rule is asked only where it is expected."""
    tree.files = sorted(files)
    tree.c_files = [path for path in tree.files if path.endswith((".c", ".h"))]
    found = {name: rule(tree) for name, rule in rules.items() if name not in SLOW}
    if expected in SLOW:
        tree.files = [path for path in tree.files if "/test_" not in path]
        tree.c_files = [path for path in tree.c_files if "/test_" not in path]
        _make_database(tree)
        found[expected] = rules[expected](tree)
    return found


def _make_database(tree):
    """Says how the planted files are compiled, but for those that are not built."""
    database = tree.root / "build/release"
    database.mkdir(parents=True, exist_ok=True)
    (database / "compile_commands.json").write_text(json.dumps(
        [{"directory": str(tree.root), "file": str(tree.root / path),
          "command": f"cc -std=c17 -Wall -I{tree.root} -c {path}"}
         for path in tree.c_files if "unbuilt" not in path]))
