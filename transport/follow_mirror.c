/* transport/follow_mirror.c - a machine that keeps more than its own people's bags: which ones, and
 * the journal itself.
 */
#include "transport/follow_state.h"

/* --- which bags --- */

void follow_list(struct follow *follow, uint64_t after)
{
    if (follow->phase != FOLLOW_OPEN) {
        follow_act(follow, FOLLOW_DO_OWNERS)->owners.code = E_UNREACHABLE;
        return;
    }
    if (!follow->listing) {
        follow->listing = true;
        wire_put_list(follow_frame(follow), follow->session, after);
        follow_frame_end(follow);
    }
}

void follow_owners(struct follow *follow, const struct wire_message *message)
{
    if (!follow->listing) {
        follow_lose(follow, E_MALFORMED, "a list of bags came that was not asked for", false);
        return;
    }
    follow->listing = false;
    struct follow_action *action = follow_act(follow, FOLLOW_DO_OWNERS);
    action->owners.code = follow_code(message->owners.code);
    action->owners.end = message->owners.end;
    action->owners.list = message->owners.bags;
}

/* --- the journal --- */

static void tell(struct follow *follow, int code, uint64_t floor_seq, const char *text)
{
    struct follow_action *action = follow_act(follow, FOLLOW_DO_MIRRORING);
    action->mirroring.code = code;
    action->mirroring.floor_seq = floor_seq;
    action->mirroring.text = text;
}

void follow_mirror(struct follow *follow, const struct wire_mirror *mirror)
{
    if (follow->phase != FOLLOW_OPEN) {
        tell(follow, E_UNREACHABLE, 0, err_meaning(E_UNREACHABLE));
        return;
    }
    if (!follow->mirror_asked && !follow->mirroring) {
        follow->mirror_asked = true;
        wire_put_mirror(follow_frame(follow), follow->session, mirror);
        follow_frame_end(follow);
    }
}

/* The answer; or the end of what was begun, for the server let go of what comes next. */
void follow_mirroring(struct follow *follow, const struct wire_message *message)
{
    int code = follow_code(message->mirroring.code);
    bool is_end = follow->mirroring && code != 0;
    if (!follow->mirror_asked && !is_end) {
        follow_lose(follow, E_MALFORMED, "word of a mirror came that was not asked for", false);
        return;
    }
    follow->mirror_asked = false;
    follow->mirroring = code == 0;
    tell(follow, code, message->mirroring.floor_seq, follow_text(follow, message->mirroring.text));
}

void follow_batches(struct follow *follow, const struct wire_message *message)
{
    if (!follow->mirroring) {
        follow_lose(follow, E_MALFORMED, "batches came that were not asked for", false);
        return;
    }
    struct follow_action *action = follow_ask(follow, FOLLOW_DO_BATCHES);
    action->batches.head_seq = message->batches.head_seq;
    action->batches.bytes = message->batches.bytes;
}
