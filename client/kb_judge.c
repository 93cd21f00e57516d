/* client/kb_judge.c - one round of judging: save what will be replaced, write what counts, take out
 * what was judged. In this order: ended in the middle, it is done again from the start.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "client/kb_policy.h"

enum { WRITES_MAX = 1000, BYTES_MAX = 1 << 20 }; /* of one change set */

struct round {
    struct kb *kb;
    enum outbox_claimed which;
    enum kb_join_policy policy;
    uint64_t upto, device;
    const struct replica_rules *rules; /* NULL: there are none */
    struct client_saving saving;
    struct kb_judged made; /* counted as it is carried out */
};

/* What is claimed of one bag. */
struct claimed {
    struct replica_bag bag;
    struct outbox_claims claims;
    struct buf theirs; /* value of the item at hand */
};

/* --- one item --- */

/* The server's side, without what waits here. */
static int read_theirs(struct round *round, struct claimed *claimed,
                       const struct outbox_claim *claim, struct client_side *out, struct err *err)
{
    struct replica_seen seen;
    const struct replica_view view = {.owner = &claimed->bag.owner, .device = round->device};
    buf_reset(&claimed->theirs);
    *out = (struct client_side){0};
    int rc = replica_view_item(round->kb->replica, &view, span_str(claim->path), &seen,
                               &claimed->theirs, err);
    client_tell_damage(round->kb, rc);
    if (rc != 0 || seen.layer == REPLICA_DEFAULT) { /* a default is nobody's value */
        return rc == E_NOT_FOUND ? 0 : rc;
    }
    *out = (struct client_side){.there = true,
                                .time_ms = seen.row.time_ms,
                                .seq = seen.row.seq,
                                .own = seen.row.origin == round->device,
                                .value = buf_span(&claimed->theirs)};
    return 0;
}

/* What its category does not take is given up. */
static bool is_taken(const struct round *round, const struct claimed *claimed,
                     const struct client_side *ours, struct span path)
{
    bool judged = ours->there && claimed->bag.owner.kind == OWNER_USER;
    return !judged || sharing_check_value(replica_rules_category(round->rules, path), path,
                                          ours->value, NULL) == 0;
}

static int judge_claim(struct round *round, struct claimed *claimed,
                       const struct outbox_claim *claim, enum client_verdict *verdict,
                       struct client_side *theirs, struct err *err)
{
    const struct client_side ours = {.there = !claim->removed,
                                     .time_ms = claim->time_ms,
                                     .seq = claim->seen,
                                     .value = span_of(claim->value, claim->size)};
    int rc = read_theirs(round, claimed, claim, theirs, err);
    if (rc == 0) {
        *verdict = client_judge_item(round->policy, &ours, theirs);
        if (*verdict != CLIENT_SAME && !is_taken(round, claimed, &ours, span_str(claim->path))) {
            *verdict = CLIENT_STAY;
        }
    }
    return rc;
}

/* --- saving --- */

static int save_claim(struct round *round, struct claimed *claimed,
                      const struct outbox_claim *claim, struct err *err)
{
    enum client_verdict verdict = CLIENT_SAME;
    struct client_side theirs;
    int rc = judge_claim(round, claimed, claim, &verdict, &theirs, err);
    if (rc == 0 && verdict == CLIENT_REPLACE) {
        return client_saving_item(&round->saving, span_str(claim->path), theirs.time_ms,
                                  theirs.value, err);
    }
    if (rc == 0 && verdict == CLIENT_STAY && !claim->removed) {
        return client_saving_item(&round->saving, span_str(claim->path), claim->time_ms,
                                  span_of(claim->value, claim->size), err);
    }
    return rc;
}

/* Those of one layer: in the file they are in bags of their own. */
static int save_layer(struct round *round, struct claimed *claimed, bool device, struct err *err)
{
    struct replica_bag head = claimed->bag;
    int rc = 0;
    if (device) {
        head.owner.kind = OWNER_USER_DEVICE;
        head.owner.device = round->device;
        head.bag_id = 0;
    }
    client_saving_bag(&round->saving, &head);
    for (size_t i = 0; rc == 0 && i < claimed->claims.count; i++) {
        const struct outbox_claim *claim = &claimed->claims.list[i];
        bool own =
            claimed->bag.owner.kind == OWNER_USER &&
            client_is_device_specific((void *)(uintptr_t)round->rules, span_str(claim->path));
        rc = own == device ? save_claim(round, claimed, claim, err) : 0;
    }
    return rc;
}

static int save(struct round *round, struct claimed *claimed, struct err *err)
{
    int rc = save_layer(round, claimed, false, err);
    return rc != 0 ? rc : save_layer(round, claimed, true, err);
}

/* --- carrying out --- */

struct counted {
    bool met;    /* something of it was on both sides */
    size_t stay; /* of this machine's values */
};

static void count(struct round *round, enum client_verdict verdict, bool there,
                  struct counted *counted)
{
    struct kb_judged *made = &round->made;
    counted->met = counted->met || there || verdict != CLIENT_TAKE;
    counted->stay += verdict == CLIENT_STAY ? 1 : 0;
    made->same += verdict == CLIENT_SAME ? 1 : 0;
    made->taken += verdict == CLIENT_TAKE ? 1 : 0;
    made->replaced_there += verdict == CLIENT_REPLACE ? 1 : 0;
    made->replaced_here += verdict == CLIENT_STAY ? 1 : 0;
}

static int by_order(const void *a, const void *b)
{
    const struct outbox_claim *const *one = a;
    const struct outbox_claim *const *other = b;
    return ((*one)->order > (*other)->order) - ((*one)->order < (*other)->order);
}

/* As they were written: of what its category keeps only so many of, the newest stay. To be freed.
 */
static const struct outbox_claim **as_written(const struct outbox_claims *claims)
{
    const struct outbox_claim **list = calloc(claims->count + 1, sizeof *list);
    for (size_t i = 0; list != NULL && i < claims->count; i++) {
        list[i] = &claims->list[i];
    }
    if (list != NULL) {
        qsort(list, claims->count, sizeof *list, by_order);
    }
    return list;
}

/* The claims that count, as writes; borrowed from the claims. */
static int choose(struct round *round, struct claimed *claimed, struct kb_write *writes,
                  size_t *write_count, struct counted *counted, struct err *err)
{
    int rc = 0;
    const struct outbox_claim **list = as_written(&claimed->claims);
    if (list == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    for (size_t i = 0; rc == 0 && i < claimed->claims.count; i++) {
        const struct outbox_claim *claim = list[i];
        enum client_verdict verdict = CLIENT_SAME;
        struct client_side theirs = {0};
        rc = judge_claim(round, claimed, claim, &verdict, &theirs, err);
        if (rc == 0) {
            count(round, verdict, theirs.there, counted);
        }
        if (rc == 0 && (verdict == CLIENT_TAKE || verdict == CLIENT_REPLACE)) {
            writes[(*write_count)++] = (struct kb_write){.item = claim->path,
                                                         .bytes = claim->value,
                                                         .size = claim->size,
                                                         .remove = claim->removed};
        }
    }
    free(list);
    return rc;
}

static int write_anew(struct round *round, const struct claimed *claimed,
                      const struct kb_write *writes, size_t write_count, struct err *err)
{
    char text[OWNER_TEXT_MAX];
    struct kb_error why = {0};
    int rc = 0;
    owner_format(&claimed->bag.owner, text);
    for (size_t i = 0; rc == 0 && i < write_count;) {
        size_t many = 0;
        size_t bytes = 0;
        while (i + many < write_count && many < WRITES_MAX && (many == 0 || bytes < BYTES_MAX)) {
            bytes += strlen(writes[i + many].item) + writes[i + many].size;
            many++;
        }
        rc = kb_apply(round->kb, text, &writes[i], many, NULL, NULL, &why);
        i += many;
    }
    return rc == 0 ? 0 : err_set(err, rc, "%.120s: %.200s", text, why.text);
}

/* What waits goes as it is, when all of it counts. */
static int carry_out(struct round *round, struct claimed *claimed, struct err *err)
{
    struct counted counted = {0};
    size_t write_count = 0;
    struct kb_write *writes = calloc(claimed->claims.count + 1, sizeof *writes);
    if (writes == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    int rc = choose(round, claimed, writes, &write_count, &counted, err);
    bool goes = round->which == OUTBOX_HELD && counted.stay == 0;
    if (rc == 0 && !goes) {
        rc = write_anew(round, claimed, writes, write_count, err);
        rc = rc != 0 ? rc
                     : outbox_drop_all(round->kb->outbox, claimed->claims.ids,
                                       claimed->claims.id_count, err);
        client_tell(round->kb, &claimed->bag.owner, (struct span){NULL, 0}, 0);
    }
    if (rc == 0 && counted.met) {
        round->made.users += claimed->bag.owner.kind == OWNER_USER ? 1 : 0;
        round->made.groups += claimed->bag.owner.kind == OWNER_GROUP ? 1 : 0;
    }
    free(writes);
    return rc;
}

/* --- all of them --- */

typedef int claimed_fn(struct round *round, struct claimed *claimed, struct err *err);

static int each_owner(struct round *round, const struct owner *owners, size_t count,
                      claimed_fn *each, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct claimed claimed = {.claims = {0}};
        buf_init(&claimed.theirs, VALUE_MAX_BYTES + 1);
        rc = replica_bag_by_owner(round->kb->replica, &owners[i], &claimed.bag, err);
        rc = rc != 0 ? rc
                     : outbox_claims(round->kb->outbox, round->which, &owners[i], round->upto,
                                     &claimed.claims, err);
        rc = rc != 0 ? rc : each(round, &claimed, err);
        outbox_claims_free(&claimed.claims);
        buf_free(&claimed.theirs);
    }
    return rc;
}

static void add_up(struct round *round)
{
    struct kb *kb = round->kb;
    const struct kb_judged *made = &round->made;
    (void)pthread_mutex_lock(&kb->lock);
    struct kb_judged *done = &kb->judging.done;
    done->users += made->users;
    done->groups += made->groups;
    done->same += made->same;
    done->taken += made->taken;
    done->replaced_there += made->replaced_there;
    done->replaced_here += made->replaced_here;
    if (round->saving.path[0] != '\0') {
        memcpy(done->saved, round->saving.path, sizeof round->saving.path);
    }
    (void)pthread_mutex_unlock(&kb->lock);
}

int client_judge(struct kb *kb, enum outbox_claimed which, const struct owner *owners, size_t count,
                 struct err *err)
{
    ASSERT(kb != NULL && (owners != NULL || count == 0));
    _Static_assert(sizeof(((struct kb_judged *)0)->saved) >= PATH_MAX, "a path fits");
    struct judging judging = client_judging(kb);
    struct round *round = calloc(1, sizeof *round);
    if (round == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    *round = (struct round){.kb = kb,
                            .which = which,
                            .policy = (enum kb_join_policy)judging.policy,
                            .upto = judging.upto,
                            .device = client_device(kb),
                            .saving = {.kb = kb, .fd = -1}};
    client_tell_damage(kb, replica_rules_take(kb->replica, &round->rules, NULL));
    int rc = each_owner(round, owners, count, save, err);
    rc = client_saving_end(&round->saving, rc, err);
    rc = rc != 0 ? rc : each_owner(round, owners, count, carry_out, err);
    add_up(round);
    replica_rules_put_back(kb->replica, &round->rules);
    free(round);
    return rc;
}
