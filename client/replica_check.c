/* client/replica_check.c - the structure of an LMDB file.
 *
 * The format, as LMDB 0.9 writes it on 64-bit machines (native byte order):
 *
 *   page     number u64, pad u16, flags u16 (1 branch, 2 leaf, 4 overflow, 8 meta),
 *            then lower u16, upper u16 (of an overflow page: count u32); 16 bytes in all
 *   meta     pages 0 and 1: behind the page's header magic u32, version u32, address u64,
 *            map size u64, two trees (free pages, main), last page u64, transaction u64; the one
 *            with the greater transaction counts
 *   tree     page size u32 (of the first only), flags u16, depth u16, branch pages, leaf pages,
 *            overflow pages, entries, root (u64 each, all ones: empty)
 *   branch,  offsets u16 from 16 to `lower`, nodes from `upper` to the end of the page; a node is
 *   leaf     low u16, high u16, flags u16, key size u16, key, data. Of a branch low, high and flags
 *            are the child's number; of a leaf low and high are the size of the data, whose place
 *            is taken by a page number (u64) when flag 1 is set. Flag 2: the data is a tree.
 *   free     key: transaction u64; data: a count and so many page numbers, falling (u64 each)
 */
#include "client/replica_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

enum {
    PAGE_HEADER = 16,
    NODE_HEADER = 8,
    TREE_SIZE = 48,
    META_SIZE = 24 + 2 * TREE_SIZE + 16,
    PAGE_MIN = 512,
    PAGE_MAX = 65536,
    DEPTH_MAX = 32, /* LMDB's own limit of a cursor */
    KEY_MAX = 511,
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_OVERFLOW = 4,
    PAGE_KINDS = 0x6f, /* every flag that tells kinds apart; not "dirty" */
    NODE_BIG = 1,
    NODE_TREE = 2,
    TREE_INTEGER_KEYS = 8, /* the flag of the free pages' tree */
};

static const uint32_t META_MAGIC = 0xBEEFC0DE;
static const uint64_t NO_PAGE = UINT64_MAX;
static const uint64_t MAP_MAX = (uint64_t)1 << 45;
/* A transaction may number pages behind the end of the file that it then does not need. */
static const uint64_t UNWRITTEN_MAX = 1 << 18;

struct tree {
    uint32_t pad;
    uint16_t flags;
    uint16_t depth;
    uint64_t branches, leaves, overflows, entries;
    uint64_t root;
};

/* A file while it is checked. */
struct check {
    int fd;
    const char *path;
    const char *const *tables; /* their names */
    size_t table_count;
    size_t page_size;
    uint64_t last_page;
    uint64_t file_pages;
    uint8_t *used;  /* a bit per page */
    uint8_t *pages; /* one per level of a tree */
    struct err *err;
};

/* A tree while it is walked. */
struct walk_tree {
    struct check *check;
    const struct tree *tree;
    bool integer_keys;
    bool is_main; /* its nodes are trees */
    bool is_free;
    uint64_t branches, leaves, overflows, entries;
    bool has_last;        /* the greatest key so far */
    bool last_may_repeat; /* it is of a branch */
    size_t last_size;
    uint8_t last[KEY_MAX];
    struct tree found[16]; /* of the main tree: the others */
    size_t found_count;
};

static int damaged(const struct check *check, const char *what, uint64_t page)
{
    return err_set(check->err, E_CORRUPT, "'%s' is damaged: %s, page %llu", check->path, what,
                   (unsigned long long)page);
}

static uint16_t u16_at(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t u32_at(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t u64_at(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static struct tree tree_at(const uint8_t *at)
{
    return (struct tree){
        .pad = u32_at(at),
        .flags = u16_at(at + 4),
        .depth = u16_at(at + 6),
        .branches = u64_at(at + 8),
        .leaves = u64_at(at + 16),
        .overflows = u64_at(at + 24),
        .entries = u64_at(at + 32),
        .root = u64_at(at + 40),
    };
}

/* --- pages --- */

static int read_page(struct check *check, uint64_t number, size_t level, size_t size,
                     const uint8_t **out)
{
    uint8_t *page = check->pages + level * check->page_size;
    if (file_read_at(check->fd, page, size, (off_t)(number * check->page_size), check->path,
                     NULL) != 0) {
        return damaged(check, "it can't be read", number);
    }
    *out = page;
    return 0;
}

/* Marks `count` pages as used, or as free; each may be that once. */
static int mark_pages(struct check *check, uint64_t number, uint64_t count, uint64_t end)
{
    if (number < 2 || number >= end || count > end - number) {
        return damaged(check, "a page that is not there is used", number);
    }
    for (uint64_t page = number; page < number + count; page++) {
        uint8_t bit = (uint8_t)(1u << (page % 8));
        if ((check->used[page / 8] & bit) != 0) {
            return damaged(check, "a page is used twice", page);
        }
        check->used[page / 8] |= bit;
    }
    return 0;
}

static int use_pages(struct check *check, uint64_t number, uint64_t count)
{
    uint64_t end = check->last_page + 1;
    return mark_pages(check, number, count, end < check->file_pages ? end : check->file_pages);
}

/* --- nodes --- */

struct node {
    uint64_t child;
    size_t data_size;
    uint16_t flags;
    const uint8_t *key;
    size_t key_size;
    const uint8_t *data;
    size_t size; /* with all, and rounded */
};

static bool node_at(const struct check *check, const uint8_t *page, size_t offset, bool branch,
                    struct node *out)
{
    if (offset % 2 != 0 || offset + NODE_HEADER > check->page_size) {
        return false;
    }
    const uint8_t *at = page + offset;
    uint64_t low = u16_at(at) | (uint64_t)u16_at(at + 2) << 16;
    uint16_t flags = u16_at(at + 4);
    *out = (struct node){.key = at + NODE_HEADER, .key_size = u16_at(at + 6)};
    out->data = out->key + out->key_size;
    size_t inside = 0;
    if (branch) {
        out->child = low | (uint64_t)flags << 32;
    } else {
        out->flags = flags;
        out->data_size = (size_t)low;
        inside = (flags & NODE_BIG) != 0 ? sizeof(uint64_t) : out->data_size;
    }
    out->size = (NODE_HEADER + out->key_size + inside + 1) / 2 * 2;
    return out->key_size <= KEY_MAX && out->size <= check->page_size - offset;
}

static int order_of(const struct walk_tree *walk, const struct node *node)
{
    if (walk->integer_keys) {
        uint64_t last = u64_at(walk->last);
        uint64_t now = u64_at(node->key);
        return (last > now) - (last < now);
    }
    return span_compare(span_of(walk->last, walk->last_size), span_of(node->key, node->key_size));
}

/* Keys rise over the whole tree: what a branch says of a child lies between the keys before it and
 * the child's first, which it may be itself. */
static int check_key(struct walk_tree *walk, const struct node *node, bool branch, uint64_t number)
{
    if (walk->integer_keys && node->key_size != sizeof(uint64_t)) {
        return damaged(walk->check, "a key has a wrong size", number);
    }
    int order = walk->has_last ? order_of(walk, node) : -1;
    if (order > 0 || (order == 0 && !walk->last_may_repeat)) {
        return damaged(walk->check, "keys are out of order", number);
    }
    walk->has_last = true;
    walk->last_may_repeat = branch;
    walk->last_size = node->key_size;
    memcpy(walk->last, node->key, node->key_size);
    return 0;
}

/* --- values --- */

/* The list of pages that a transaction freed: none of them may be in use. */
static int check_free_list(struct walk_tree *walk, const uint8_t *data, size_t size,
                           uint64_t number)
{
    uint64_t count = size >= sizeof(uint64_t) ? u64_at(data) : 0;
    if (size < sizeof(uint64_t) || count > size / sizeof(uint64_t) - 1) {
        return damaged(walk->check, "a list of free pages has a wrong size", number);
    }
    for (uint64_t i = 1; i <= count; i++) {
        int rc = mark_pages(walk->check, u64_at(data + i * sizeof(uint64_t)), 1,
                            walk->check->last_page + 1);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int check_long_free_list(struct walk_tree *walk, const struct node *node, uint64_t number)
{
    struct check *check = walk->check;
    uint8_t *list = malloc(node->data_size > 0 ? node->data_size : 1);
    if (list == NULL) {
        return err_set(check->err, E_NOMEM, "check '%s': out of memory", check->path);
    }
    off_t offset = (off_t)(number * check->page_size + PAGE_HEADER);
    int rc = file_read_at(check->fd, list, node->data_size, offset, check->path, NULL) != 0
                 ? damaged(check, "it can't be read", number)
                 : check_free_list(walk, list, node->data_size, number);
    free(list);
    return rc;
}

/* A value that has pages of its own: as many as it needs, or more, when a smaller value took the
 * place of a larger one in the transaction that wrote both. */
static int check_long_value(struct walk_tree *walk, const struct node *node, size_t level)
{
    struct check *check = walk->check;
    const uint8_t *page = NULL;
    uint64_t number = u64_at(node->data);
    uint64_t needed = (PAGE_HEADER - 1 + (uint64_t)node->data_size) / check->page_size + 1;
    int rc = number > check->last_page ? damaged(check, "a page that is not there is used", number)
                                       : read_page(check, number, level + 1, PAGE_HEADER, &page);
    if (rc != 0) {
        return rc;
    }
    uint64_t count = u32_at(page + 12);
    if (u64_at(page) != number || (u16_at(page + 10) & PAGE_KINDS) != PAGE_OVERFLOW ||
        count < needed) {
        return damaged(check, "a long value has lost its pages", number);
    }
    rc = use_pages(check, number, count);
    if (rc != 0) {
        return rc;
    }
    walk->overflows += count;
    return walk->is_free ? check_long_free_list(walk, node, number) : 0;
}

static bool is_table(const struct check *check, const struct node *node)
{
    for (size_t i = 0; i < check->table_count; i++) {
        if (span_equal(span_of(node->key, node->key_size), span_str(check->tables[i]))) {
            return true;
        }
    }
    return false;
}

static int check_value(struct walk_tree *walk, const struct node *node, size_t level,
                       uint64_t number)
{
    walk->entries++;
    if (walk->is_main) {
        if (node->flags != NODE_TREE || node->data_size != TREE_SIZE ||
            !is_table(walk->check, node) ||
            walk->found_count == sizeof walk->found / sizeof walk->found[0]) {
            return damaged(walk->check, "a table is not one", number);
        }
        walk->found[walk->found_count++] = tree_at(node->data);
        return 0;
    }
    if (node->flags == NODE_BIG) {
        return check_long_value(walk, node, level);
    }
    if (node->flags != 0) {
        return damaged(walk->check, "a record is of an unknown kind", number);
    }
    return walk->is_free ? check_free_list(walk, node->data, node->data_size, number) : 0;
}

/* --- trees --- */

static int check_page(struct walk_tree *walk, uint64_t number, size_t level);

/* Every level has a buffer of its own, so the page stays while its children are looked at. */
static int check_node(struct walk_tree *walk, const uint8_t *page, size_t i, bool branch,
                      size_t level, uint64_t number, size_t *bytes)
{
    struct node node;
    size_t offset = u16_at(page + PAGE_HEADER + 2 * i);
    if (!node_at(walk->check, page, offset, branch, &node) || offset < u16_at(page + 14)) {
        return damaged(walk->check, "a node leaves its page", number);
    }
    *bytes += node.size;
    int rc = branch && i == 0 ? 0 : check_key(walk, &node, branch, number);
    if (rc != 0) {
        return rc;
    }
    return branch ? check_page(walk, node.child, level + 1)
                  : check_value(walk, &node, level, number);
}

static int check_nodes(struct walk_tree *walk, const uint8_t *page, bool branch, size_t level,
                       uint64_t number)
{
    size_t lower = u16_at(page + 12);
    size_t upper = u16_at(page + 14);
    size_t bytes = 0;
    if (lower < PAGE_HEADER + 2 || lower % 2 != 0 || lower > upper ||
        upper > walk->check->page_size) {
        return damaged(walk->check, "a page's bounds are wrong", number);
    }
    size_t count = (lower - PAGE_HEADER) / 2;
    for (size_t i = 0; i < count; i++) {
        int rc = check_node(walk, page, i, branch, level, number, &bytes);
        if (rc != 0) {
            return rc;
        }
    }
    bool fits = bytes == walk->check->page_size - upper;
    return fits ? 0 : damaged(walk->check, "a page's nodes do not fill it", number);
}

static int check_page(struct walk_tree *walk, uint64_t number, size_t level)
{
    struct check *check = walk->check;
    const uint8_t *page = NULL;
    bool branch = level + 1 < walk->tree->depth;
    int rc = use_pages(check, number, 1);
    rc = rc != 0 ? rc : read_page(check, number, level, check->page_size, &page);
    if (rc != 0) {
        return rc;
    }
    unsigned kind = u16_at(page + 10) & PAGE_KINDS;
    if (u64_at(page) != number || kind != (branch ? PAGE_BRANCH : PAGE_LEAF)) {
        return damaged(check, "a page is not what it should be", number);
    }
    walk->branches += branch ? 1 : 0;
    walk->leaves += branch ? 0 : 1;
    return check_nodes(walk, page, branch, level, number);
}

static int check_tree(struct walk_tree *walk, unsigned flags)
{
    const struct tree *tree = walk->tree;
    bool empty = tree->root == NO_PAGE;
    if (tree->flags != flags || tree->depth > DEPTH_MAX - 1 || empty != (tree->depth == 0)) {
        return damaged(walk->check, "a tree's root is wrong", tree->root);
    }
    int rc = empty ? 0 : check_page(walk, tree->root, 0);
    if (rc == 0 && (walk->branches != tree->branches || walk->leaves != tree->leaves ||
                    walk->overflows != tree->overflows || walk->entries != tree->entries)) {
        return damaged(walk->check, "a tree's counts do not fit", tree->root);
    }
    return rc;
}

static int check_trees(struct check *check, const struct tree *free_tree,
                       const struct tree *main_tree)
{
    struct walk_tree main_walk = {.check = check, .tree = main_tree, .is_main = true};
    struct walk_tree free_walk = {
        .check = check, .tree = free_tree, .is_free = true, .integer_keys = true};
    int rc = check_tree(&main_walk, 0);
    if (rc == 0 && main_walk.found_count != 0 && main_walk.found_count != check->table_count) {
        return damaged(check, "a table is missing", main_tree->root);
    }
    for (size_t i = 0; rc == 0 && i < main_walk.found_count; i++) {
        struct walk_tree table = {.check = check, .tree = &main_walk.found[i]};
        rc = check_tree(&table, 0);
    }
    return rc != 0 ? rc : check_tree(&free_walk, TREE_INTEGER_KEYS);
}

/* --- the root --- */

static int read_meta(struct check *check, uint64_t number, size_t page_size, uint8_t *out)
{
    uint8_t bytes[PAGE_HEADER + META_SIZE];
    if (file_read_at(check->fd, bytes, sizeof bytes, (off_t)(number * page_size), check->path,
                     NULL) != 0) {
        return damaged(check, "its root can't be read", number);
    }
    memcpy(out, bytes + PAGE_HEADER, META_SIZE);
    if (u32_at(out) != META_MAGIC || u64_at(bytes) != number) {
        return damaged(check, "its root is not one", number);
    }
    return 0;
}

static int choose_meta(struct check *check, uint8_t meta[META_SIZE])
{
    uint8_t other[META_SIZE];
    int rc = read_meta(check, 0, 0, meta);
    if (rc != 0) {
        return rc;
    }
    check->page_size = u32_at(meta + 24);
    if (check->page_size < PAGE_MIN || check->page_size > PAGE_MAX ||
        (check->page_size & (check->page_size - 1)) != 0) {
        return damaged(check, "its size of pages is wrong", 0);
    }
    rc = read_meta(check, 1, check->page_size, other);
    if (rc != 0 || u32_at(other + 24) != check->page_size) {
        return rc != 0 ? rc : damaged(check, "its size of pages is wrong", 1);
    }
    const size_t transaction = META_SIZE - 8;
    if (u64_at(meta + transaction) < u64_at(other + transaction)) {
        memcpy(meta, other, META_SIZE);
    }
    return 0;
}

static int check_meta(struct check *check, const uint8_t meta[META_SIZE])
{
    struct stat file;
    check->last_page = u64_at(meta + META_SIZE - 16);
    if (fstat(check->fd, &file) != 0) {
        return err_sys(check->err, "look at", check->path);
    }
    check->file_pages = (uint64_t)file.st_size / check->page_size;
    if (u64_at(meta + 16) > MAP_MAX || check->last_page < 1 ||
        check->last_page > check->file_pages + UNWRITTEN_MAX) {
        return damaged(check, "its root is wrong or it was cut short", check->last_page);
    }
    return 0;
}

static int check_all(struct check *check)
{
    uint8_t meta[META_SIZE];
    int rc = choose_meta(check, meta);
    rc = rc != 0 ? rc : check_meta(check, meta);
    if (rc != 0) {
        return rc;
    }
    check->used = calloc(1, (size_t)(check->last_page / 8 + 1));
    check->pages = malloc((DEPTH_MAX + 1) * check->page_size);
    if (check->used == NULL || check->pages == NULL) {
        return err_set(check->err, E_NOMEM, "check '%s': out of memory", check->path);
    }
    struct tree free_tree = tree_at(meta + 24);
    struct tree main_tree = tree_at(meta + 24 + TREE_SIZE);
    return check_trees(check, &free_tree, &main_tree);
}

int replica_check_file(const char *path, const char *const *tables, size_t table_count,
                       struct err *err)
{
    ASSERT(path != NULL && tables != NULL);
    struct check check = {.path = path, .tables = tables, .table_count = table_count, .err = err};
    check.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (check.fd < 0) {
        return errno == ENOENT ? 0 : err_sys(err, "open", path);
    }
    struct stat file;
    int rc = fstat(check.fd, &file) != 0 ? err_sys(err, "look at", path) : 0;
    if (rc == 0 && file.st_size > 0) { /* an empty one was made and not begun */
        rc = check_all(&check);
    }
    free(check.used);
    free(check.pages);
    (void)close(check.fd);
    return rc;
}
