/* cli/kitbag_program.c - kitbag's table of commands. It has no administrative verb. */
#include "cli/kitbag_program.h"

#include "cli/kitbag_verbs.h"

static const struct option_spec all_options[] = {
    {"data", 0, "DIR", "this machine's data folder (/var/lib/kitbag)"},
    {"socket", 0, "PATH", "the agent's local socket (agent.sock in DIR)"},
    {"config", 0, "FILE", "read this instead of /etc/kitbag/kitbag.conf"},
    {"output", 'o', "FORMAT", "table, json or ndjson (table)"},
    {"yes", 'y', NULL, "do not ask"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec join_options[] = {
    {"server", 0, "HOST[:PORT]", "connect there instead of the token's addresses; may be repeated"},
    {"name", 0, "NAME", "what administrators see (the host's name)"},
    {"serial", 0, "TEXT", "this machine's serial number"},
    {"model", 0, "TEXT", "this machine's model"},
    {"policy", 0, "POLICY",
     "whose values count where both have a user: server-wins, or item by item client-wins, newest "
     "or merge (server-wins)"},
    {"timeout", 0, "TIME", "how long to wait for the server (10s)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec start_options[] = {
    {"policy", 0, "POLICY",
     "whose values count where this machine and others wrote the same item meanwhile: client-wins, "
     "newest or merge (what was written here is sent, and the later arrival counts)"},
    {"timeout", 0, "TIME", "how long to wait for the policy's end (10s)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec agent_options[] = {
    {"mirror", 0, "DIR", "keep a copy of the server's whole journal there"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec login_options[] = {
    {"group", 0, "ID", "a group of the user; may be repeated"},
    {"timeout", 0, "TIME", "how long to wait for the server (5s)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec bag_options[] = {
    {"bag", 0, "BAG", "in place of USER: group:ID, device:ID, fleet, user:NAME/device:ID"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec ls_options[] = {
    {"bag", 0, "BAG", "in place of USER: group:ID, device:ID, fleet, user:NAME/device:ID"},
    {"values", 0, NULL, "show the values too"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec write_options[] = {
    {"bag", 0, "BAG", "in place of USER: group:ID, device:ID, user:NAME/device:ID"},
    {"if-seq", 0, "N", "only when the item's seq is N (0: only when there is no item)"},
    {"wait", 0, "[=TIME]", "return when the server has it, after TIME at the latest (10s)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec import_options[] = {
    {"password-file", 0, "FILE", "whose first line is the file's password; - for standard input"},
    {"trust", 0, "FINGERPRINT", "of the key that the file has to be signed with"},
    {"dry-run", 0, NULL, "look at everything, change nothing"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec export_options[] = {
    {"password-file", 0, "FILE", "whose first line seals the file; - for standard input"},
    {NULL, 0, NULL, NULL},
};

static const struct command commands[] = {
    {"join", "TOKEN", "join a server with a token from its administrator",
     "join kb1.kgGR... --name copier-3\njoin kb1.kgGR... --policy merge\n", join_options, 1, 1,
     verb_join},
    {"agent", "", "keep this machine in step with its server, in the foreground",
     "--data /var/lib/kitbag agent\nagent --mirror /srv/kitbag-journal\n", agent_options, 0, 0,
     verb_agent},
    {"sync start", "", "have the agent connect, and stay connected",
     "sync start\nsync start --policy newest\n", start_options, 0, 0, verb_sync_start},
    {"sync stop", "", "disconnect until sync start; what is kept stays usable", NULL, NULL, 0, 0,
     verb_sync_stop},
    {"sync status", "", "the same as status", NULL, NULL, 0, 0, verb_status},
    {"login", "USER", "sign a user in: their settings are fetched, and kept in step",
     "login zoe --group sales\nlogin zoe --timeout 2s\n", login_options, 1, 1, verb_login},
    {"logout", "USER", "sign a user out: their settings are no longer kept here", NULL, NULL, 1, 1,
     verb_logout},
    {"users", "", "who is signed in here", NULL, NULL, 0, 0, verb_users},
    {"get", "USER ITEM", "print an item's value, byte for byte",
     "get zoe copy/default\nget --bag group:sales address-list/group/7\n", bag_options, 1, 2,
     verb_get},
    {"set", "USER ITEM VALUE|@FILE|-", "write an item: on this disk at once, then sent",
     "set zoe copy/default '{\"sides\":2}'\nset zoe home/picture @me.png --wait\n", write_options,
     2, 3, verb_set},
    {"rm", "USER ITEM", "remove an item", "rm zoe copy/default\n", write_options, 1, 2, verb_rm},
    {"apply", "USER FILE", "write many items at once: all of them or none",
     "apply zoe settings.json\napply zoe - <<<'{\"copy/default\": \"a\", \"fax/default\": null}'\n",
     write_options, 1, 2, verb_apply},
    {"ls", "USER [PREFIX]", "list a user's items", "ls zoe address-list\nls zoe --values -o json\n",
     ls_options, 0, 2, verb_ls},
    {"explain", "USER ITEM", "where an item's value comes from, and who set it",
     "explain zoe copy/default\nexplain zoe copy/default -o json\n", bag_options, 1, 2,
     verb_explain},
    {"watch", "[USER]", "print changes as they come", "watch zoe\nwatch -o ndjson\n", bag_options,
     0, 1, verb_watch},
    {"outbox ls", "", "writes that wait to be sent", NULL, NULL, 0, 0, verb_outbox_ls},
    {"outbox refused", "", "writes that the server refused, and why", NULL, NULL, 0, 0,
     verb_outbox_refused},
    {"outbox retry", "OP|all", "send a refused write again, as a new one",
     "outbox retry 12\noutbox retry all\n", NULL, 1, 1, verb_outbox_retry},
    {"outbox drop", "OP|all", "forget a write that was refused or not sent yet", "outbox drop 12\n",
     NULL, 1, 1, verb_outbox_drop},
    {"outbox export", "FILE", "writes that wait to be sent, in a file for the server",
     "outbox export outbox.kitbag\n", NULL, 1, 1, verb_outbox_export},
    {"import", "FILE", "take the settings that are in a file, of the server or of a machine",
     "import people.kitbag --dry-run\nimport people.kitbag --password-file ./password\n"
     "import people.kitbag --trust 5E:8A:...\n",
     import_options, 1, 1, verb_import},
    {"export", "FILE", "what this machine has of people and groups, in a file",
     "export mine.kitbag\nexport mine.kitbag --password-file ./password\n", export_options, 1, 1,
     verb_export},
    {"status", "", "is this machine connected and up to date, and if not, what to do", NULL, NULL,
     0, 0, verb_status},
    {"verify", "", "read everything kept here and compare checksums and hashes", NULL, NULL, 0, 0,
     verb_verify},
    {"doctor", "", "check one thing after the other, and say how to mend what is wrong", NULL, NULL,
     0, 0, verb_doctor},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};

const struct program kitbag_program = {
    "kitbag",
    "Personal settings that follow their person: the command of a client machine.",
    all_options,
    commands,
    "Settings come from /etc/kitbag/kitbag.conf, then /etc/kitbag/conf.d/kitbag-*.conf, the\n"
    "environment (KITBAG_CLIENT_DATA and the like) and options; the last one counts. Commands "
    "work\n"
    "with an agent and without, but a machine stays connected only while its agent runs.\n"
    "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 conflict or failed condition, 5 not\n"
    "allowed, 6 unreachable or timed out, 7 partly done.\n",
};
