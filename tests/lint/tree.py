"""The files that the gate reads, each read once."""
import re
from functools import lru_cache

FOLDERS = ("admin", "base", "bench", "cli", "client", "journal", "kv", "server", "tests",
           "transport")
# Folders whose sources are the product: every other rule about C holds everywhere.
PRODUCT = ("admin", "base", "cli", "client", "journal", "kv", "server", "transport")
SUFFIXES = (".c", ".css", ".h", ".js", ".mjs", ".py", ".sh")
SCRIPTS = ("dev", ".ci/run")

_COMMENT_OR_STRING = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = sorted(self._find())
        self.c_files = [file for file in self.files if file.endswith((".c", ".h"))]

    def _find(self):
        for script in SCRIPTS:
            if (self.root / script).is_file():
                yield script
        for folder in FOLDERS:
            for path in (self.root / folder).rglob("*"):
                if {"__pycache__", "corpus", "node_modules"} & set(path.parts):
                    continue
                if path.suffix in SUFFIXES or self._is_script(path):
                    yield path.relative_to(self.root).as_posix()

    @staticmethod
    def _is_script(path):
        """An executable without a suffix that begins with #!"""
        if path.suffix or not path.is_file() or not path.stat().st_mode & 0o111:
            return False
        with path.open("rb") as file:
            return file.read(2) == b"#!"

    @lru_cache(maxsize=None)
    def text(self, file):
        return (self.root / file).read_text(encoding="utf-8")

    def lines(self, file):
        return self.text(file).split("\n")

    @lru_cache(maxsize=None)
    def code(self, file):
        """The text of a C file with comments and strings blanked, line numbers kept."""
        return _COMMENT_OR_STRING.sub(lambda match: re.sub(r"[^\n]", " ", match.group()),
                                      self.text(file))

    def product_sources(self):
        return [file for file in self.c_files
                if file.endswith(".c") and file.split("/")[0] in PRODUCT]
