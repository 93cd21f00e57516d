/* server/seeding.h - the fleet's bag gets the catalogue that the files have.
 *
 * One change set of what differs, by nobody's hand ("catalogue"): rows and defaults that the files
 * do not have any more go. Flags stay as they were set. By the main thread, which is not in the
 * committer's sink.
 */
#ifndef KITBAG_SERVER_SEEDING_H
#define KITBAG_SERVER_SEEDING_H

#include "server/catalogue.h"
#include "server/committer.h"

#define SEEDING_ACTOR "catalogue"

/* Plans, commits and delivers what differs; `changes` (may be NULL) is how many items that was. The
 * committer's answer comes by the sink, without a ticket: seeding_answered. E_NOMEM, or what
 * reading the state may return. */
MUST_CHECK int seeding_run(struct committer *committer, const struct catalogue *catalogue,
                           size_t *changes, struct err *err);

/* Logs what became of it. What could not be written now (a full disk, a state that has to be opened
 * again) is tried at the next start or reload. */
void seeding_answered(const struct reply *reply);

#endif
