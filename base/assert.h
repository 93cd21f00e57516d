/* base/assert.h - assertions that stay on in production.
 *
 * They guard against mistakes of ours, never against input: what a disk, a peer, an operator or a
 * person supplies is answered with an error.
 */
#ifndef KITBAG_BASE_ASSERT_H
#define KITBAG_BASE_ASSERT_H

#define MUST_CHECK __attribute__((warn_unused_result))

_Noreturn void assert_failed(const char *expression, const char *file, int line);

#define ASSERT(expression) ((expression) ? (void)0 : assert_failed(#expression, __FILE__, __LINE__))

#endif
