/* server/followers.c - subscriptions stand in two lists: the bag's and the follower's. */
#include "server/followers.h"

#include <stdlib.h>

struct link {
    struct subscription *next;
    struct subscription *prev;
};

struct followed_bag {
    struct table_node node;
    uint64_t bag_id;
    struct subscription *first;
};

struct subscription {
    struct table_node node; /* in pairs */
    struct followed followed;
    struct followed_bag *bag;
    struct follower *follower;
    struct link of_bag;
    struct link of_follower;
};

struct pair {
    uint64_t bag_id;
    const struct follower *follower;
};

static uint64_t hash_bag(uint64_t bag_id)
{
    return table_hash(span_of(&bag_id, sizeof bag_id), 0);
}

static uint64_t hash_pair(const struct pair *pair)
{
    return table_hash(span_of(&pair->bag_id, sizeof pair->bag_id),
                      (uint64_t)(uintptr_t)pair->follower);
}

static bool match_bag(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, const struct followed_bag, node)->bag_id == *(const uint64_t *)key;
}

static bool match_pair(const struct table_node *node, const void *key)
{
    const struct subscription *subscription = TABLE_OWNER(node, const struct subscription, node);
    const struct pair *pair = key;
    return subscription->follower == pair->follower &&
           subscription->followed.bag_id == pair->bag_id;
}

static struct followed_bag *find_bag(const struct followers *followers, uint64_t bag_id)
{
    struct table_node *node = table_find(&followers->bags, hash_bag(bag_id), match_bag, &bag_id);
    return node != NULL ? TABLE_OWNER(node, struct followed_bag, node) : NULL;
}

static struct subscription *find_pair(const struct followers *followers, const struct pair *pair)
{
    struct table_node *node = table_find(&followers->pairs, hash_pair(pair), match_pair, pair);
    return node != NULL ? TABLE_OWNER(node, struct subscription, node) : NULL;
}

void followers_free(struct followers *followers)
{
    ASSERT(followers != NULL && followers->count == 0);
    table_free(&followers->bags);
    table_free(&followers->pairs);
}

static struct followed_bag *find_or_make_bag(struct followers *followers, uint64_t bag_id)
{
    struct followed_bag *bag = find_bag(followers, bag_id);
    if (bag == NULL) {
        bag = calloc(1, sizeof *bag);
        if (bag != NULL) {
            bag->bag_id = bag_id;
            table_add(&followers->bags, &bag->node, hash_bag(bag_id));
        }
    }
    return bag;
}

static void drop_empty(struct followers *followers, struct followed_bag *bag)
{
    if (bag->first == NULL) {
        table_remove(&followers->bags, &bag->node);
        free(bag);
    }
}

int followers_add(struct followers *followers, struct follower *follower, const struct bag_row *row)
{
    ASSERT(followers != NULL && follower != NULL && row != NULL);
    struct pair pair = {row->bag_id, follower};
    if (find_pair(followers, &pair) != NULL) {
        return 0;
    }
    struct followed_bag *bag = find_or_make_bag(followers, row->bag_id);
    if (bag == NULL) {
        return E_NOMEM;
    }
    struct subscription *added = calloc(1, sizeof *added);
    if (added == NULL) {
        drop_empty(followers, bag);
        return E_NOMEM;
    }
    added->followed = (struct followed){row->bag_id, row->parent, row->owner.kind};
    added->bag = bag;
    added->follower = follower;
    added->of_bag.next = bag->first;
    if (bag->first != NULL) {
        bag->first->of_bag.prev = added;
    }
    bag->first = added;
    added->of_follower.next = follower->first;
    if (follower->first != NULL) {
        follower->first->of_follower.prev = added;
    }
    follower->first = added;
    follower->count++;
    follower->groups += row->owner.kind == OWNER_GROUP;
    followers->groups += row->owner.kind == OWNER_GROUP;
    followers->count++;
    table_add(&followers->pairs, &added->node, hash_pair(&pair));
    return 0;
}

static void remove_one(struct followers *followers, struct subscription *gone)
{
    struct followed_bag *bag = gone->bag;
    struct follower *follower = gone->follower;
    if (gone->of_bag.prev != NULL) {
        gone->of_bag.prev->of_bag.next = gone->of_bag.next;
    } else {
        bag->first = gone->of_bag.next;
    }
    if (gone->of_bag.next != NULL) {
        gone->of_bag.next->of_bag.prev = gone->of_bag.prev;
    }
    if (gone->of_follower.prev != NULL) {
        gone->of_follower.prev->of_follower.next = gone->of_follower.next;
    } else {
        follower->first = gone->of_follower.next;
    }
    if (gone->of_follower.next != NULL) {
        gone->of_follower.next->of_follower.prev = gone->of_follower.prev;
    }
    table_remove(&followers->pairs, &gone->node);
    follower->groups -= gone->followed.kind == OWNER_GROUP;
    followers->groups -= gone->followed.kind == OWNER_GROUP;
    free(gone);
    follower->count--;
    followers->count--;
    drop_empty(followers, bag);
}

void followers_remove(struct followers *followers, struct follower *follower, uint64_t bag_id)
{
    ASSERT(followers != NULL && follower != NULL);
    struct subscription *gone = find_pair(followers, &(struct pair){bag_id, follower});
    if (gone != NULL) {
        remove_one(followers, gone);
    }
}

void followers_remove_all(struct followers *followers, struct follower *follower)
{
    ASSERT(followers != NULL && follower != NULL);
    struct subscription *at = follower->first;
    while (at != NULL) {
        struct subscription *next = at->of_follower.next;
        remove_one(followers, at);
        at = next;
    }
}

bool followers_follows(const struct followers *followers, const struct follower *follower,
                       uint64_t bag_id)
{
    ASSERT(followers != NULL && follower != NULL);
    return find_pair(followers, &(struct pair){bag_id, follower}) != NULL;
}

bool followers_any(const struct followers *followers, uint64_t bag_id)
{
    ASSERT(followers != NULL);
    return find_bag(followers, bag_id) != NULL;
}

void followers_each(const struct followers *followers, uint64_t bag_id,
                    void (*each)(void *context, struct follower *follower), void *context)
{
    ASSERT(followers != NULL && each != NULL);
    const struct followed_bag *bag = find_bag(followers, bag_id);
    struct subscription *at = bag != NULL ? bag->first : NULL;
    while (at != NULL) {
        struct subscription *next = at->of_bag.next;
        each(context, at->follower);
        at = next;
    }
}

void followers_bags(const struct follower *follower,
                    void (*each)(void *context, const struct followed *followed), void *context)
{
    ASSERT(follower != NULL && each != NULL);
    struct subscription *at = follower->first;
    while (at != NULL) {
        struct subscription *next = at->of_follower.next;
        struct followed followed = at->followed;
        each(context, &followed);
        at = next;
    }
}
