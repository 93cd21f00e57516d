/* cli/ctl_program.c - kitbagctl's table of commands. */
#include "cli/ctl_program.h"

#include "cli/ctl_verbs.h"

static const struct option_spec all_options[] = {
    {"data", 0, "DIR", "the server's data folder (/var/lib/kitbagd)"},
    {"output", 'o', "FORMAT", "table, json or ndjson (table)"},
    {"yes", 'y', NULL, "do not ask"},
    {"dry-run", 'n', NULL, "say what would be done, and change nothing"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec show_options[] = {
    {"values", 0, NULL, "show the items' values too, those of secrets masked"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec people_options[] = {
    {"format", 0, "FORMAT", "what FILE is: ldif"},
    {"colleagues", 0, NULL, "fill personal address lists with the people of the same ou"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec address_options[] = {
    {"format", 0, "FORMAT", "what FILE is: ldif"},
    {"into", 0, "BAG", "whose address list: user:NAME or group:ID"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec tail_options[] = {
    {"lines", 0, "N", "begin with the last N changes (10)"},
    {"follow", 'f', NULL, "go on with changes as they are made"},
    {"bag", 0, "BAG", "only changes of user:NAME, group:ID, device:ID, fleet or server"},
    {"values", 0, NULL, "show the items' values too, those of secrets masked"},
    {NULL, 0, NULL, NULL},
};

static const struct command commands[] = {
    {"status", "", "how the server is: its state, people, machines, journal",
     "status\nstatus -o json\n", NULL, 0, 0, ctl_status},
    {"user ls", "[SEARCH]", "list users; SEARCH is any part of the name", "user ls\nuser ls petr\n",
     NULL, 0, 1, ctl_user_ls},
    {"user show", "NAME", "show a user and what is kept of them",
     "user show zoe\nuser show zoe --values -o json\n", show_options, 1, 1, ctl_user_show},
    {"user rm", "NAME...", "delete users with all their data, on the server and on every machine",
     "user rm zoe --dry-run\nuser rm zoe adam --yes\n", NULL, 1, -1, ctl_user_rm},
    {"group ls", "[SEARCH]", "list user groups; SEARCH is any part of the ID", NULL, NULL, 0, 1,
     ctl_group_ls},
    {"group show", "ID", "show a user group and what is kept of it", NULL, show_options, 1, 1,
     ctl_group_show},
    {"group rm", "ID...", "delete user groups with all their data", "group rm sales --dry-run\n",
     NULL, 1, -1, ctl_group_rm},
    {"device ls", "[FILTER]", "list client machines; FILTER is any part of name, serial, model, ID",
     "device ls\ndevice ls lobby\n", NULL, 0, 1, ctl_device_ls},
    {"device rm", "ID|NAME...", "remove client machines: they are cut off at once",
     "device rm 5f3a9c0012ab77de\ndevice rm lobby-copier --yes\n", NULL, 1, -1, ctl_device_rm},
    {"import people", "FILE", "register the people of a directory export as users",
     "import people company.ldif --format ldif --colleagues\n"
     "import people company.ldif --format ldif --dry-run\n",
     people_options, 1, 1, ctl_import_people},
    {"import addresses", "FILE", "put the people of a directory export into an address list",
     "import addresses partners.ldif --format ldif --into group:sales\n", address_options, 1, 1,
     ctl_import_addresses},
    {"journal stat", "", "how far the journal goes, and its size", NULL, NULL, 0, 0,
     ctl_journal_stat},
    {"journal tail", "", "the newest changes: who changed what, and when",
     "journal tail --follow\njournal tail --bag user:zoe --lines 50\n", tail_options, 0, 0,
     ctl_journal_tail},
    {"journal verify", "", "read the whole journal and check it; the server may be down",
     "--data /var/lib/kitbagd journal verify\n", NULL, 0, 0, ctl_journal_verify},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};

const struct program ctl_program = {
    "kitbagctl",
    "The administrator's command of Kitbag: people, machines and the journal of a server.",
    all_options,
    commands,
    "It works on the server machine, for the server's account (or root), by the socket in the "
    "data\n"
    "folder of a running server. KITBAG_SERVER_DATA names another folder than the usual one.\n"
    "Tokens for machines that are to join: kitbagd token --help.\n"
    "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 conflict or failed condition, 5 not\n"
    "allowed, 6 unreachable or timed out, 7 partly done.\n",
};
