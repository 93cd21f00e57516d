/* admin/auth/lockout.c - four tables of fixed size.
 *
 * An entry lies in one of the WAYS slots of its set. Hashes are keyed with a number that is made at
 * the start, so nobody can aim at the slots of somebody else.
 */
#include "admin/auth/lockout.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum {
    SETS = AUTH_LOCKOUT_SETS,
    WAYS = AUTH_LOCKOUT_WAYS,
    PLACE_MAX = 64,
    KEY_TEXT_MAX = 2048,
};

enum table { PAIRS, PLACES, ACCOUNTS, KNOWN, TABLES };

struct entry {
    uint64_t key;     /* 0: free */
    uint64_t account; /* the hash of its name; of PLACES 0 */
    uint64_t last_ms;
    uint64_t until_ms;
    uint32_t count;
};

struct auth_lockout {
    uint64_t seed;
    struct entry entries[TABLES][SETS * WAYS];
};

int auth_lockout_new(struct auth_lockout **out, struct err *err)
{
    ASSERT(out != NULL);
    struct auth_lockout *lockout = calloc(1, sizeof *lockout);
    if (lockout == NULL) {
        return err_set(err, E_NOMEM, "the count of failed sign-ins: out of memory");
    }
    lockout->seed = random_u64();
    *out = lockout;
    return 0;
}

void auth_lockout_free(struct auth_lockout **lockout)
{
    if (lockout != NULL) {
        free(*lockout);
        *lockout = NULL;
    }
}

/* --- keys --- */

/* What one who guesses can have many of at no cost is one place: a /64. */
static void place_of(const char *address, char out[PLACE_MAX])
{
    uint8_t bytes[16];
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (inet_pton(AF_INET6, address, bytes) != 1) {
        (void)snprintf(out, PLACE_MAX, "%s", address);
    } else if (memcmp(bytes, mapped, sizeof mapped) == 0) {
        (void)inet_ntop(AF_INET, bytes + sizeof mapped, out, PLACE_MAX);
    } else {
        hex_encode(bytes, 8, out);
    }
}

static uint64_t hash_of(const struct auth_lockout *lockout, enum table table, const char *account,
                        const char *place)
{
    char text[KEY_TEXT_MAX];
    int size = snprintf(text, sizeof text, "%d\n%s\n%s", (int)table, place, account);
    size = size < (int)sizeof text ? size : (int)sizeof text - 1;
    uint64_t hash = hash64(span_of(text, (size_t)size), lockout->seed);
    return hash != 0 ? hash : 1;
}

/* What stands for an account in all entries about it. */
static uint64_t account_hash(const struct auth_lockout *lockout, const char *account)
{
    return hash_of(lockout, ACCOUNTS, account, "");
}

/* --- entries --- */

static uint32_t count_now(const struct entry *entry, uint64_t now_ms)
{
    uint64_t hours = now_ms > entry->last_ms ? (now_ms - entry->last_ms) / AUTH_HALVE_MS : 0;
    return hours < 32 ? entry->count >> hours : 0;
}

static struct entry *find(struct auth_lockout *lockout, enum table table, uint64_t key)
{
    struct entry *set = &lockout->entries[table][key % SETS * WAYS];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key) {
            return &set[i];
        }
    }
    return NULL;
}

/* A flood of others, each tried once, does not make forget who was tried often. */
static struct entry *find_or_make(struct auth_lockout *lockout, enum table table, uint64_t key,
                                  uint64_t account, uint64_t now_ms)
{
    struct entry *entry = find(lockout, table, key);
    if (entry != NULL) {
        return entry;
    }
    struct entry *set = &lockout->entries[table][key % SETS * WAYS];
    entry = &set[0];
    for (size_t i = 1; i < WAYS && entry->key != 0; i++) {
        uint32_t count = count_now(&set[i], now_ms);
        uint32_t least = count_now(entry, now_ms);
        if (set[i].key == 0 || count < least ||
            (count == least && set[i].last_ms < entry->last_ms)) {
            entry = &set[i];
        }
    }
    *entry = (struct entry){.key = key, .account = account, .last_ms = now_ms};
    return entry;
}

static uint64_t wait_of(const struct entry *entry, uint64_t now_ms)
{
    return entry != NULL && entry->until_ms > now_ms ? entry->until_ms - now_ms : 0;
}

/* Where waiting begins, and the longest wait. */
struct terms {
    uint32_t free_count;
    uint64_t max_ms;
};

static uint64_t delay_of(uint32_t count, struct terms terms)
{
    uint32_t doublings = count - terms.free_count - 1;
    uint64_t delay_ms = doublings < 20 ? (uint64_t)AUTH_DELAY_FIRST_MS << doublings : UINT64_MAX;
    return delay_ms < terms.max_ms ? delay_ms : terms.max_ms;
}

/* Returns whether the first wait begins with this attempt. */
static bool charge(struct entry *entry, struct terms terms, uint64_t now_ms)
{
    entry->count = count_now(entry, now_ms);
    entry->count += entry->count < UINT32_MAX;
    entry->last_ms = now_ms;
    entry->until_ms = entry->count > terms.free_count ? now_ms + delay_of(entry->count, terms) : 0;
    return entry->count == terms.free_count + 1;
}

static void discharge(struct entry *entry, uint64_t now_ms)
{
    if (entry != NULL && entry->count > 0) {
        entry->count--;
        entry->until_ms = now_ms;
    }
}

/* --- attempts --- */

static struct terms terms_of(enum table table, bool known)
{
    static const uint32_t free_counts[] = {
        [PAIRS] = AUTH_PAIR_FREE, [PLACES] = AUTH_PLACE_FREE, [ACCOUNTS] = AUTH_ACCOUNT_FREE};
    return (struct terms){free_counts[table], known ? AUTH_DELAY_KNOWN_MS : AUTH_DELAY_MAX_MS};
}

struct keys {
    uint64_t keys[TABLES];
};

static struct keys keys_of(const struct auth_lockout *lockout, const struct auth_attempt *attempt)
{
    char place[PLACE_MAX];
    place_of(attempt->address, place);
    const char *name = attempt->account;
    return (struct keys){{[PAIRS] = hash_of(lockout, PAIRS, name, place),
                          [PLACES] = hash_of(lockout, PLACES, "", place),
                          [ACCOUNTS] = account_hash(lockout, name),
                          [KNOWN] = hash_of(lockout, KNOWN, name, place)}};
}

int auth_lockout_try(struct auth_lockout *lockout, const struct auth_attempt *attempt,
                     uint64_t *wait_ms, bool *locks)
{
    ASSERT(lockout != NULL && attempt != NULL && wait_ms != NULL && locks != NULL);
    struct keys keys = keys_of(lockout, attempt);
    bool known = find(lockout, KNOWN, keys.keys[KNOWN]) != NULL;
    *wait_ms = 0;
    *locks = false;
    for (enum table table = PAIRS; table <= ACCOUNTS; table++) {
        uint64_t wait = known && table != PAIRS
                            ? 0
                            : wait_of(find(lockout, table, keys.keys[table]), attempt->now_ms);
        *wait_ms = wait > *wait_ms ? wait : *wait_ms;
    }
    if (*wait_ms > 0) {
        return E_LOCKED;
    }
    for (enum table table = PAIRS; table <= ACCOUNTS; table++) {
        if (table == ACCOUNTS && known) {
            continue; /* what its owner mistypes is not what strangers try */
        }
        struct entry *entry =
            find_or_make(lockout, table, keys.keys[table],
                         table == PLACES ? 0 : keys.keys[ACCOUNTS], attempt->now_ms);
        *locks = charge(entry, terms_of(table, known && table == PAIRS), attempt->now_ms) || *locks;
    }
    return 0;
}

void auth_lockout_undo(struct auth_lockout *lockout, const struct auth_attempt *attempt)
{
    ASSERT(lockout != NULL && attempt != NULL);
    struct keys keys = keys_of(lockout, attempt);
    bool known = find(lockout, KNOWN, keys.keys[KNOWN]) != NULL;
    for (enum table table = PAIRS; table <= ACCOUNTS; table++) {
        if (table != ACCOUNTS || !known) {
            discharge(find(lockout, table, keys.keys[table]), attempt->now_ms);
        }
    }
}

void auth_lockout_know(struct auth_lockout *lockout, const struct auth_attempt *attempt)
{
    ASSERT(lockout != NULL && attempt != NULL);
    struct keys keys = keys_of(lockout, attempt);
    struct entry *pair = find(lockout, PAIRS, keys.keys[PAIRS]);
    if (pair != NULL) {
        *pair = (struct entry){0};
    }
    struct entry *known =
        find_or_make(lockout, KNOWN, keys.keys[KNOWN], keys.keys[ACCOUNTS], attempt->now_ms);
    known->last_ms = attempt->now_ms;
}

/* --- accounts --- */

static int by_hash(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a;
    uint64_t other = *(const uint64_t *)b;
    return (one > other) - (one < other);
}

void auth_lockout_waits(const struct auth_lockout *lockout, uint64_t now_ms, struct auth_waits *out)
{
    ASSERT(lockout != NULL && out != NULL);
    static const enum table tables[] = {PAIRS, ACCOUNTS};
    out->lockout = lockout;
    out->count = 0;
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (size_t i = 0; i < SETS * WAYS; i++) {
            const struct entry *entry = &lockout->entries[tables[t]][i];
            if (wait_of(entry, now_ms) > 0) {
                out->accounts[out->count++] = entry->account;
            }
        }
    }
    qsort(out->accounts, out->count, sizeof out->accounts[0], by_hash);
}

bool auth_waits_has(const struct auth_waits *waits, const char *account)
{
    ASSERT(waits != NULL && account != NULL);
    uint64_t hash = account_hash(waits->lockout, account);
    return bsearch(&hash, waits->accounts, waits->count, sizeof hash, by_hash) != NULL;
}

static void forget(struct auth_lockout *lockout, enum table table, uint64_t account)
{
    for (size_t i = 0; i < SETS * WAYS; i++) {
        struct entry *entry = &lockout->entries[table][i];
        if (entry->account == account) {
            *entry = (struct entry){0};
        }
    }
}

void auth_lockout_clear(struct auth_lockout *lockout, const char *account)
{
    ASSERT(lockout != NULL && account != NULL);
    uint64_t hash = account_hash(lockout, account);
    forget(lockout, PAIRS, hash);
    forget(lockout, ACCOUNTS, hash);
}

void auth_lockout_forget_places(struct auth_lockout *lockout, const char *account)
{
    ASSERT(lockout != NULL && account != NULL);
    forget(lockout, KNOWN, account_hash(lockout, account));
}
