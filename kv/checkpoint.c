/* kv/checkpoint.c - RocksDB's own checkpoints. */
#include "kv/checkpoint.h"

#include <string.h>

#include "kv/inside.h"

bool kv_is_table(const char *file_name)
{
    ASSERT(file_name != NULL);
    size_t size = strlen(file_name);
    return size > 4 && strcmp(file_name + size - 4, ".sst") == 0;
}

/* 0: whatever the log's size is, the memtable is flushed, for there is no log. */
int kv_checkpoint(struct kv *kv, const char *dir, struct err *err)
{
    ASSERT(kv != NULL && dir != NULL);
    char *message = NULL;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(kv->store.db, &message);
    if (message != NULL) {
        return kv_store_err(err, "copied", message);
    }
    rocksdb_checkpoint_create(checkpoint, dir, 0, &message);
    rocksdb_checkpoint_object_destroy(checkpoint);
    return message == NULL ? 0 : kv_store_err(err, "copied", message);
}
