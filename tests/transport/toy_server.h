/* tests/transport/toy_server.h - the toy world's server: carries out what feeds want done. */
#ifndef KITBAG_TESTS_TRANSPORT_TOY_SERVER_H
#define KITBAG_TESTS_TRANSPORT_TOY_SERVER_H

#include "tests/transport/toy.h"

static inline void toy_feed_step(struct toy *toy, int number, struct feed_event event);

/* --- the journal --- */

/* Changes of one batch, in the stream form, to every feed that follows one of their bags. */
static inline void toy_dispatch(struct toy *toy, uint64_t from)
{
    size_t count = (size_t)(toy->head - from + 1);
    struct change *changes = calloc(count, sizeof *changes);
    const struct change **pointers = calloc(count, sizeof *pointers);
    struct span *spans = calloc(count, sizeof *spans);
    assert_true(changes != NULL && pointers != NULL && spans != NULL);
    for (size_t i = 0; i < count; i++) {
        struct buf encoded;
        buf_init(&encoded, 2 * TOY_VALUE_MAX);
        changes[i] = toy_wire_change(&toy->changes[from + i]);
        change_encode(&encoded, &changes[i], CHANGE_STREAM);
        assert_int_equal(buf_error(&encoded), 0);
        pointers[i] = &changes[i];
        spans[i].data = (uint8_t *)buf_steal(&encoded, &spans[i].size);
    }
    for (int s = 0; s < TOY_SESSIONS; s++) {
        struct toy_session *session = &toy->sessions[s];
        bool follows = session->feed != NULL && session->mirrors;
        for (size_t i = 0; i < count && session->feed != NULL; i++) {
            const struct toy_bag *bag = toy_bag(toy, changes[i].bag_id);
            follows = follows || session->subscribed[bag - toy->bags];
        }
        if (follows) {
            struct feed_event event = {.kind = FEED_COMMITTED};
            event.committed.position = toy_position(toy->head);
            event.committed.changes = pointers;
            event.committed.encoded = spans;
            event.committed.count = count;
            toy_feed_step(toy, s, event);
        }
    }
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)spans[i].data);
    }
    free(spans);
    free(pointers);
    free(changes);
}

/* One more change, not yet dispatched. */
static inline struct toy_change *toy_append(struct toy *toy, enum change_kind kind, uint64_t bag_id)
{
    uint64_t seq = ++toy->head;
    assert_true(seq < TOY_CHANGES);
    struct toy_bag *bag = toy_bag(toy, bag_id);
    struct toy_change *change = &toy->changes[seq];
    *change = (struct toy_change){.seq = seq, .kind = kind, .bag_id = bag_id};
    change->prev = bag->last_seq;
    bag->last_seq = seq;
    return change;
}

static inline void toy_set(struct toy *toy, uint64_t bag_id, int path, uint64_t stamp,
                           uint32_t size)
{
    struct toy_change *change = toy_append(toy, CHANGE_ITEM_SET, bag_id);
    change->path = path;
    change->stamp = stamp;
    change->size = size;
    toy_bag(toy, bag_id)->items[path] =
        (struct toy_item){.seq = change->seq, .live = true, .stamp = stamp, .size = size};
}

static inline void toy_remove(struct toy *toy, uint64_t bag_id, int path)
{
    struct toy_change *change = toy_append(toy, CHANGE_ITEM_REMOVE, bag_id);
    change->path = path;
    toy_bag(toy, bag_id)->items[path] = (struct toy_item){.seq = change->seq};
}

static inline uint64_t toy_create(struct toy *toy, int user)
{
    for (size_t i = 0; i < TOY_BAGS; i++) {
        if (toy->bags[i].id == 0) {
            toy->bags[i] = (struct toy_bag){.id = toy->head + 1, .user = user, .exists = true};
            (void)toy_append(toy, CHANGE_BAG_CREATE, toy->head + 1);
            return toy->head;
        }
    }
    fail_msg("too many bags");
    return 0;
}

static inline void toy_delete(struct toy *toy, struct toy_bag *bag)
{
    (void)toy_append(toy, CHANGE_BAG_DELETE, bag->id);
    bag->exists = false;
    toy_dispatch(toy, toy->head);
}

static inline void toy_purge(struct toy_bag *bag)
{
    bag->purged_to = bag->last_seq;
    for (int i = 0; i < TOY_PATHS; i++) {
        if (!bag->items[i].live) {
            bag->items[i] = (struct toy_item){0};
        }
    }
}

/* --- operations --- */

static inline struct toy_writer *toy_writer(struct toy *toy, uint64_t id)
{
    for (size_t i = 0; i < toy->writer_count; i++) {
        if (toy->writers[i].id == id) {
            return &toy->writers[i];
        }
    }
    return NULL;
}

static inline void toy_take_in(struct toy *toy, int number, const struct wire_list *operations)
{
    for (size_t i = 0; i < operations->count; i++) {
        struct operation operation;
        struct operation_write write;
        assert_int_equal(operation_decode(wire_object_at(operations, i), &operation, NULL), 0);
        assert_int_equal(operation_write_at(&operation, 0, &write), 0);
        assert_true(toy->pending_count < TOY_OPS);
        struct toy_pending *pending = &toy->pending[toy->pending_count++];
        *pending = (struct toy_pending){
            .session = number,
            .session_number = feed_session(toy->sessions[number].feed),
            .writer = toy->sessions[number].writer,
            .number = operation.number,
            .op = {.bag_id = operation.bag_id, .remove = write.remove},
        };
        pending->op.path = toy_path_number(write.path);
        if (!write.remove) {
            pending->op.stamp = get_be64(write.value.data);
            pending->op.size = (uint32_t)write.value.size;
        }
    }
}

static inline void toy_perform(struct toy *toy, struct toy_writer *writer,
                               const struct toy_pending *pending)
{
    const struct toy_bag *bag = toy_bag(toy, pending->op.bag_id);
    writer->highest = pending->number;
    if (bag == NULL || !bag->exists) {
        writer->codes[pending->number] = E_BAG_GONE;
        return;
    }
    if (pending->op.remove) {
        toy_remove(toy, pending->op.bag_id, pending->op.path);
    } else {
        toy_set(toy, pending->op.bag_id, pending->op.path, pending->op.stamp, pending->op.size);
    }
    writer->seqs[pending->number] = toy->head;
}

static inline struct feed_outcome toy_judge(struct toy *toy, const struct toy_pending *pending)
{
    struct feed_outcome outcome = {.number = pending->number};
    struct toy_writer *writer = toy_writer(toy, pending->writer);
    if (writer == NULL && pending->number == 1) {
        writer = &toy->writers[toy->writer_count++];
        *writer = (struct toy_writer){.id = pending->writer};
    }
    if (writer == NULL) {
        outcome.code = E_WRITER;
    } else if (pending->number <= writer->highest) {
        outcome.code = writer->codes[pending->number];
        outcome.seq = writer->seqs[pending->number];
    } else if (pending->number > writer->highest + 1) {
        outcome.code = E_DEFERRED;
    } else if (toy->state != WIRE_RUNNING) {
        outcome.code = toy->state == WIRE_STOPPED ? E_STOPPED : E_READ_ONLY;
    } else if (toy_chance(toy, 12)) {
        outcome.code = E_BUSY;
    } else {
        toy_perform(toy, writer, pending);
        outcome.code = writer->codes[pending->number];
        outcome.seq = writer->seqs[pending->number];
    }
    return outcome;
}

/* One batch: judge what waits, then tell the followers, then the writers. */
static inline void toy_commit(struct toy *toy)
{
    uint64_t before = toy->head;
    struct feed_outcome outcomes[TOY_OPS];
    size_t count = toy->pending_count;
    if (count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        outcomes[i] = toy_judge(toy, &toy->pending[i]);
    }
    if (toy->head > before) {
        toy_dispatch(toy, before + 1);
    }
    for (size_t i = 0; i < count;) {
        const struct toy_pending *first = &toy->pending[i];
        size_t run = 1;
        while (i + run < count && toy->pending[i + run].session_number == first->session_number) {
            run++;
        }
        struct feed *feed = toy->sessions[first->session].feed;
        if (feed != NULL && feed_session(feed) == first->session_number) {
            struct feed_event event = {.kind = FEED_OUTCOMES};
            event.outcomes.list = &outcomes[i];
            event.outcomes.count = run;
            toy_feed_step(toy, first->session, event);
        }
        i += run;
    }
    toy->pending_count = 0;
}

/* --- answers --- */

static inline void toy_answer_hello(struct toy *toy, int number, const struct wire_hello *hello)
{
    struct feed_event event = {.kind = FEED_WELCOME};
    event.welcome = (struct wire_welcome){
        .head_seq = toy->head, .state = (uint64_t)toy->state, .device = hello->device};
    event.welcome.fleet_bag = toy->fleet;
    event.welcome.resume_seq = WIRE_SAME_HISTORY;
    toy->sessions[number].writer = hello->writer;
    for (int i = 0; i < TOY_SESSIONS; i++) {
        const struct toy_session *other = &toy->sessions[i];
        if (i != number && other->feed != NULL && other->client == toy->sessions[number].client &&
            feed_open(other->feed)) {
            struct feed_event end = {.kind = FEED_END};
            end.end.code = E_SUPERSEDED;
            end.end.text = err_meaning(E_SUPERSEDED);
            toy_feed_step(toy, i, end);
        }
    }
    toy_feed_step(toy, number, event);
}

static inline void toy_answer_sign_in(struct toy *toy, int number, uint64_t ref, struct span name)
{
    struct feed_event event = {.kind = FEED_SIGNED_IN};
    struct bag_row row = {.exists = true};
    int user = name.data[name.size - 1] - '0';
    const struct toy_bag *bag = toy_bag_of(toy, user);
    assert_int_equal(owner_make(&row.owner, OWNER_USER, name, 0, NULL), 0);
    row.bag_id = bag != NULL ? bag->id : toy_create(toy, user);
    if (bag == NULL) {
        toy_dispatch(toy, row.bag_id);
    }
    row.last_seq = toy_bag(toy, row.bag_id)->last_seq;
    event.signed_in.ref = ref;
    event.signed_in.text = "";
    event.signed_in.bags = &row;
    event.signed_in.count = 1;
    toy_feed_step(toy, number, event);
}

static inline void toy_answer_follow(struct toy *toy, int number, uint64_t bag_id)
{
    struct feed_event event = {.kind = FEED_BAG};
    const struct toy_bag *bag = toy_bag(toy, bag_id);
    event.bag.bag_id = bag_id;
    if (bag == NULL || !bag->exists) {
        event.bag.code = E_BAG_GONE;
        event.bag.text = "";
    } else {
        event.bag.last_seq = bag->last_seq;
        event.bag.has_digest = true;
        event.bag.digest = toy_digest(bag->items);
        toy->sessions[number].subscribed[bag - toy->bags] = true;
    }
    toy_feed_step(toy, number, event);
}

static inline void toy_answer_read(struct toy *toy, int number, const struct feed_action *action)
{
    struct feed_event event = {.kind = FEED_PAGE};
    struct feed_page *page = &event.page;
    struct buf rows;
    const struct toy_bag *bag = toy_bag(toy, action->read.bag_id);
    size_t budget = action->read.budget_bytes;
    budget =
        toy->page_bytes_max != 0 && toy->page_bytes_max < budget ? toy->page_bytes_max : budget;
    buf_init(&rows, WIRE_MESSAGE_MAX);
    page->bag_id = action->read.bag_id;
    page->code = bag == NULL || !bag->exists ? E_BAG_GONE : 0;
    page->position = toy_position(toy->head);
    page->last_seq = page->code == 0 ? bag->last_seq : 0;
    page->whole = page->code == 0 && action->read.since != 0 && action->read.since < bag->purged_to;
    page->end = true;
    for (int i = 0; page->code == 0 && !page->whole && i < TOY_PATHS; i++) {
        const struct toy_item *item = &bag->items[i];
        struct item_row row = {.state = item->live ? ITEM_LIVE : ITEM_TOMBSTONE, .seq = item->seq};
        bool wanted = item->seq > action->read.since && (action->read.since != 0 || item->live);
        if (!wanted || span_compare(toy_path(i), action->read.after) <= 0) {
            continue;
        }
        if (item->live) {
            row.value = toy_value(item->stamp, item->size);
        }
        if (page->row_count > 0 && rows.size + row.value.size + 64 > budget) {
            page->end = false;
            break;
        }
        wire_put_row(&rows, toy_path(i), &row);
        page->row_count++;
        page->next = toy_path(i);
    }
    assert_int_equal(buf_error(&rows), 0);
    page->rows = buf_span(&rows);
    page->has_digest = page->code == 0 && page->end;
    page->digest = page->has_digest ? toy_digest(bag->items) : (struct digest){0};
    toy_feed_step(toy, number, event);
    buf_free(&rows);
}

/* Three bags a message, so that there are several. */
static inline void toy_answer_list(struct toy *toy, int number, uint64_t after)
{
    struct feed_event event = {.kind = FEED_LISTED};
    struct bag_row rows[3] = {0};
    event.listed.end = true;
    for (size_t i = 0; i < TOY_BAGS && event.listed.end; i++) { /* in order of their ids */
        const struct toy_bag *bag = &toy->bags[i];
        if (!bag->exists || bag->id <= after || bag->id == toy->fleet) {
            continue;
        }
        event.listed.end = event.listed.count < 3;
        if (event.listed.end) {
            struct bag_row *row = &rows[event.listed.count++];
            row->bag_id = bag->id;
            row->last_seq = bag->last_seq;
            assert_int_equal(owner_make(&row->owner, OWNER_USER, SPAN_LITERAL("x"), 0, NULL), 0);
        }
    }
    event.listed.bags = rows;
    toy_feed_step(toy, number, event);
}

/* The toy's journal: of each change its seq, its stamp, and as many bytes as its value has. */
enum { TOY_BATCH_BYTES = 20 };

static inline void toy_answer_mirror(struct toy *toy, int number, const struct wire_mirror *mirror)
{
    struct feed_event event = {.kind = FEED_MIRRORING};
    event.mirroring.text = "";
    if (mirror->seq + 1 < toy->floor) {
        event.mirroring.code = E_TOO_OLD;
        event.mirroring.floor_seq = toy->floor;
    }
    toy->sessions[number].mirrors = event.mirroring.code == 0;
    toy_feed_step(toy, number, event);
}

static inline void toy_answer_journal(struct toy *toy, int number, const struct feed_action *action)
{
    struct feed_event event = {.kind = FEED_BATCHES};
    struct feed_batches *told = &event.batches;
    struct buf bytes;
    buf_init(&bytes, WIRE_MESSAGE_MAX);
    told->head_seq = toy->head;
    told->last_seq = action->read_journal.after_seq;
    assert_true(told->last_seq <= toy->head);
    if (told->last_seq + 1 < toy->floor) {
        told->code = E_TOO_OLD;
        told->floor_seq = toy->floor;
        told->text = "";
    }
    while (told->code == 0 && told->last_seq < toy->head) {
        const struct toy_change *change = &toy->changes[told->last_seq + 1];
        uint8_t head[TOY_BATCH_BYTES];
        if (bytes.size > 0 &&
            bytes.size + sizeof head + change->size > action->read_journal.budget_bytes) {
            break;
        }
        put_be64(head, change->seq);
        put_be64(head + 8, change->stamp);
        put_be32(head + 16, change->size);
        (void)buf_append(&bytes, head, sizeof head);
        if (change->size > 0) {
            (void)buf_append_span(&bytes, toy_value(change->stamp, change->size));
        }
        told->last_seq = change->seq;
    }
    assert_int_equal(buf_error(&bytes), 0);
    told->bytes = buf_span(&bytes);
    told->end = told->last_seq == toy->head;
    toy->sessions[number].mirrors = told->code == 0;
    toy_feed_step(toy, number, event);
    buf_free(&bytes);
}

static inline void toy_answer_question(struct toy *toy, int number,
                                       const struct feed_action *question)
{
    if (question->kind == FEED_DO_READ) {
        toy_answer_read(toy, number, question);
    } else if (question->kind == FEED_DO_LIST) {
        toy_answer_list(toy, number, question->list.after);
    } else {
        toy_answer_journal(toy, number, question);
    }
}

static inline void toy_answer_later(struct toy *toy, int number)
{
    struct toy_session *session = &toy->sessions[number];
    if (session->owes_page) {
        struct feed_action question = session->asked_page;
        session->owes_page = false;
        toy_answer_question(toy, number, &question);
    } else if (session->owes_bag) {
        session->owes_bag = false;
        toy_answer_follow(toy, number, session->asked_bag);
    }
}

/* What the action points to is not there any more when it is answered later. */
static inline void toy_keep_question(struct toy_session *session, const struct feed_action *action)
{
    if (action->kind == FEED_DO_FOLLOW) {
        session->owes_bag = true;
        session->asked_bag = action->follow.bag_id;
        return;
    }
    session->owes_page = true;
    session->asked_page = *action;
    if (action->kind == FEED_DO_READ && action->read.after.size > 0) {
        memcpy(session->after, action->read.after.data, action->read.after.size);
        session->asked_page.read.after.data = session->after;
    }
}

static inline void toy_answer(struct toy *toy, int number, const struct feed_action *action)
{
    struct feed_event event = {.kind = FEED_JOINED};
    switch ((int)action->kind) {
    case FEED_DO_HELLO:
        toy_answer_hello(toy, number, &action->hello);
        break;
    case FEED_DO_JOIN:
        event.joined.device = 77;
        toy_feed_step(toy, number, event);
        break;
    case FEED_DO_SIGN_IN:
        toy_answer_sign_in(toy, number, action->sign_in.ref, action->sign_in.user);
        break;
    case FEED_DO_SIGN_OUT:
        event.kind = FEED_SIGNED_OUT;
        event.signed_out.ref = action->sign_out.ref;
        toy_feed_step(toy, number, event);
        break;
    case FEED_DO_WRITE:
        toy_take_in(toy, number, &action->write.operations);
        break;
    case FEED_DO_MIRROR:
        toy_answer_mirror(toy, number, &action->mirror);
        break;
    case FEED_DO_FOLLOW:
    case FEED_DO_READ:
    case FEED_DO_LIST:
    case FEED_DO_READ_JOURNAL:
        toy_keep_question(&toy->sessions[number], action);
        if (!toy->sessions[number].holds_back && !toy_chance(toy, 3)) {
            toy_answer_later(toy, number);
        }
        break;
    default:
        fail_msg("no question");
    }
}

/* --- carrying out --- */

static inline void toy_end_session(struct toy_session *session)
{
    feed_free(&session->feed);
    session->closing = true;
    session->wants_turn = false;
    session->owes_bag = false;
    session->owes_page = false;
    session->mirrors = false;
    memset(session->subscribed, 0, sizeof session->subscribed);
}

/* True: it is a question. */
static inline bool toy_carry_out(struct toy *toy, struct toy_session *session,
                                 const struct feed_action *action)
{
    const struct toy_bag *bag;
    switch (action->kind) {
    case FEED_DO_SEND:
        if (session->attached) {
            toy_push(&session->down, action->send);
        }
        return false;
    case FEED_DO_UNFOLLOW:
        bag = toy_bag(toy, action->unfollow.bag_id);
        assert_true(session->subscribed[bag - toy->bags]);
        session->subscribed[bag - toy->bags] = false;
        return false;
    case FEED_DO_WANT_TURN:
        session->wants_turn = true;
        return false;
    case FEED_DO_HEARD:
    case FEED_DO_CUT:
        return false;
    default:
        return true;
    }
}

static inline void toy_feed_step(struct toy *toy, int number, struct feed_event event)
{
    struct toy_session *session = &toy->sessions[number];
    struct feed_action question = {.kind = FEED_DO_SEND};
    event.now_ms = toy->now_ms;
    if (toy->trace != NULL) {
        trace_feed_event(toy->trace, "server", &event);
    }
    struct feed_actions actions = feed_step(session->feed, &event);
    bool cut = false;
    for (size_t i = 0; i < actions.count; i++) {
        if (toy->trace != NULL) {
            trace_feed_action(toy->trace, &actions.list[i]);
        }
        if (toy_carry_out(toy, session, &actions.list[i])) {
            assert_int_equal(question.kind, FEED_DO_SEND);
            question = actions.list[i];
        }
        cut = actions.list[i].kind == FEED_DO_CUT;
    }
    if (cut) {
        toy_end_session(session);
    } else if (question.kind != FEED_DO_SEND) {
        toy_answer(toy, number, &question);
    }
}

static inline void toy_turn(struct toy *toy, int number)
{
    toy->sessions[number].wants_turn = false;
    toy_feed_step(toy, number, (struct feed_event){.kind = FEED_TURN});
}

/* One frame from the client arrives. */
static inline void toy_arrive_up(struct toy *toy, int number)
{
    struct toy_session *session = &toy->sessions[number];
    struct feed_event event = {.kind = FEED_FRAME};
    event.frame = toy_pop(&session->up);
    uint8_t *frame = (uint8_t *)(uintptr_t)event.frame.data;
    if (session->feed != NULL) {
        toy_feed_step(toy, number, event);
    }
    free(frame);
}

#endif
