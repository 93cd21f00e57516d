"""The rules that are about text. Each takes a Tree and returns its problems as sentences."""
import os
import re
import subprocess

LINE_COLUMNS_MAX = 100
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70

# --- who may include whom ----------------------------------------------------------------------

# What server and client share is pure: no file, no thread, no clock.
PURE = ("journal/apply.h", "journal/change.h", "journal/digest.h", "journal/fence.h",
        "journal/operation.h", "journal/owner.h", "journal/sharing.h", "journal/sharing_switch.h",
        "journal/snapshot.h")

# A file may include its own folder, base/ and what its row adds. The row of the longest folder
# that holds the file counts. bench/ and tests/ have no row: they may include anything.
MAY_INCLUDE = {
    "base/": (),
    "journal/": (),
    "kv/": PURE,
    "transport/": PURE,
    "client/": PURE + ("journal/segment.h", "journal/disk.h", "journal/mirror.h", "transport/"),
    "client/include/": (),
    # admin reads the journal's numbers and a bag's past; what it changes goes through the server
    "admin/": PURE + ("kv/", "journal/journal.h", "journal/past.h"),
    "server/": ("journal/", "kv/", "transport/", "admin/", "client/"),
    "cli/": ("journal/", "client/"),
}
# The public header stands alone: it is installed without the rest of the tree.
ALONE = ("client/include/",)

# Headers of libraries, and the one folder of the product that may know them.
LIBRARY_OWNERS = (
    ("rocksdb/", "kv/"),
    ("zmq", "transport/"),
    ("lmdb.h", "client/"),
    ("event2/", "admin/"),
    ("curl/", "cli/"),
    ("ini.h", "base/"),
    ("cmocka.h", "tests/"),
)

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def included(tree, file):
    """(line number, '<' or '"', header) of each include of a C file."""
    text = tree.text(file)
    for match in _INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def includes(tree):
    problems = []
    for file in tree.c_files:
        for line, kind, header in included(tree, file):
            wrong = _quoted(tree, file, header) if kind == '"' else _library(file, header)
            if wrong:
                problems.append(f"{file}:{line}: {wrong}")
    return problems


def _row(file):
    rows = [row for row in MAY_INCLUDE if file.startswith(row)]
    return max(rows, key=len) if rows else None


def _quoted(tree, file, header):
    if not (tree.root / header).is_file() or ".." in header.split("/"):
        return f'"{header}" is not the path of a header, from the root of the project'
    row = _row(file)
    if row is None:
        return None
    if row in ALONE:
        return f'{row} stands alone and may not include "{header}"'
    if not header.startswith((row, "base/") + MAY_INCLUDE[row]):
        return f'{row} may not include "{header}"'
    return None


def _library(file, header):
    if file.startswith(("bench/", "tests/")):
        return None
    for library, owner in LIBRARY_OWNERS:
        if header.startswith(library) and not file.startswith(owner):
            return f"<{header}> may be included in {owner} only"
    if file.startswith(ALONE) and header.startswith(("rocksdb/", "zmq", "lmdb.h", "msgpack")):
        return f"the public header may not show <{header}>"
    return None


# --- lengths -----------------------------------------------------------------------------------


def lengths(tree):
    problems = []
    for file in tree.files:
        lines = tree.lines(file)
        if len(lines) - 1 > FILE_LINES_MAX:
            problems.append(f"{file}:1: the file has {len(lines) - 1} lines,"
                            f" more than {FILE_LINES_MAX}")
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_COLUMNS_MAX:
                problems.append(f"{file}:{number}: the line has {len(line)} columns,"
                                f" more than {LINE_COLUMNS_MAX}")
        if file.endswith((".c", ".h")):
            problems += _function_lengths(file, tree.code(file).split("\n"))
    return problems


def _function_lengths(file, lines):
    """By our format, a brace alone in the first column opens or ends a function, nothing else."""
    opened = 0
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            opened = number
        elif line.rstrip() == "}" and opened:
            length = number - opened + 1
            if length > FUNCTION_LINES_MAX:
                yield (f"{file}:{opened}: the function has {length} lines,"
                       f" more than {FUNCTION_LINES_MAX}")
            opened = 0


# --- a test for each source file ---------------------------------------------------------------


def mirror(tree):
    problems = []
    for file in tree.product_sources():
        folder, name = file.rsplit("/", 1)
        if name.startswith("main_"):
            continue
        test = f"tests/{folder}/test_{name}"
        if test not in tree.files:
            problems.append(f"{file}:1: there is no {test}")
        elif not re.search(r"\bcmocka_(unit_test|run_group_tests)\w*\(", tree.code(test)):
            problems.append(f"{test}:1: it registers no test")
    return problems


# --- words -------------------------------------------------------------------------------------

BANNED_CALLS = {
    "strcpy": "it knows no limit: use base/buf.h or memcpy with a checked size",
    "strcat": "it knows no limit: use base/buf.h",
    "sprintf": "it knows no limit: use snprintf",
    "vsprintf": "it knows no limit: use vsnprintf",
    "gets": "it knows no limit: use fgets",
    "strtok": "it keeps hidden state: use strtok_r or a span",
    "alloca": "it has no failure: use malloc or a fixed array",
}
_BANNED_CALL = re.compile(r"\b(" + "|".join(BANNED_CALLS) + r")\s*\(")
_LATER = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X)\b(?![^\n]*#\d)")


def words(tree):
    problems = []
    for file in tree.files:
        for number, line in enumerate(tree.lines(file), 1):
            match = _LATER.search(line)
            if match:
                problems.append(f"{file}:{number}: '{match.group()}' without an issue's #number")
    for file in tree.c_files:
        for number, line in enumerate(tree.code(file).split("\n"), 1):
            match = _BANNED_CALL.search(line)
            if match:
                problems.append(f"{file}:{number}: {match.group(1)}():"
                                f" {BANNED_CALLS[match.group(1)]}")
    return problems


# --- a file begins with what it is -------------------------------------------------------------


def headers(tree):
    problems = []
    for file in tree.c_files:
        installed_as = file.split("/include/")[-1]  # the public header bears the name it is used by
        if file.endswith(".h") and not tree.text(file).startswith(
                (f"/* {file} - ", f"/* {installed_as} - ")):
            problems.append(f"{file}:1: the header does not begin with '/* {file} - what it is'")
    return problems


# --- format ------------------------------------------------------------------------------------

_WARNED = re.compile(r"^(.*?):(\d+):\d+: error: ")


def formatting(tree):
    if not tree.c_files:
        return []
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", "--style=file", *tree.c_files],
                          cwd=tree.root, text=True, capture_output=True,
                          env={**os.environ, "LC_ALL": "C"})
    first = {}
    for line in done.stderr.split("\n"):
        match = _WARNED.match(line)
        if match:
            first.setdefault(match.group(1), match.group(2))
    problems = [f"{file}:{line}: not formatted: run clang-format -i {file}"
                for file, line in first.items()]
    if done.returncode != 0 and not problems:
        problems.append("clang-format failed: " + done.stderr.strip()[:400])
    return problems


# --- shell scripts -----------------------------------------------------------------------------

_SHELLCHECKED = re.compile(r"^(.*?):\d+:\d+: ")


def shell(tree):
    scripts = [file for file in tree.files if file.endswith(".sh") or
               re.match(r"#!.*\b(ba|da)?sh\b", tree.text(file).split("\n", 1)[0])]
    if not scripts:
        return []
    done = subprocess.run(["shellcheck", "-x", "--severity=warning", "--format=gcc", *scripts],
                          cwd=tree.root, text=True, capture_output=True)
    problems = [line for line in done.stdout.split("\n") if _SHELLCHECKED.match(line)]
    if done.returncode != 0 and not problems:
        problems.append("shellcheck failed: " + done.stderr.strip()[:400])
    return problems
