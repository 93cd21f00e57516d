/* tests/lint/analyzer.h - what clang-tidy is told about functions that it can't look into.
 *
 * err_set and err_sys never return 0. Without that knowledge the analyzer follows paths on which a
 * function failed and yet returned 0, and reports what it finds there.
 */
#ifndef KITBAG_TESTS_LINT_ANALYZER_H
#define KITBAG_TESTS_LINT_ANALYZER_H

#include "base/err.h"

#define err_set(err, code, ...)        (err_set((err), (code), __VA_ARGS__), (code))
#define err_sys(err, operation, thing) (err_sys((err), (operation), (thing)), E_SYSTEM)

#endif
