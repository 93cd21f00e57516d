/* Tests of admin/api/backups.c: making, listing and forgetting backups, and confirming a restore.
 */
#include "admin/backups.h"
#include "tests/admin/api/api_fixture.h"

/* What the server is told to say, and what it was asked. */
static struct {
    struct admin_backup_view view;
    struct admin_backup_folder folder;
    struct admin_restored restored;
    struct admin_backup_report report;
    char asked[PATH_MAX];
    char actor[ACTOR_MAX_BYTES + 1];
    bool verify;
    int started;
    int forgotten;
    int confirmed;
    int code;
} told;

static int answer_code(struct err *err)
{
    return told.code == 0 ? 0 : err_set(err, told.code, "no, because");
}

static int start(void *context, const struct admin_backup_order *order, uint64_t *number,
                 struct admin_backup_report *report, struct err *err)
{
    (void)context;
    (void)snprintf(told.asked, sizeof told.asked, "%s", order->folder);
    (void)snprintf(told.actor, sizeof told.actor, "%s", order->actor);
    told.verify = order->verify;
    told.started += order->dry_run ? 0 : 1;
    *number = 3;
    *report = told.report;
    return answer_code(err);
}

static void view(void *context, struct admin_backup_view *out)
{
    (void)context;
    *out = told.view;
}

static int folders(void *context, admin_backup_folder_fn *each, void *each_context, struct err *err)
{
    (void)context;
    int rc = answer_code(err);
    return rc == 0 ? each(each_context, &told.folder, err) : rc;
}

static int forget(void *context, const char *folder, const char *actor, bool dry_run, uint64_t *seq,
                  struct err *err)
{
    (void)context;
    (void)snprintf(told.asked, sizeof told.asked, "%s", folder);
    (void)snprintf(told.actor, sizeof told.actor, "%s", actor);
    told.forgotten += dry_run ? 0 : 1;
    *seq = dry_run ? 0 : 12;
    return answer_code(err);
}

static int restored(void *context, struct admin_restored *out, struct err *err)
{
    (void)context;
    *out = told.restored;
    return answer_code(err);
}

static int confirm(void *context, const char *actor, uint64_t *seq, struct err *err)
{
    (void)context;
    (void)snprintf(told.actor, sizeof told.actor, "%s", actor);
    told.confirmed++;
    *seq = told.restored.held ? 13 : 0;
    told.restored.held = false;
    return answer_code(err);
}

static const struct admin_backups backups = {NULL, start, view, folders, forget, restored, confirm};

static int open_told(void **state)
{
    int rc = open_fake(state);
    memset(&told, 0, sizeof told);
    fake.backend.backups = &backups;
    return rc;
}

static bool is_true(const struct answer *answer, const char *member)
{
    return json_is_true(json_object_get(answer->json, member));
}

static void one_is_begun_and_goes_on_by_itself(void **state)
{
    (void)state;
    (void)snprintf(told.report.path, sizeof told.report.path, "/srv/b");
    struct answer answer =
        ask(&fake, "POST", "/api/v1/backups", "{\"path\":\"/srv/b\",\"verify\":true}");
    assert_int_equal(answer.status, 202);
    assert_int_equal(number_at(&answer, "number"), 3);
    assert_string_equal(text_at(&answer, "folder"), "/srv/b");
    assert_string_equal(answer.about, "{\"folder\":\"/srv/b\"}");
    assert_string_equal(told.asked, "/srv/b");
    assert_string_equal(told.actor, "admin");
    assert_true(told.verify && told.started == 1);
    answer_free(&answer);
}

static void a_dry_run_tells_what_it_would_take(void **state)
{
    (void)state;
    told.report = (struct admin_backup_report){
        .seq = 9, .bytes = 100, .new_bytes = 10, .room_bytes = 1000, .same_disk = true};
    struct answer answer =
        ask(&fake, "POST", "/api/v1/backups", "{\"path\":\"/srv/b\",\"dry_run\":true}");
    assert_int_equal(answer.status, 200);
    assert_int_equal(number_at(&answer, "bytes"), 100);
    assert_int_equal(number_at(&answer, "new_bytes"), 10);
    assert_int_equal(number_at(&answer, "room_bytes"), 1000);
    assert_string_equal(text_at(&answer, "seq"), "9");
    assert_true(is_true(&answer, "links") && is_true(&answer, "dry_run"));
    assert_int_equal(told.started, 0);
    answer_free(&answer);
}

static void what_can_not_be_done_is_told(void **state)
{
    (void)state;
    static const char path[] = "'path' is the folder for backups, by its whole path on the "
                               "server's machine";
    refused("POST", "/api/v1/backups", "{}", 400, "invalid", path);
    refused("POST", "/api/v1/backups", "{\"path\":7}", 400, "invalid", path);
    refused("POST", "/api/v1/backups", "{\"path\":\"/b\",\"verify\":1}", 400, "invalid",
            "'verify' is true or false");
    refused("POST", "/api/v1/backups/forget", "{}", 400, "invalid",
            "'path' is a folder of backups, as GET /backups tells it");
    static const struct {
        int code;
        int status;
        const char *name;
    } rows[] = {{E_EXISTS, 409, "exists"},           {E_BUSY, 503, "busy"},
                {E_NOSPACE, 507, "no_space"},        {E_NOT_FOUND, 404, "not_found"},
                {E_NOT_ALLOWED, 403, "not_allowed"}, {E_CLOSED, 503, "closed"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        told.code = rows[i].code;
        refused("POST", "/api/v1/backups", "{\"path\":\"/b\"}", rows[i].status, rows[i].name,
                "no, because");
        refused("POST", "/api/v1/backups/forget", "{\"path\":\"/b\"}", rows[i].status, rows[i].name,
                "no, because");
        refused("GET", "/api/v1/backups", NULL, rows[i].status, rows[i].name, "no, because");
        refused("GET", "/api/v1/restore", NULL, rows[i].status, rows[i].name, "no, because");
    }
}

static void the_list_tells_what_is_being_made(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "GET", "/api/v1/backups", NULL);
    assert_true(json_is_null(json_object_get(answer.json, "current")));
    assert_int_equal(rows_of(&answer, "backups"), 1);
    answer_free(&answer);
    told.folder = (struct admin_backup_folder){
        .folder = "/srv/b", .newest = "N", .newest_seq = 7, .backups = 2, .told_seq = 8};
    told.view = (struct admin_backup_view){.state = ADMIN_BACKUP_RUNNING,
                                           .number = 4,
                                           .verifying = true,
                                           .folder = "/srv/b",
                                           .by = "ann",
                                           .done_bytes = 5,
                                           .total_bytes = 6};
    answer = ask(&fake, "GET", "/api/v1/backups", NULL);
    const json_t *current = json_object_get(answer.json, "current");
    assert_string_equal(json_string_value(json_object_get(current, "state")), "running");
    assert_true(json_is_true(json_object_get(current, "verifying")));
    assert_int_equal(json_integer_value(json_object_get(current, "done_bytes")), 5);
    assert_string_equal(row_text(&answer, "backups", 0, "newest_seq"), "7");
    assert_string_equal(row_text(&answer, "backups", 0, "removals_seq"), "8");
    answer_free(&answer);
    told.view.state = ADMIN_BACKUP_DONE;
    told.view.report = (struct admin_backup_report){.seq = 9, .files = 3, .verified = true};
    (void)snprintf(told.view.report.path, sizeof told.view.report.path, "/srv/b/N");
    answer = ask(&fake, "GET", "/api/v1/backups", NULL);
    current = json_object_get(answer.json, "current");
    assert_string_equal(json_string_value(json_object_get(current, "path")), "/srv/b/N");
    assert_string_equal(json_string_value(json_object_get(current, "seq")), "9");
    answer_free(&answer);
    told.view.state = ADMIN_BACKUP_FAILED;
    (void)err_set(&told.view.err, E_NOSPACE, "it is full");
    (void)snprintf(told.folder.text, sizeof told.folder.text, "it is away");
    answer = ask(&fake, "GET", "/api/v1/backups", NULL);
    current = json_object_get(answer.json, "current");
    assert_string_equal(json_string_value(json_object_get(current, "code")), "no_space");
    assert_string_equal(json_string_value(json_object_get(current, "text")), "it is full");
    assert_string_equal(row_text(&answer, "backups", 0, "text"), "it is away");
    const json_t *row = json_array_get(json_object_get(answer.json, "backups"), 0);
    assert_true(json_is_false(json_object_get(row, "reachable")));
    answer_free(&answer);
}

static void a_folder_is_forgotten(void **state)
{
    (void)state;
    struct answer answer =
        ask(&fake, "POST", "/api/v1/backups/forget", "{\"path\":\"/srv/b\",\"dry_run\":true}");
    assert_true(is_true(&answer, "dry_run") && told.forgotten == 0);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/backups/forget", "{\"path\":\"/srv/b\"}");
    assert_string_equal(text_at(&answer, "seq"), "12");
    assert_string_equal(answer.about, "{\"folder\":\"/srv/b\"}");
    assert_int_equal(told.forgotten, 1);
    answer_free(&answer);
}

static void a_restore_is_told_and_confirmed(void **state)
{
    (void)state;
    struct answer answer = ask(&fake, "GET", "/api/v1/restore", NULL);
    assert_false(is_true(&answer, "restored") || is_true(&answer, "held"));
    assert_true(is_true(&answer, "removals_known"));
    answer_free(&answer);
    told.restored = (struct admin_restored){.restored = true,
                                            .held = true,
                                            .backup = "20261123T034858Z-4711",
                                            .backup_ms = 1700000000123,
                                            .parent_seq = 4711,
                                            .restored_ms = 1700000001000};
    (void)fake_put(&fake, "user:ann", "a", "b");
    answer = ask(&fake, "GET", "/api/v1/restore", NULL);
    assert_true(is_true(&answer, "restored") && is_true(&answer, "held"));
    assert_string_equal(text_at(&answer, "backup"), "20261123T034858Z-4711");
    assert_string_equal(text_at(&answer, "parent_seq"), "4711");
    assert_int_equal(number_at(&answer, "users"), 1);
    assert_true(json_is_null(json_object_get(answer.json, "confirmed_by")));
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/restore/confirm", "{\"dry_run\":true}");
    assert_true(is_true(&answer, "held") && told.confirmed == 0);
    answer_free(&answer);
    answer = ask(&fake, "POST", "/api/v1/restore/confirm", "{}");
    assert_string_equal(text_at(&answer, "seq"), "13");
    assert_false(is_true(&answer, "held"));
    assert_string_equal(answer.about, "{\"held\":true}");
    assert_string_equal(told.actor, "admin");
    answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_is_begun_and_goes_on_by_itself, open_told, close_api),
        cmocka_unit_test_setup_teardown(a_dry_run_tells_what_it_would_take, open_told, close_api),
        cmocka_unit_test_setup_teardown(what_can_not_be_done_is_told, open_told, close_api),
        cmocka_unit_test_setup_teardown(the_list_tells_what_is_being_made, open_told, close_api),
        cmocka_unit_test_setup_teardown(a_folder_is_forgotten, open_told, close_api),
        cmocka_unit_test_setup_teardown(a_restore_is_told_and_confirmed, open_told, close_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
