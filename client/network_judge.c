/* client/network_judge.c - when is there all that a policy of joining has to judge?
 *
 * What waits for bags of the server's is judged as soon as these bags are as the server has them,
 * before any operation is sent. What was refused because the server had the bag already is judged
 * when every operation from before was answered, and these bags are here. A bag that does not come
 * (its user can't sign in, say) is waited for some seconds, and then the others go first.
 */
#include <stdio.h>
#include <stdlib.h>

#include "client/kb_policy.h"
#include "client/network_inside.h"

enum { LOOK_MS = 50, PATIENCE_MS = 10000, AGAIN_MS = 5000 };

/* Those whose bag is here move to the front; how many of the others may still come. */
static size_t sort_out(struct network *network, struct owner *owners, size_t count, size_t *ready)
{
    size_t missing = 0;
    *ready = 0;
    for (size_t i = 0; i < count; i++) {
        struct replica_bag bag;
        int rc = replica_bag_by_owner(network->kb->replica, &owners[i], &bag, NULL);
        if (rc != 0 || !bag.keep) {
            continue; /* it is not kept any more: its writes stay among the refused ones */
        }
        const struct followed *followed = network_find_followed(network, bag.bag_id);
        bool here = bag.bag_id != 0 && bag.made_by == 0 && bag.complete && followed != NULL &&
                    followed->caught;
        if (here) {
            struct owner owner = owners[i];
            owners[i] = owners[*ready];
            owners[(*ready)++] = owner;
        }
        missing += here ? 0 : 1;
    }
    return missing;
}

static void try_again(struct network *network, int rc, const char *text)
{
    network_tell_trouble(network, rc, text);
    network->judge_at_ms = network->now_ms + AGAIN_MS;
}

/* True when nothing of this kind is left, and nothing is waited for. */
static bool judge(struct network *network, enum outbox_claimed which, uint64_t upto)
{
    struct err err = {0};
    struct owner *owners = NULL;
    size_t count = 0;
    size_t ready = 0;
    size_t missing = 0;
    int rc = outbox_claimants(network->kb->outbox, which, upto, &owners, &count, &err);
    if (rc == 0 && count > 0) {
        missing = sort_out(network, owners, count, &ready);
        bool late = network->judge_until_ms != 0 && network->now_ms >= network->judge_until_ms;
        network->judge_until_ms = missing == 0 ? 0
                                  : late || network->judge_until_ms == 0
                                      ? network->now_ms + PATIENCE_MS
                                      : network->judge_until_ms;
        bool now = ready > 0 && (missing == 0 || late);
        rc = now ? client_judge(network->kb, which, owners, ready, &err) : 0;
        missing = late && which == OUTBOX_HELD ? 0 : missing; /* these are sent as ever */
    }
    free(owners);
    if (rc != 0) {
        try_again(network, rc, err.text);
    }
    return rc == 0 && missing == 0;
}

static int is_from_before(void *context, const struct outbox_entry *entry, struct err *err)
{
    (void)err;
    return entry->id <= *(const uint64_t *)context ? 1 : 0;
}

static bool is_answered(struct network *network, uint64_t upto)
{
    return outbox_each(network->kb->outbox, OUTBOX_PENDING, is_from_before, &upto, NULL) == 0;
}

static void tell_end(struct network *network)
{
    char text[ERR_TEXT_MAX];
    struct judging judging = client_judging(network->kb);
    const struct kb_judged *done = &judging.done;
    if (done->replaced_here + done->replaced_there == 0) {
        return;
    }
    (void)snprintf(text, sizeof text,
                   "of what both this machine and the server had, %llu values here and %llu there "
                   "were replaced; 'kitbag import' brings them back from %.200s",
                   (unsigned long long)done->replaced_here,
                   (unsigned long long)done->replaced_there, done->saved);
    network_tell_note(network, text);
}

void network_judge_begin(struct network *network)
{
    struct judging judging = client_judging(network->kb);
    network->judge_due = judging.due;
    network->judge_holds = judging.held;
}

void network_judge(struct network *network)
{
    if (!network->judge_due || network->now_ms < network->judge_at_ms || !network->device_caught ||
        network->held > 0) {
        return;
    }
    struct judging judging = client_judging(network->kb);
    network->judge_at_ms = network->now_ms + LOOK_MS;
    if (network->judge_holds) {
        if (!judge(network, OUTBOX_HELD, judging.upto)) {
            return;
        }
        client_judging_release(network->kb);
        network->judge_holds = false;
        network->judge_until_ms = 0;
        network_let_operations_go(network);
    }
    if (is_answered(network, judging.upto) && judge(network, OUTBOX_MET, judging.upto)) {
        network->judge_due = false;
        client_judging_end(network->kb);
        tell_end(network);
    }
}
