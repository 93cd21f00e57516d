/* kv/checkpoint.h - a copy of the state while it is read and written. */
#ifndef KITBAG_KV_CHECKPOINT_H
#define KITBAG_KV_CHECKPOINT_H

#include "kv/kv.h"

/* Make a copy of the newest state in the folder `dir`, which must not be there; the one above it
 * is, on the state's own disk. Tables are hard links, which are never written to again; the rest,
 * some KiB, is copied. The copy is synced, but for the name `dir` itself. It can be opened as a
 * state, and holds what was applied when this was called, or more. What was written is flushed
 * first. Any thread; others read and apply meanwhile. E_NOSPACE, E_PERMISSION, E_IO: what was begun
 * is gone. */
MUST_CHECK int kv_checkpoint(struct kv *kv, const char *dir, struct err *err);

/* Open a copy to read only, as kv_open does: nothing in the folder is changed, and the calls that
 * write must not be made. One that an earlier version wrote is read as it is. E_CORRUPT also when
 * there is none. Closed by kv_close without flushing. */
MUST_CHECK int kv_open_read(struct kv **out, const struct kv_options *options, struct err *err);

/* Is it a table, whose content never changes? */
bool kv_is_table(const char *file_name);

#endif
