/* tests/support/io_calls.h - what the code under test asked of the disk, in order; and failing a
 * call.
 *
 * It sees write, pwrite, fsync, fdatasync, rename and ftruncate of everything that is linked
 * statically into the test program (the linker's --wrap). After
 *
 *     io_calls_start();
 *     file_replace("/tmp/x/state", ...);
 *
 * io_calls_text() is "pwrite:state.partial fsync:state.partial rename:state fsync:x". Equal calls
 * in a row stand there each by itself; a pread can fail, too, but is not recorded. Outcome tests do
 * not notice a sync that is missing: these do.
 */
#ifndef KITBAG_TESTS_SUPPORT_IO_CALLS_H
#define KITBAG_TESTS_SUPPORT_IO_CALLS_H

#include <stdbool.h>

/* Forget what was recorded and record from now on; no call fails. */
void io_calls_start(void);

/* Stop recording and failing. Until the next start the text stays. */
void io_calls_stop(void);

/* The calls of all threads so far; borrowed, valid until the next start. */
const char *io_calls_text(void);

/* After io_calls_start: let the `nth` call (1 is the next) named `name` fail with `error_number`,
 * and it alone. It is recorded as "!fsync:state.partial". */
void io_calls_fail(const char *name, unsigned nth, int error_number);

/* Did it come to that? */
bool io_calls_failed(void);

/* After io_calls_start: let the `nth` write or pwrite write `size` bytes only (0 is 1). */
void io_calls_shorten(unsigned nth, unsigned size);

#endif
