/* bench/rows_backup.h - backups of a server that is written to. */
#ifndef KITBAG_BENCH_ROWS_BACKUP_H
#define KITBAG_BENCH_ROWS_BACKUP_H

#include "bench/bench.h"

void rows_backup(struct bench *bench);

#endif
