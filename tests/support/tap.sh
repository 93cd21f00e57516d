# tests/support/tap.sh - for test scripts to source: prints TAP, one line a check.
#
#   check WHAT COMMAND...   the command must succeed; it runs in this shell, so that it may set
#                           variables, and what it says is shown when it fails
#   skip WHAT REASON        a check that can't run here
#   done_testing            the plan, and the exit code
#
# SCRATCH is a folder that is removed at the end; `at_end` is called before, when it is defined.
# shellcheck shell=bash

SCRATCH=$(mktemp -d) || exit
readonly SCRATCH
TAP_NUMBER=0
TAP_FAILED=0

tap_end() {
    if declare -F at_end >/dev/null; then
        at_end
    fi
    rm -rf "$SCRATCH"
}
trap tap_end EXIT

check() {
    local what=$1
    shift
    TAP_NUMBER=$((TAP_NUMBER + 1))
    if "$@" >"$SCRATCH/said" 2>&1; then
        echo "ok $TAP_NUMBER - $what"
    else
        echo "not ok $TAP_NUMBER - $what"
        sed 's/^/# /' "$SCRATCH/said"
        TAP_FAILED=$((TAP_FAILED + 1))
    fi
}

skip() {
    TAP_NUMBER=$((TAP_NUMBER + 1))
    echo "ok $TAP_NUMBER - $1 # SKIP $2"
}

done_testing() {
    echo "1..$TAP_NUMBER"
    exit $((TAP_FAILED > 0))
}
