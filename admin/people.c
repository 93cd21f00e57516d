/* admin/people.c - people become users, colleagues become addresses.
 *
 * What is equal already is left out before anything is submitted. Change sets are of one user each;
 * many travel to the committer together, so that they share its group commits.
 */
#include "admin/people.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SETS_AT_ONCE = 64,       /* change sets handed in together */
    BYTES_AT_ONCE = 1 << 20, /* of their values, about */
    WRITES_OF_SET = 1000,    /* a longer list becomes several sets */
    BYTES_OF_SET = 512 << 10,
    LIST_PATH_MAX = PATH_MAX_BYTES + 1,
};

static const char PERSONAL[] = "address-list/personal/";
static const char GROUP[] = "address-list/group/";

/* --- departments: who works with whom --- */

/* One person in one department. */
struct membership {
    const char *department;
    uint32_t person;
    uint32_t first; /* of the department's part of `members` */
    uint32_t size;
};

struct departments {
    struct membership *memberships; /* by person */
    size_t count;
    uint32_t *members; /* people, by department and line */
    uint32_t *seen;    /* of a person: whose list they were last put into, plus one */
};

static int by_department(const void *a, const void *b)
{
    const struct membership *one = a;
    const struct membership *other = b;
    int order = strcmp(one->department, other->department);
    return order != 0 ? order : (one->person > other->person) - (one->person < other->person);
}

static int by_person(const void *a, const void *b)
{
    const struct membership *one = a;
    const struct membership *other = b;
    int order = (one->person > other->person) - (one->person < other->person);
    return order != 0 ? order : (one->first > other->first) - (one->first < other->first);
}

static size_t count_memberships(const struct admin_people *people)
{
    size_t count = 0;
    for (size_t i = 0; i < people->count; i++) {
        for (const char *d = people->all[i]->departments; *d != '\0'; d += strlen(d) + 1) {
            count++;
        }
    }
    return count;
}

static void fill_memberships(struct departments *departments, const struct admin_people *people)
{
    size_t at = 0;
    for (size_t i = 0; i < people->count; i++) {
        for (const char *d = people->all[i]->departments; *d != '\0'; d += strlen(d) + 1) {
            departments->memberships[at++] =
                (struct membership){.department = d, .person = (uint32_t)i};
        }
    }
    departments->count = at;
}

/* Each membership learns where the department's people stand. */
static void group(struct departments *departments)
{
    struct membership *all = departments->memberships;
    qsort(all, departments->count, sizeof *all, by_department);
    for (size_t first = 0; first < departments->count;) {
        size_t end = first;
        while (end < departments->count &&
               strcmp(all[end].department, all[first].department) == 0) {
            departments->members[end] = all[end].person;
            end++;
        }
        for (size_t i = first; i < end; i++) {
            all[i].first = (uint32_t)first;
            all[i].size = (uint32_t)(end - first);
        }
        first = end;
    }
    qsort(all, departments->count, sizeof *all, by_person);
}

static void departments_free(struct departments *departments)
{
    free(departments->memberships);
    free(departments->members);
    free(departments->seen);
}

static int departments_make(struct departments *departments, const struct admin_people *people,
                            struct err *err)
{
    size_t count = count_memberships(people);
    departments->memberships = calloc(count + 1, sizeof *departments->memberships);
    departments->members = calloc(count + 1, sizeof *departments->members);
    departments->seen = calloc(people->count + 1, sizeof *departments->seen);
    if (departments->memberships == NULL || departments->members == NULL ||
        departments->seen == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    fill_memberships(departments, people);
    group(departments);
    return 0;
}

/* --- change sets on their way --- */

struct batch_of_sets {
    struct admin_import *import;
    struct admin_failures *failures;
    struct submit sets[SETS_AT_ONCE];
    uint64_t lines[SETS_AT_ONCE]; /* of the person each is for */
    uint64_t told_line;           /* of whom the last failure was told */
    size_t count;
    size_t bytes;
    struct operation_write *writes; /* of all sets */
    size_t write_count;
    size_t write_capacity;
    char *paths; /* LIST_PATH_MAX bytes for each write */
};

/* Codes that are about this set alone; all others are about the server. */
static bool is_refusal(int code)
{
    return code == E_NOT_FOUND || code == E_CONDITION || code == E_PATH || code == E_NAME ||
           code == E_TOO_LARGE || code == E_QUOTA || code == E_BAG_GONE || code == E_NOT_ALLOWED ||
           code == E_INVALID;
}

static int take_result(struct batch_of_sets *batch, size_t i, struct err *err)
{
    const struct submit *set = &batch->sets[i];
    if (set->code == 0) {
        batch->import->registered += set->created;
        batch->import->items += set->write_count;
        return 0;
    }
    if (!is_refusal(set->code)) {
        return err_set(err, set->code, "%s", set->text);
    }
    if (batch->lines[i] != batch->told_line) { /* else of an earlier set of the same person */
        batch->told_line = batch->lines[i];
        admin_failures_add(batch->failures, batch->lines[i], set->text);
    }
    return 0;
}

/* The writes stand in one array that has moved while it grew. */
static void place_writes(struct batch_of_sets *batch)
{
    size_t at = 0;
    for (size_t i = 0; i < batch->count; i++) {
        batch->sets[i].writes = batch->writes + at;
        at += batch->sets[i].write_count;
    }
    for (size_t i = 0; i < batch->write_count; i++) {
        batch->writes[i].path = span_str(batch->paths + i * LIST_PATH_MAX);
    }
}

static int send_sets(struct batch_of_sets *batch, struct err *err)
{
    struct admin_import *import = batch->import;
    int rc = 0;
    if (atomic_load(import->given_up)) {
        return err_set(err, E_CLOSED, "nobody waits for the import any more");
    }
    if (batch->count > 0 && !import->dry_run) {
        place_writes(batch);
        rc = import->backend->submit(import->backend->context, batch->sets, batch->count, err);
    }
    bool sent = rc == 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (sent || batch->sets[i].seq > 0) { /* what was done beside a failure counts */
            int result = take_result(batch, i, rc == 0 ? err : NULL);
            rc = rc == 0 ? result : rc;
        }
    }
    batch->count = 0;
    batch->bytes = 0;
    batch->write_count = 0;
    return rc;
}

static int grow_writes(struct batch_of_sets *batch)
{
    if (batch->write_count < batch->write_capacity) {
        return 0;
    }
    size_t capacity = batch->write_capacity > 0 ? 2 * batch->write_capacity : 256;
    struct operation_write *writes = realloc(batch->writes, capacity * sizeof *writes);
    if (writes == NULL) {
        return E_NOMEM;
    }
    batch->writes = writes;
    char *paths = realloc(batch->paths, capacity * LIST_PATH_MAX);
    if (paths == NULL) {
        return E_NOMEM;
    }
    batch->paths = paths;
    batch->write_capacity = capacity;
    return 0;
}

/* --- one owner's list --- */

struct list {
    struct batch_of_sets *batch;
    struct owner owner;
    bool exists;
    uint64_t bag_id;
    const char *folder; /* PERSONAL or GROUP */
    uint64_t line;      /* of the person whose list it is; 0: of the addresses' own */
    bool open;          /* its set is the last of the batch, and may grow */
    size_t set_bytes;
    size_t changed;
};

/* A new set for the list; the first one of a new owner makes the bag. */
static int open_set(struct list *list, uint64_t line, struct err *err)
{
    struct batch_of_sets *batch = list->batch;
    if (batch->count == SETS_AT_ONCE || batch->bytes >= BYTES_AT_ONCE) {
        int rc = send_sets(batch, err);
        if (rc != 0) {
            return rc;
        }
    }
    batch->lines[batch->count] = line;
    batch->sets[batch->count++] = (struct submit){
        .kind = SUBMIT_WRITE,
        .create = !list->exists,
        .actor = batch->import->actor,
        .owner = list->owner,
        .created = batch->import->dry_run && !list->exists,
    };
    list->exists = true;
    list->open = true;
    list->set_bytes = 0;
    return 0;
}

/* Has the owner this address as it is? */
static int is_equal(const struct list *list, struct span path, struct span value, bool *equal,
                    struct err *err)
{
    struct kv_item item = {0};
    *equal = false;
    if (list->bag_id == 0) {
        return 0;
    }
    int rc = kv_item(list->batch->import->backend->kv, NULL, list->bag_id, path, &item, err);
    *equal = rc == 0 && item.row.state == ITEM_LIVE && span_equal(item.row.value, value);
    kv_item_free(&item);
    return rc == E_NOT_FOUND || rc == E_BAG_GONE ? 0 : rc;
}

static int add_address(struct list *list, const struct admin_person *person, struct err *err)
{
    struct batch_of_sets *batch = list->batch;
    char path[LIST_PATH_MAX];
    int size = snprintf(path, sizeof path, "%s%s", list->folder, person->id);
    ASSERT(size > 0 && (size_t)size < sizeof path); /* that is what an id is made for */
    struct span value = span_of(person->value, person->value_size);
    bool equal = false;
    int rc = is_equal(list, span_of(path, (size_t)size), value, &equal, err);
    if (rc != 0 || equal) {
        return rc;
    }
    const struct submit *last = batch->count > 0 ? &batch->sets[batch->count - 1] : NULL;
    if (!list->open || last == NULL || last->write_count == WRITES_OF_SET ||
        list->set_bytes >= BYTES_OF_SET) {
        rc = open_set(list, list->line != 0 ? list->line : person->line, err);
    }
    if (rc == 0 && grow_writes(batch) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    if (rc != 0) {
        return rc;
    }
    memcpy(batch->paths + batch->write_count * LIST_PATH_MAX, path, (size_t)size + 1);
    batch->writes[batch->write_count++] = (struct operation_write){.value = value};
    batch->sets[batch->count - 1].write_count++;
    batch->bytes += value.size + (size_t)size;
    list->set_bytes += value.size + (size_t)size;
    list->changed++;
    return 0;
}

/* --- everybody --- */

static int add_colleagues(struct list *list, struct departments *departments, size_t *membership,
                          const struct admin_people *people, uint32_t person, struct err *err)
{
    departments->seen[person] = person + 1;
    int rc = 0;
    for (;
         *membership < departments->count && departments->memberships[*membership].person == person;
         ++*membership) {
        const struct membership *m = &departments->memberships[*membership];
        for (uint32_t i = m->first; i < m->first + m->size && rc == 0; i++) {
            uint32_t colleague = departments->members[i];
            bool again = departments->seen[colleague] == person + 1;
            departments->seen[colleague] = person + 1;
            if (!again && people->all[colleague]->value_size > 0) {
                rc = add_address(list, people->all[colleague], err);
            }
        }
    }
    return rc;
}

static int register_person(struct batch_of_sets *batch, struct admin_people *people,
                           struct departments *departments, size_t *membership, uint32_t index,
                           struct err *err)
{
    const struct admin_person *person = people->all[index];
    struct list list = {.batch = batch, .folder = PERSONAL, .line = person->line};
    struct bag_row bag = {0};
    int rc = owner_make(&list.owner, OWNER_USER, span_str(person->name), 0, err);
    if (rc == 0) {
        rc = kv_bag_of(batch->import->backend->kv, NULL, &list.owner, &bag, err);
    }
    if (rc != 0 && rc != E_NOT_FOUND) {
        return rc;
    }
    list.exists = rc == 0;
    list.bag_id = rc == 0 ? bag.bag_id : 0;
    rc = list.exists ? 0 : open_set(&list, person->line, err);
    if (rc == 0) {
        rc = add_colleagues(&list, departments, membership, people, index, err);
    }
    batch->import->unchanged += list.bag_id != 0 && list.changed == 0;
    return rc;
}

static void batch_free(struct batch_of_sets *batch)
{
    free(batch->writes);
    free(batch->paths);
}

int admin_people_register(struct admin_import *import, struct admin_people *people, bool colleagues,
                          struct err *err)
{
    ASSERT(import != NULL && people != NULL);
    struct batch_of_sets batch = {.import = import, .failures = &people->failures};
    struct departments departments = {0};
    size_t membership = 0;
    int rc = 0;
    if (colleagues) {
        rc = departments_make(&departments, people, err);
    } else {
        departments.seen = calloc(people->count + 1, sizeof *departments.seen);
        rc = departments.seen != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < people->count && rc == 0; i++) {
        rc = register_person(&batch, people, &departments, &membership, (uint32_t)i, err);
    }
    if (rc == 0) {
        rc = send_sets(&batch, err);
    }
    batch_free(&batch);
    departments_free(&departments);
    return rc;
}

int admin_people_list(struct admin_import *import, struct admin_people *people,
                      const struct owner *into, struct err *err)
{
    ASSERT(import != NULL && people != NULL && into != NULL);
    struct batch_of_sets batch = {.import = import, .failures = &people->failures};
    struct list list = {.batch = &batch, .owner = *into, .exists = true};
    list.folder = into->kind == OWNER_GROUP ? GROUP : PERSONAL;
    struct bag_row bag = {0};
    int rc = kv_bag_of(import->backend->kv, NULL, into, &bag, err);
    if (rc == E_NOT_FOUND) {
        (void)err_set(err, rc, "there is no %s '%s'", into->kind == OWNER_GROUP ? "group" : "user",
                      into->shown);
    }
    list.bag_id = bag.bag_id;
    for (size_t i = 0; i < people->count && rc == 0; i++) {
        size_t before = list.changed;
        if (people->all[i]->value_size > 0) {
            rc = add_address(&list, people->all[i], err);
            import->unchanged += list.changed == before;
        }
    }
    if (rc == 0) {
        rc = send_sets(&batch, err);
    }
    batch_free(&batch);
    return rc;
}
