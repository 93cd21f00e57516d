/* bench/rows_admin.h - what the rows of administration share. */
#ifndef KITBAG_BENCH_ROWS_ADMIN_H
#define KITBAG_BENCH_ROWS_ADMIN_H

#include "bench/bench.h"
#include "bench/https.h"

/* rows_console.c: the web console's own cost, of a server that is there and at rest. */
void rows_console(struct bench *bench, const struct bench_server *server,
                  const struct https_site *site);

#endif
