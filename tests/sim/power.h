/* tests/sim/power.h - what is on a machine's disk, kept aside and put back.
 *
 * LMDB syncs its pages with each commit and its root with the next one, so a power cut leaves the
 * last commit or the one before. The linker puts a stand-in before mdb_txn_commit, mdb_env_sync and
 * mdb_env_close that knows what the root was before.
 */
#ifndef KITBAG_TESTS_SIM_POWER_H
#define KITBAG_TESTS_SIM_POWER_H

#include "client/replica.h"

struct image;

/* The file of the replica in the folder `dir` of its machine, as a power cut would leave it now. */
struct image *power_image(const char *dir, const struct replica *replica);
/* All files of the replica and the outbox; the machine is off. */
struct image *power_folder(const char *dir);
/* Frees it. */
void power_put_back(struct image **image);
void power_image_free(struct image **image);

#endif
