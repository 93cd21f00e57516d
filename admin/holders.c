/* admin/holders.c - people, and then the machines where they are signed in. */
#include "admin/holders.h"

#include <stdlib.h>

#include "base/array.h"

struct admin_person {
    uint64_t user_bag;
    uint64_t since_ms; /* of a member: when it became one; 0: when it signed in counts */
};

static int out_of_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "out of memory");
}

static int add_person(struct admin_holders *holders, struct admin_person person, struct err *err)
{
    struct admin_person *people = array_reserve(holders->people, &holders->people_room,
                                                holders->people_count + 1, sizeof *people);
    if (people == NULL) {
        return out_of_memory(err);
    }
    holders->people = people;
    people[holders->people_count++] = person;
    return 0;
}

int admin_holders_add_user(struct admin_holders *holders, uint64_t user_bag, struct err *err)
{
    ASSERT(holders != NULL);
    return add_person(holders, (struct admin_person){.user_bag = user_bag}, err);
}

static int see_member(void *context, uint64_t user_bag, uint64_t time_ms, struct err *err)
{
    return add_person(context, (struct admin_person){user_bag, time_ms > 0 ? time_ms : 1}, err);
}

int admin_holders_add_group(struct admin_holders *holders, struct kv *kv, struct kv_view *view,
                            const char *folded, struct err *err)
{
    ASSERT(holders != NULL);
    return kv_members(kv, view, folded, see_member, holders, err);
}

/* --- finding --- */

/* By bag, and the newest first. */
static int by_bag(const void *a, const void *b)
{
    const struct admin_person *one = a;
    const struct admin_person *other = b;
    if (one->user_bag != other->user_bag) {
        return one->user_bag > other->user_bag ? 1 : -1;
    }
    return (one->since_ms < other->since_ms) - (one->since_ms > other->since_ms);
}

/* By machine, and the newest first. */
static int by_device(const void *a, const void *b)
{
    const struct admin_holder *one = a;
    const struct admin_holder *other = b;
    if (one->device != other->device) {
        return one->device > other->device ? 1 : -1;
    }
    return (one->since_ms < other->since_ms) - (one->since_ms > other->since_ms);
}

/* In order, and each once. */
static void sort_people(struct admin_holders *holders)
{
    struct admin_person *people = holders->people;
    size_t kept = 0;
    if (holders->people_count > 0) {
        qsort(people, holders->people_count, sizeof *people, by_bag);
    }
    for (size_t i = 0; i < holders->people_count; i++) {
        if (kept == 0 || people[kept - 1].user_bag != people[i].user_bag) {
            people[kept++] = people[i];
        }
    }
    holders->people_count = kept;
}

static void sort_machines(struct admin_holders *holders)
{
    struct admin_holder *list = holders->list;
    size_t kept = 0;
    if (holders->count > 0) {
        qsort(list, holders->count, sizeof *list, by_device);
    }
    for (size_t i = 0; i < holders->count; i++) {
        if (kept == 0 || list[kept - 1].device != list[i].device) {
            list[kept++] = list[i];
        }
    }
    holders->count = kept;
}

/* Both are told, and walked over, in order of bags. */
struct finding {
    struct admin_holders *holders;
    const struct admin_person *person;
};

static int see_sign_in(void *context, const struct kv_sign_in *sign_in, struct err *err)
{
    struct finding *finding = context;
    struct admin_holders *holders = finding->holders;
    struct admin_holder *list =
        array_reserve(holders->list, &holders->room, holders->count + 1, sizeof *list);
    if (list == NULL) {
        return out_of_memory(err);
    }
    holders->list = list;
    while (finding->person->user_bag < sign_in->user_bag) {
        finding->person++;
    }
    uint64_t since_ms = finding->person->since_ms;
    since_ms = since_ms > 0 ? since_ms : sign_in->time_ms;
    list[holders->count++] = (struct admin_holder){sign_in->device, since_ms > 0 ? since_ms : 1};
    return 0;
}

int admin_holders_find(struct admin_holders *holders, struct kv *kv, struct kv_view *view,
                       struct err *err)
{
    ASSERT(holders != NULL && holders->count == 0);
    sort_people(holders);
    uint64_t *bags = calloc(holders->people_count + 1, sizeof *bags);
    if (bags == NULL) {
        return out_of_memory(err);
    }
    for (size_t i = 0; i < holders->people_count; i++) {
        bags[i] = holders->people[i].user_bag;
    }
    struct finding finding = {holders, holders->people};
    int rc = kv_sign_ins(kv, view, bags, holders->people_count, see_sign_in, &finding, err);
    free(bags);
    sort_machines(holders);
    return rc;
}

const struct admin_holder *admin_holders_at(const struct admin_holders *holders, uint64_t device)
{
    ASSERT(holders != NULL);
    size_t low = 0;
    size_t high = holders->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (holders->list[middle].device == device) {
            return &holders->list[middle];
        }
        if (holders->list[middle].device < device) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

void admin_holders_free(struct admin_holders *holders)
{
    ASSERT(holders != NULL);
    free(holders->list);
    free(holders->people);
    *holders = (struct admin_holders){0};
}
