/* server/scrub.c - slices and rests. */
#include "server/scrub.h"

#include <inttypes.h>

#include "base/log.h"

enum {
    READ_BYTES = 128 << 10,
    SLICE_NS = 4000000,
    REST = 49,        /* times as long as it worked */
    RETRY_MS = 60000, /* after the state could not be read */
};

void scrub_begin(struct scrub *scrub, uint64_t interval_ms, bool at_once, const struct clock *clock)
{
    ASSERT(scrub != NULL && clock != NULL);
    uint64_t now_ms = clock_mono_ms(clock);
    *scrub = (struct scrub){
        .interval_ms = interval_ms,
        .next_ms = at_once ? now_ms : now_ms + interval_ms,
    };
}

static void on_wrong(void *context, const struct kv_wrong *wrong)
{
    struct scrub *scrub = context;
    if (scrub->round_wrong++ == 0) {
        log_event(LOG_ERROR, "scrub", "bag.wrong", "bag=%" PRIu64 " text=%s", wrong->bag_id,
                  LOG_Q(wrong->text));
    }
}

static void begin_round(struct scrub *scrub, uint64_t now_ms)
{
    scrub->running = true;
    scrub->next_bag = 0;
    scrub->begun_ms = now_ms;
    scrub->round_wrong = 0;
    scrub->round_checked = scrub->checked;
}

static void end_round(struct scrub *scrub, const struct clock *clock)
{
    scrub->running = false;
    scrub->round_ms = clock_wall_ms(clock);
    scrub->next_ms = scrub->begun_ms + scrub->interval_ms;
    log_event(scrub->round_wrong == 0 ? LOG_INFO : LOG_ERROR, "scrub", "round.done",
              "bags=%" PRIu64 " wrong=%" PRIu64 " took_ms=%" PRIu64,
              scrub->checked - scrub->round_checked, scrub->round_wrong,
              clock_mono_ms(clock) - scrub->begun_ms);
}

/* Reads for the time of a slice. */
static int read_slice(struct scrub *scrub, struct kv *kv, uint64_t *took_ns, struct err *err)
{
    uint64_t began_ns = clock_mono_ns();
    int rc = 0;
    do {
        rc = kv_scrub(kv, &scrub->next_bag, READ_BYTES, &scrub->checked, &scrub->wrong, on_wrong,
                      scrub, err);
        *took_ns = clock_mono_ns() - began_ns;
    } while (rc == 0 && scrub->next_bag != 0 && *took_ns < SLICE_NS);
    return rc;
}

void scrub_work(struct scrub *scrub, struct kv *kv, const struct clock *clock)
{
    ASSERT(scrub != NULL && kv != NULL && clock != NULL);
    uint64_t now_ms = clock_mono_ms(clock);
    if (now_ms < scrub->next_ms) {
        return;
    }
    if (!scrub->running) {
        begin_round(scrub, now_ms);
    }
    struct err err = {0};
    uint64_t took_ns = 0;
    if (read_slice(scrub, kv, &took_ns, &err) != 0) {
        log_err(LOG_ERROR, "scrub", "state.unreadable", &err);
        scrub->next_ms = now_ms + RETRY_MS;
    } else if (scrub->next_bag == 0) {
        end_round(scrub, clock);
    } else {
        scrub->next_ms = now_ms + took_ns * REST / 1000000;
    }
}
