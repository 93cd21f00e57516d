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

/* Is it a table, whose content never changes? */
bool kv_is_table(const char *file_name);

#endif
