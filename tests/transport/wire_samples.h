/* tests/transport/wire_samples.h - one message of every type and its bytes, which an encoder of
 * another language wrote from docs/protocol.md.
 */
#ifndef KITBAG_TESTS_TRANSPORT_WIRE_SAMPLES_H
#define KITBAG_TESTS_TRANSPORT_WIRE_SAMPLES_H

#include <string.h>

#include "journal/change.h"
#include "transport/wire.h"

static const uint64_t sample_session = 0x1122334455667788;

/* 0, 1, 2, ... as in the samples' histories and keys. */
static inline void sample_bytes(uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)i;
    }
}

static inline struct wire_position sample_position(uint64_t seq)
{
    struct wire_position position = {.seq = seq};
    memset(position.hash, 0xbb, sizeof position.hash);
    return position;
}

static inline void put_hello(struct buf *out)
{
    struct wire_hello hello = {.version = WIRE_VERSION,
                               .device = 0x00f3000000000001,
                               .has_history = true,
                               .position = sample_position(70000),
                               .writer = 0xfedcba9876543210,
                               .software = SPAN_LITERAL("kitbag 0.1.0"),
                               .window = WIRE_WINDOW_MAX};
    sample_bytes(hello.history, sizeof hello.history);
    wire_put_hello(out, &hello);
}

static inline void put_hello_fresh(struct buf *out)
{
    struct wire_hello hello = {.version = WIRE_VERSION, .device = 5, .writer = 9, .window = 1};
    wire_put_hello(out, &hello);
}

static inline void put_join(struct buf *out)
{
    struct wire_join join = {.version = WIRE_VERSION,
                             .name = SPAN_LITERAL("Printer at the lift"),
                             .serial = SPAN_LITERAL("SN-1"),
                             .model = SPAN_LITERAL("KX 7"),
                             .software = SPAN_LITERAL("kitbag 0.1.0")};
    sample_bytes(join.public_key, sizeof join.public_key);
    wire_put_join(out, &join);
}

static inline void put_sign_in(struct buf *out)
{
    struct span groups[] = {SPAN_LITERAL("sales"), SPAN_LITERAL("all")};
    wire_put_sign_in(out, sample_session, 1, span_str("Änn"), groups, 2, 7);
}

static inline void put_sign_out(struct buf *out)
{
    wire_put_sign_out(out, sample_session, 2, 300);
}

static inline void put_follow(struct buf *out)
{
    struct wire_bag bags[] = {{7, 0}, {300, 70000}};
    wire_put_follow(out, sample_session, bags, 2);
}

static inline void put_unfollow(struct buf *out)
{
    uint64_t bags[] = {7, 300};
    wire_put_unfollow(out, sample_session, bags, 2);
}

static inline void put_credit(struct buf *out)
{
    wire_put_credit(out, sample_session, 65536);
}

static inline void put_write(struct buf *out)
{
    struct operation_write set = {.path = SPAN_LITERAL("copy/default"),
                                  .value = SPAN_LITERAL("two")};
    struct operation_write drop = {
        .path = SPAN_LITERAL("fax"), .remove = true, .has_if_seq = true, .if_seq = 300};
    struct owner owner = {OWNER_USER, 0, "Änn", "änn"};
    wire_begin_write(out, sample_session, 4, 3);
    operation_begin_write(out, 5, 7, 0, 6, 2);
    operation_put_write(out, &set);
    operation_put_write(out, &drop);
    operation_put_create(out, 6, &owner);
    operation_put_empty(out, 7);
}

static inline void put_heartbeat(struct buf *out)
{
    struct wire_heartbeat beat = {.seq = 70000, .current = 69999, .healed = 2, .newest_bag = 300};
    wire_put_heartbeat(out, sample_session, &beat);
}

static inline void put_bye(struct buf *out)
{
    wire_put_bye(out, sample_session);
}

static inline void put_part(struct buf *out)
{
    struct wire_part part = {3, 100000, WIRE_PART_BYTES, SPAN_LITERAL("bytes")};
    wire_put_part(out, sample_session, &part);
}

static inline void put_welcome(struct buf *out)
{
    struct wire_welcome welcome = {.version = WIRE_VERSION,
                                   .head_seq = 70000,
                                   .state = WIRE_RUNNING,
                                   .device = 5,
                                   .device_bag = 300,
                                   .fleet_bag = 2,
                                   .heartbeat_ms = 10000,
                                   .window = WIRE_WINDOW_MAX,
                                   .keep = WIRE_KEEP_GROUPS,
                                   .mirror = true,
                                   .resume_seq = 69000};
    sample_bytes(welcome.history, sizeof welcome.history);
    wire_put_welcome(out, sample_session, &welcome);
}

static inline void put_joined(struct buf *out)
{
    uint8_t history[HISTORY_SIZE];
    sample_bytes(history, sizeof history);
    wire_put_joined(out, 5, history);
}

static inline void put_signed_in(struct buf *out)
{
    struct bag_row bags[] = {
        {.bag_id = 7, .last_seq = 70000, .owner = {OWNER_USER, 0, "Änn", "änn"}},
        {.bag_id = 300, .owner = {OWNER_USER_DEVICE, 5, "Änn", "änn"}},
    };
    wire_put_signed_in(out, sample_session, 1, 0, NULL, bags, 2);
}

static inline void put_signed_out(struct buf *out)
{
    wire_put_signed_out(out, sample_session, 2, E_BAG_GONE, "the bag was deleted");
}

static inline void put_outcome(struct buf *out)
{
    const struct wire_split split = {true, 300, 69990, 70002};
    wire_begin_outcome(out, sample_session, 3);
    wire_put_outcome(out, 5, 0, 70001, NULL);
    wire_put_outcome(out, 6, E_NAME, 0, "the name is empty");
    wire_put_outcome_split(out, 7, 70002, &split);
}

static inline void put_live(struct buf *out)
{
    struct change set = {.seq = 9,
                         .time_ms = 1700000000123,
                         .kind = CHANGE_ITEM_SET,
                         .conflict = true,
                         .bag_id = 7,
                         .prev = 8,
                         .origin = 5,
                         .path = SPAN_LITERAL("copy/default"),
                         .value = {(const uint8_t *)"two", 4},
                         .old_seq = 8};
    struct change drop = {.seq = 10,
                          .time_ms = 1700000000123,
                          .kind = CHANGE_ITEM_REMOVE,
                          .bag_id = 7,
                          .prev = 9,
                          .origin = 5,
                          .path = SPAN_LITERAL("copy/default"),
                          .old_seq = 9};
    struct wire_position position = sample_position(10);
    wire_begin_live(out, sample_session, &position, 2);
    change_encode(out, &set, CHANGE_STREAM);
    change_encode(out, &drop, CHANGE_STREAM);
}

static inline void put_page(struct buf *out)
{
    struct item_row set = {.state = ITEM_LIVE,
                           .conflict = true,
                           .seq = 9,
                           .time_ms = 1700000000123,
                           .origin = 5,
                           .value = {(const uint8_t *)"two", 4}};
    struct item_row drop = {.state = ITEM_TOMBSTONE, .seq = 8};
    struct wire_position position = sample_position(10);
    uint64_t flags = WIRE_PAGE_FIRST | WIRE_PAGE_LAST | WIRE_PAGE_WHOLE;
    wire_begin_page(out, sample_session, 7, flags, 8, 9, &position, 2);
    wire_put_row(out, span_str("copy/default"), &set);
    wire_put_row(out, span_str("fax"), &drop);
}

static inline void put_bag(struct buf *out)
{
    wire_put_bag(out, sample_session, 7, E_NOT_ALLOWED, 70000, "not yours", NULL);
}

static inline void put_bag_digest(struct buf *out)
{
    struct digest digest = {.low = 0x0706050403020100, .high = 0x0f0e0d0c0b0a0908};
    wire_put_bag(out, sample_session, 7, 0, 70000, "", &digest);
}

static inline void put_list(struct buf *out)
{
    wire_put_list(out, sample_session, 300);
}

static inline void put_mirror(struct buf *out)
{
    struct wire_mirror mirror = {.seq = 70000, .has_hash = true};
    memset(mirror.hash, 0xbb, sizeof mirror.hash);
    wire_put_mirror(out, sample_session, &mirror);
}

static inline void put_mirror_fresh(struct buf *out)
{
    struct wire_mirror mirror = {0};
    wire_put_mirror(out, sample_session, &mirror);
}

static inline void put_owners_page(struct buf *out)
{
    struct bag_row bags[] = {
        {.bag_id = 7, .last_seq = 70000, .owner = {OWNER_USER, 0, "Änn", "änn"}},
        {.bag_id = 9, .last_seq = 9, .owner = {OWNER_GROUP, 0, "sales", "sales"}},
    };
    wire_put_owners(out, sample_session, 0, true, bags, 2);
}

static inline void put_mirroring(struct buf *out)
{
    wire_put_mirroring(out, sample_session, E_TOO_OLD, 50000, "it begins with 50000");
}

static inline void put_batches(struct buf *out)
{
    wire_put_batches(out, sample_session, 70000, SPAN_LITERAL("batches"));
}

static inline void put_state(struct buf *out)
{
    wire_put_state(out, sample_session, WIRE_STOPPED);
}

static inline void put_error(struct buf *out)
{
    wire_put_error(out, 0, E_MALFORMED, "a message is of no known type", true);
}

struct sample {
    const char *name;
    void (*put)(struct buf *out);
    const char *golden;
};

static const struct sample samples[] = {
    {"hello", put_hello,
     "9a010003cf00f3000000000001c410000102030405060708090a0b0c0d0e0fce00011170c420bbbb"
     "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbcffedcba9876543210ac"
     "6b697462616720302e312e30ce00040000"},
    {"hello_fresh", put_hello_fresh, "9a01000305c000c009a001"},
    {"join", put_join,
     "98020003c420000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fb350"
     "72696e74657220617420746865206c696674a4534e2d31a44b582037ac6b697462616720302e312e"
     "30"},
    {"sign_in", put_sign_in, "9603cf112233445566778801a4c3846e6e92a573616c6573a3616c6c07"},
    {"sign_out", put_sign_out, "9404cf112233445566778802cd012c"},
    {"follow", put_follow, "9305cf11223344556677889292070092cd012cce00011170"},
    {"unfollow", put_unfollow, "9306cf11223344556677889207cd012c"},
    {"credit", put_credit, "9307cf1122334455667788ce00010000"},
    {"write", put_write,
     "9408cf112233445566778804939605010700069293ac636f70792f64656661756c74c40374776fc0"
     "93a3666178c0cd012c94060204a4c3846e6e920700"},
    {"heartbeat", put_heartbeat, "9609cf1122334455667788ce00011170ce0001116f02cd012c"},
    {"bye", put_bye, "920bcf1122334455667788"},
    {"part", put_part, "960ccf112233445566778803ce000186a0cdf000c4056279746573"},
    {"welcome", put_welcome,
     "9e20cf112233445566778803c410000102030405060708090a0b0c0d0e0fce000111700105cd012c"
     "02cd2710ce0004000001c3ce00010d88"},
    {"joined", put_joined, "94210005c410000102030405060708090a0b0c0d0e0f"},
    {"signed_in", put_signed_in,
     "9622cf11223344556677880100a092950704a4c3846e6e00ce0001117095cd012c05a4c3846e6e05"
     "00"},
    {"signed_out", put_signed_out,
     "9523cf11223344556677880215b374686520626167207761732064656c65746564"},
    {"outcome", put_outcome,
     "9324cf112233445566778893940500ce00011171a094061100b1746865206e616d6520697320656d"
     "707479970700ce00011172a0cd012cce00011166ce00011172"},
    {"live", put_live,
     "9525cf11223344556677880ac420bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
     "bbbbbbbbbbbb929e09cf0000018bcfe5687b04070805a00001c0ac636f70792f64656661756c74c4"
     "0474776f0008c09d0acf0000018bcfe5687b05070905a00000c0ac636f70792f64656661756c7409"
     "c0"},
    {"page", put_page,
     "9926cf1122334455667788070708090ac420bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
     "bbbbbbbbbbbbbbbbbbbb9296ac636f70792f64656661756c7409cf0000018bcfe5687b0501c40474"
     "776f0096a366617808000000c0"},
    {"bag", put_bag, "9727cf11223344556677880705ce00011170a96e6f7420796f757273c0"},
    {"state", put_state, "9328cf112233445566778802"},
    {"bag_digest", put_bag_digest,
     "9727cf11223344556677880700ce00011170a0c410000102030405060708090a0b0c0d0e0f"},
    {"list", put_list, "930dcf1122334455667788cd012c"},
    {"mirror", put_mirror,
     "940ecf1122334455667788ce00011170c420bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
     "bbbbbbbbbbbbbbbbbbbb"},
    {"mirror_fresh", put_mirror_fresh, "940ecf112233445566778800c0"},
    {"owners", put_owners_page,
     "952acf112233445566778800c392950704a4c3846e6e00ce00011170950903a573616c65730009"},
    {"mirroring", put_mirroring,
     "952bcf11223344556677882acdc350b4697420626567696e732077697468203530303030"},
    {"batches", put_batches, "942ccf1122334455667788ce00011170c40762617463686573"},
    {"error", put_error, "9529000fbd61206d657373616765206973206f66206e6f206b6e6f776e2074797065c3"},
};

enum { SAMPLES = sizeof samples / sizeof samples[0], SAMPLE_MAX = 512 };

/* The golden bytes; returns their number. */
static inline size_t sample_golden(const struct sample *sample, uint8_t out[SAMPLE_MAX])
{
    size_t size = strlen(sample->golden) / 2;
    ASSERT(size <= SAMPLE_MAX);
    int rc = hex_decode(span_str(sample->golden), out, size);
    ASSERT(rc == 0);
    return size;
}

static inline const struct sample *sample_named(const char *name)
{
    const struct sample *found = NULL;
    for (size_t i = 0; i < SAMPLES; i++) {
        found = strcmp(samples[i].name, name) == 0 ? &samples[i] : found;
    }
    ASSERT(found != NULL);
    return found;
}

#endif
