#!/usr/bin/env python3
"""The gate: the rules of this project's code that a program can check.

    gate.py [RULE...]     check the tree with every rule, or with those named
    gate.py --list        the names of the rules
    gate.py --self-test   plant one violation of each kind in a copy of the tree, and demand that
                          the right rule, and no other, rejects it

One TAP line a rule on standard output; what is wrong follows as comments, path:line first.
Exit code 0 when all is well, 1 when a rule was broken or no file was found, 2 for bad usage.
"""
import argparse
import sys
from pathlib import Path

import rules
import tidy
from tree import Tree

# The order is that of the output: quick ones first.
RULES = {
    "headers": rules.headers,
    "includes": rules.includes,
    "lengths": rules.lengths,
    "mirror": rules.mirror,
    "words": rules.words,
    "format": rules.formatting,
    "shell": rules.shell,
    "tidy": tidy.tidy,
}


def check(tree, names):
    """Run the rules `names`; return the number of those that were broken."""
    broken = 0
    for number, name in enumerate(names, 1):
        problems = RULES[name](tree)
        if not tree.files:
            problems.append("no file was found to check: this gate looked at nothing")
        print(f"{'not ok' if problems else 'ok'} {number} - {name} ({len(tree.files)} files read)")
        for problem in problems:
            print(f"#   {problem}")
        sys.stdout.flush()
        broken += bool(problems)
    print(f"1..{len(names)}")
    return broken


def main():
    parser = argparse.ArgumentParser(description="The gate of this project's code.")
    parser.add_argument("rules", nargs="*", metavar="RULE")
    parser.add_argument("--list", action="store_true", help="name the rules")
    parser.add_argument("--self-test", action="store_true", help="prove that each rule bites")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    options = parser.parse_args()
    unknown = [name for name in options.rules if name not in RULES]
    if unknown:
        parser.error(f"there is no rule '{unknown[0]}': it is one of {', '.join(RULES)}")
    if options.list:
        print("\n".join(RULES))
        return 0
    if options.self_test:
        import selftest

        return selftest.run(options.root, RULES)
    return 1 if check(Tree(options.root), options.rules or list(RULES)) else 0


if __name__ == "__main__":
    sys.exit(main())
