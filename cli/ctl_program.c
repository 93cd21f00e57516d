/* cli/ctl_program.c - kitbagctl's table of commands. */
#include "cli/ctl_program.h"

#include "cli/ctl_verbs.h"

static const struct option_spec all_options[] = {
    {"server", 0, "URL", "the server, by HTTPS: https://HOST:8444 (that of the last sign-in)"},
    {"token-file", 0, "FILE", "an API token is let in, not a saved sign-in"},
    {"fingerprint", 0, "SHA256", "of the server's certificate; no other one is taken"},
    {"ca-file", 0, "FILE", "authorities that may vouch for it, besides the system's (PEM)"},
    {"data", 0, "DIR", "the server on this machine, by its data folder (/var/lib/kitbagd)"},
    {"output", 'o', "FORMAT", "table, json or ndjson (table)"},
    {"yes", 'y', NULL, "do not ask"},
    {"dry-run", 'n', NULL, "say what would be done, and change nothing"},
    {NULL, 0, NULL, NULL},
};

#define MOMENT "a seq, a time (2026-11-22T17:51:37Z), or -2h for two hours ago"

static const struct option_spec login_options[] = {
    {"password-file", 0, "FILE", "the password is its first line; -: of standard input"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec show_options[] = {
    {"at", 0, "MOMENT", "as it was then: " MOMENT},
    {"device", 0, "ID", "what the user has on that machine alone"},
    {"values", 0, NULL, "show the items' values too, those of secrets masked"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec history_options[] = {
    {"from", 0, "MOMENT", "nothing older: " MOMENT},
    {"to", 0, "MOMENT", "nothing newer"},
    {"lines", 0, "N", "the newest N changes (all)"},
    {"device", 0, "ID", "of what the user has on that machine alone"},
    {"values", 0, NULL, "show the values, and those that they replaced"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec diff_options[] = {
    {"from", 0, "MOMENT", "since when: " MOMENT},
    {"to", 0, "MOMENT", "until when (now)"},
    {"device", 0, "ID", "of what the user has on that machine alone"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec set_options[] = {
    {"if-seq", 0, "N", "only when the item is at seq N; 0: only when there is none"},
    {"device", 0, "ID", "what the user has on that machine alone"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec restore_options[] = {
    {"at", 0, "MOMENT", "as it was then (as it was before the deletion): " MOMENT},
    {"item", 0, "PATH", "this item alone; may be repeated"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec rm_options[] = {
    {"adopt", 0, NULL, "delete here alone, and take the next machine's copy"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec join_token_options[] = {
    {"count", 0, "N", "how many (1)"},
    {"expires", 0, "TIME", "how long they can be used: 30m, 12h, 7d (1h)"},
    {"replaces", 0, "ID|NAME", "whoever joins with it takes over this machine's ID and data"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec api_token_options[] = {
    {"role", 0, "ROLE", "what it may do: viewer, operator or admin"},
    {"expires", 0, "TIME", "how long it can be used: 12h, 30d (365d)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec account_options[] = {
    {"role", 0, "ROLE", "what the account may do: viewer, operator or admin"},
    {"password-file", 0, "FILE", "the password is its first line (one is made up); -: of input"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec passwd_options[] = {
    {"password-file", 0, "FILE", "the new password is its first line; -: of standard input"},
    {"old-password-file", 0, "FILE", "the same for the one until now, of the own account"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec wait_options[] = {
    {"device", 0, "ID|NAME|all", "for whom"},
    {"seq", 0, "N", "up to which change (what the server holds now)"},
    {"timeout", 0, "TIME",
     "for how long at most: 30s, 5m (60s). Machines tell how far they are within two "
     "heartbeats, about 4 s as the server is set by default"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec log_options[] = {
    {"level", 0, "LEVEL", "the least: debug, info, warning or error (debug)"},
    {"search", 0, "TEXT", "only lines that hold it anywhere, in any case"},
    {"lines", 0, "N", "the newest N of them (100)"},
    {"follow", 'f', NULL, "go on with lines as they are written"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec audit_options[] = {
    {"actor", 0, "NAME", "what this account did"},
    {"action", 0, "ACTION", "what was done: owner.delete, or device for all of its kind"},
    {"from", 0, "MOMENT", "nothing older: " MOMENT},
    {"to", 0, "MOMENT", "nothing newer"},
    {"lines", 0, "N", "the newest N (100)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec names_options[] = {
    {"lines", 0, "N", "the first N of them (all)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec list_options[] = {
    {"lines", 0, "N", "the first N of them (all)"},
    {"state", 0, "STATE", "active, connected, away, diverged, removed or all (active)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec fence_options[] = {
    {"except", 0, "CATEGORY", "a longer category that stays as it is; may be repeated"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec explain_options[] = {
    {"device", 0, "ID", "at this machine (at one without a value of its own)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec sharing_options[] = {
    {"copy", 0, NULL,
     "to device-specific without initialising: machines go on with the shared value of now"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec repair_options[] = {
    {"keep-newest", 0, NULL, "keep what is behind the damage, and lose what is before it"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec people_options[] = {
    {"format", 0, "FORMAT", "what FILE is: ldif, csv or vcard (by its name's end)"},
    {"colleagues", 0, NULL, "fill personal address lists with the people of the same ou"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec address_options[] = {
    {"format", 0, "FORMAT", "what FILE is: ldif, csv or vcard (by its name's end)"},
    {"into", 0, "BAG", "whose address list: user:NAME or group:ID"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec tail_options[] = {
    {"lines", 0, "N", "begin with the last N changes (10)"},
    {"since", 0, "SEQ|HISTORY:SEQ", "begin with the change behind this one"},
    {"follow", 'f', NULL, "go on with changes as they are made"},
    {"bag", 0, "BAG", "only changes of user:NAME, group:ID, device:ID, fleet or server"},
    {"values", 0, NULL, "show the items' values too, those of secrets masked"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec check_options[] = {
    {"config", 0, "FILE", "read this file in place of /etc/kitbag/kitbagd.conf"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec config_options[] = {
    {"origin", 0, NULL, "where each value came from: file and line, environment, or default"},
    {"config", 0, "FILE", "read this file in place of /etc/kitbag/kitbagd.conf"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec export_options[] = {
    {"user", 0, "NAME", "this user; may be repeated"},
    {"group", 0, "ID", "this user group; may be repeated"},
    {"all", 0, NULL, "all users and user groups"},
    {"only", 0, "WHAT", "personal-settings or group-address-lists alone (both)"},
    {"since-device", 0, "ID", "only what this machine lacks, as far as it has told"},
    {"password-file", 0, "FILE", "seal it with the first line; -: of standard input"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec address_list_options[] = {
    {"format", 0, "FORMAT", "csv, ldif or vcard (what the file's name says, else csv)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec backup_options[] = {
    {"verify", 0, NULL, "read it back when it is made, and check all of it"},
    {NULL, 0, NULL, NULL},
};

static const struct command commands[] = {
    {"login", "[NAME]", "sign in to a server by HTTPS; the commands after it are for that server",
     "login --server https://kitbag.example.org:8444\n"
     "login ann --server localhost:8444 --password-file ./password --fingerprint AB:CD:...\n",
     login_options, 0, 1, ctl_login},
    {"logout", "", "end that session, here and on the server", "logout\n", NULL, 0, 0, ctl_logout},
    {"status", "", "how the server is: its state, people, machines, journal",
     "status\nstatus -o json\n", NULL, 0, 0, ctl_status},
    {"sync status", "", "whether the server exchanges changes with machines, and for whom",
     "sync status\n", NULL, 0, 0, ctl_sync_status},
    {"sync start", "", "start synchronization: machines send what waited, and get what they lack",
     "sync start --dry-run\nsync start --yes\n", NULL, 0, 0, ctl_sync_start},
    {"sync stop", "", "stop synchronization: machines go on by themselves, and their writes wait",
     "sync stop --yes\n", NULL, 0, 0, ctl_sync_stop},
    {"user ls", "[SEARCH]", "list users; SEARCH is any part of the name", "user ls\nuser ls petr\n",
     names_options, 0, 1, ctl_user_ls},
    {"user show", "NAME", "show a user and what is kept of them",
     "user show zoe\nuser show zoe --values -o json\nuser show zoe --at 2026-11-22T08:00\n",
     show_options, 1, 1, ctl_user_show},
    {"user history", "NAME [ITEM]", "who wrote what, where and when, the newest first",
     "user history zoe\nuser history zoe copy/default --values --from -7d\n"
     "user history zoe -o ndjson --lines 100\n",
     history_options, 1, 2, ctl_user_history},
    {"user diff", "NAME", "what is different between two moments",
     "user diff zoe --from -1d\nuser diff zoe --from 4711 --to 4720\n", diff_options, 1, 1,
     ctl_user_diff},
    {"user explain", "NAME ITEM",
     "which layer a value comes from (shared, device-specific, default), and who set it",
     "user explain zoe copy/default\nuser explain zoe copy/default --device 5f3a9c0012ab77de\n",
     explain_options, 2, 2, ctl_user_explain},
    {"user set", "NAME ITEM [VALUE|@FILE|-]", "set an item; without a value, standard input is it",
     "user set zoe copy/default '{\"copies\":2}'\nuser set zoe copy/default @settings.json "
     "--if-seq 4711\n",
     set_options, 2, 3, ctl_user_set},
    {"user unset", "NAME ITEM", "remove an item", "user unset zoe copy/default\n", set_options, 2,
     2, ctl_user_unset},
    {"user restore", "NAME...",
     "bring back what was: deleted users as they were, others or items of them as of a moment",
     "user restore zoe\nuser restore zoe --at -2h --dry-run\n"
     "user restore zoe --item copy/default --at 4711\n",
     restore_options, 1, -1, ctl_user_restore},
    {"user rm", "NAME...", "delete users with all their data, on the server and on every machine",
     "user rm zoe --dry-run\nuser rm zoe adam --yes\nuser rm zoe --adopt\n", rm_options, 1, -1,
     ctl_user_rm},
    {"group ls", "[SEARCH]", "list user groups; SEARCH is any part of the ID", NULL, names_options,
     0, 1, ctl_group_ls},
    {"group show", "ID", "show a user group and what is kept of it", NULL, show_options, 1, 1,
     ctl_group_show},
    {"group history", "ID [ITEM]", "who wrote what, where and when, the newest first",
     "group history sales\ngroup history sales copy/default --values --from -7d\n"
     "group history sales -o ndjson --lines 100\n",
     history_options, 1, 2, ctl_group_history},
    {"group diff", "ID", "what is different between two moments",
     "group diff sales --from -1d\ngroup diff sales --from 4711 --to 4720\n", diff_options, 1, 1,
     ctl_group_diff},
    {"group set", "ID ITEM [VALUE|@FILE|-]", "set an item; without a value, standard input is it",
     "group set sales copy/default '{\"copies\":2}'\ngroup set sales copy/default @settings.json "
     "--if-seq 4711\n",
     set_options, 2, 3, ctl_group_set},
    {"group unset", "ID ITEM", "remove an item", "group unset sales copy/default\n", set_options, 2,
     2, ctl_group_unset},
    {"group restore", "ID...",
     "bring back what was: deleted groups as they were, others or items of them as of a moment",
     "group restore sales\ngroup restore sales --at -2h --dry-run\n"
     "group restore sales --item copy/default --at 4711\n",
     restore_options, 1, -1, ctl_group_restore},
    {"group rm", "ID...", "delete user groups with all their data", "group rm sales --dry-run\n",
     rm_options, 1, -1, ctl_group_rm},
    {"device ls", "[FILTER]", "list client machines; FILTER is any part of name, serial, model, ID",
     "device ls\ndevice ls lobby\ndevice ls --state diverged\n", list_options, 0, 1, ctl_device_ls},
    {"device show", "ID|NAME", "show a client machine: how far it is, what it may keep",
     "device show lobby-copier\n", NULL, 1, 1, ctl_device_show},
    {"device rename", "ID|NAME NAME", "give a client machine another name",
     "device rename 5f3a9c0012ab77de lobby-copier\n", NULL, 2, 2, ctl_device_rename},
    {"device keep", "ID|NAME signed-in|groups|everybody",
     "whose settings a client machine may keep without a sign-in",
     "device keep lobby-copier everybody\n", NULL, 2, 2, ctl_device_keep},
    {"device mirror", "ID|NAME yes|no",
     "whether a client machine may have the whole journal, secrets included",
     "device mirror standby yes\n", NULL, 2, 2, ctl_device_mirror},
    {"device rm", "ID|NAME...", "remove client machines: they are cut off at once",
     "device rm 5f3a9c0012ab77de\ndevice rm lobby-copier --yes\n", NULL, 1, -1, ctl_device_rm},
    {"device token ls", "", "list join tokens: new, used or expired, and who made them",
     "device token ls\n", NULL, 0, 0, ctl_device_token_ls},
    {"device token rm", "ID...", "remove join tokens: nobody can join with them",
     "device token rm 5f3a9c0012ab77de --yes\n", NULL, 1, -1, ctl_device_token_rm},
    {"device token", "", "make join tokens, with which machines join; one a line, shown once",
     "device token\ndevice token --count 20 --expires 7d\n"
     "device token --replaces lobby-copier\n",
     join_token_options, 0, 0, ctl_device_token},
    {"wait", "", "wait until machines hold all of their data up to a change",
     "wait --device all\nwait --device lobby-copier --seq 4711 --timeout 5m\n", wait_options, 0, 0,
     ctl_wait},
    {"sharing ls", "", "list the categories that can be shared across all devices or not",
     "sharing ls\n", NULL, 0, 0, ctl_sharing_ls},
    {"sharing set", "CATEGORY=shared|device...",
     "share categories across all devices, or make them device-specific, for everybody at once",
     "sharing set copy/default=device --dry-run\n"
     "sharing set copy/default=device fax/default=device --copy\n"
     "sharing set home/timeline=shared --yes\n",
     sharing_options, 1, -1, ctl_sharing_set},
    {"sharing undo", "[SEQ]", "take such a change back; without SEQ, list those that can be",
     "sharing undo\nsharing undo 4713 --dry-run\n", NULL, 0, 1, ctl_sharing_undo},
    {"fence ls", "", "list the categories that were initialised for everybody", NULL, NULL, 0, 0,
     ctl_fence_ls},
    {"fence set", "shared|device CATEGORY",
     "initialise a category for everybody: one change, whatever the number of users",
     "fence set shared copy/default --dry-run\n"
     "fence set device copy --except copy/default --yes\n",
     fence_options, 2, 2, ctl_fence_set},
    {"fence lift", "shared|device CATEGORY", "take the newest initialisation of a category back",
     "fence lift shared copy/default\n", NULL, 2, 2, ctl_fence_lift},
    {"import people", "FILE", "register the people of a directory export as users",
     "import people company.ldif --format ldif --colleagues\n"
     "import people staff.csv --dry-run\nimport people contacts.vcf\n",
     people_options, 1, 1, ctl_import_people},
    {"import addresses", "FILE", "put the people of a directory export into an address list",
     "import addresses partners.ldif --format ldif --into group:sales\n", address_options, 1, 1,
     ctl_import_addresses},
    {"journal stat", "", "how far the journal goes, its size, and what holds it", NULL, NULL, 0, 0,
     ctl_journal_stat},
    {"journal tail", "", "the newest changes: who changed what, and when",
     "journal tail --follow\njournal tail --bag user:zoe --lines 50\n"
     "journal tail --since 4711 -o ndjson\n",
     tail_options, 0, 0, ctl_journal_tail},
    {"journal verify", "", "read the whole journal and check it; the server may be down",
     "--data /var/lib/kitbagd journal verify\n", NULL, 0, 0, ctl_journal_verify},
    {"journal repair", "", "cut damage out of the journal of a server that is down",
     "--data /var/lib/kitbagd journal repair --dry-run\n", repair_options, 0, 0,
     ctl_journal_repair},
    {"history fork", "",
     "go on with this server's state: a new history begins, machines that hold more give it up",
     "history fork --dry-run\nhistory fork --yes\n", NULL, 0, 0, ctl_history_fork},
    {"export prepare", "", "prepare user data for export, of one moment, while everything runs",
     "export prepare --user ann --user bob --group sales\n"
     "export prepare --all --password-file ./password\n"
     "export prepare --all --since-device 9f86d081884c7d65\n",
     export_options, 0, 0, ctl_export_prepare},
    {"export ls", "", "list what is prepared for export, and for how long it is there",
     "export ls\n", NULL, 0, 0, ctl_export_ls},
    {"export get", "ID FILE", "fetch a prepared snapshot file; what broke off goes on",
     "export get 4f1c9a70de3b2518 people.kitbag\n", NULL, 2, 2, ctl_export_get},
    {"export address-list", "ID personal|group FILE",
     "fetch all personal address lists of a prepared export, or those of all its user groups",
     "export address-list 4f1c9a70de3b2518 personal people.csv\n"
     "export address-list 4f1c9a70de3b2518 group groups.txt --format ldif\n",
     address_list_options, 3, 3, ctl_export_address_list},
    {"export rm", "ID...", "drop what is prepared before its time is over",
     "export rm 4f1c9a70de3b2518\n", NULL, 1, -1, ctl_export_rm},
    {"backup ls", "", "list the folders of backups, and the backup that is being made",
     "backup ls\n", NULL, 0, 0, ctl_backup_ls},
    {"backup verify", "BACKUP", "read a whole backup on this machine and check it",
     "backup verify /srv/backup/kitbag\n", NULL, 1, 1, ctl_backup_verify},
    {"backup forget", "DIR", "tell no more beside the backups in DIR what is removed",
     "backup forget /srv/old-backups --yes\n", NULL, 1, 1, ctl_backup_forget},
    {"backup", "DIR",
     "make a backup of the server in DIR on its machine, while it runs; later ones add what is new",
     "backup /srv/backup/kitbag\nbackup /srv/backup/kitbag --verify\n"
     "backup /srv/backup/kitbag --dry-run\n",
     backup_options, 1, 1, ctl_backup},
    {"restore status", "", "whether the server's data came out of a backup, and whether it serves",
     "restore status\n", NULL, 0, 0, ctl_restore_status},
    {"restore confirm", "", "serve: who was removed after the backup has been removed again",
     "restore confirm --dry-run\nrestore confirm --yes\n", NULL, 0, 0, ctl_restore_confirm},
    {"clock confirm", "", "the server's clock was set on purpose: dropping for age goes on",
     "clock confirm\n", NULL, 0, 0, ctl_clock_confirm},
    {"log", "", "the newest lines of the server's log",
     "log --level warning\nlog --follow --search device.\n", log_options, 0, 0, ctl_log},
    {"audit", "", "who did what in administration, the newest first",
     "audit --from -7d\naudit --actor ann --action owner.delete\n", audit_options, 0, 0, ctl_audit},
    {"account ls", "", "list the accounts of administrators", "account ls\n", NULL, 0, 0,
     ctl_account_ls},
    {"account add", "NAME", "make an account; its password is made up and shown once",
     "account add ann --role operator\naccount add ann --role viewer --password-file ./password\n",
     account_options, 1, 1, ctl_account_add},
    {"account rm", "NAME...", "remove accounts: whoever is signed in with them is signed out",
     "account rm ann --dry-run\naccount rm ann --yes\n", NULL, 1, -1, ctl_account_rm},
    {"account passwd", "[NAME]",
     "change the own password; or another account's, a lost one's with --data",
     "account passwd\naccount passwd admin --data /var/lib/kitbagd\n", passwd_options, 0, 1,
     ctl_account_passwd},
    {"account role", "NAME viewer|operator|admin", "change what an account may do",
     "account role ann operator\n", NULL, 2, 2, ctl_account_role},
    {"account unlock", "NAME", "let an account in again that was tried too often",
     "account unlock ann\n", NULL, 1, 1, ctl_account_unlock},
    {"token ls", "", "list API tokens, with which scripts are let in", "token ls\n", NULL, 0, 0,
     ctl_token_ls},
    {"token new", "NAME", "make an API token, shown once; NAME tells later what it is for",
     "token new nightly-report --role viewer --expires 30d > report.token\n"
     "status --server https://kitbag.example.org:8444 --token-file report.token\n",
     api_token_options, 1, 1, ctl_token_new},
    {"token rm", "ID...", "remove API tokens: scripts that use them get in no more",
     "token rm 5f3a9c0012ab77de --yes\n", NULL, 1, -1, ctl_token_rm},
    {"config check", "",
     "whether the configuration of the server on this machine is valid; it may be down",
     "config check\nconfig check --config ./new.conf\n", check_options, 0, 0, ctl_config_check},
    {"config show", "", "the settings of the server on this machine; it may be down",
     "config show --origin\nconfig show --data /srv/kitbagd -o json\n", config_options, 0, 0,
     ctl_config_show},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};

const struct program ctl_program = {
    "kitbagctl",
    "The administrator's command of Kitbag: people, machines, accounts and the journal of a "
    "server.",
    all_options,
    commands,
    "Where it works: by HTTPS at the server of --server, KITBAGCTL_SERVER or the last 'login' "
    "(kept\n"
    "in ~/.config/kitbag/kitbagctl.json), as whoever signed in or by --token-file. On the server\n"
    "machine, for the server's account (or root), --data DIR or KITBAG_SERVER_DATA takes the "
    "socket\n"
    "in the data folder of a running server, without a sign-in; so it does when nothing is named.\n"
    "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 conflict or failed condition, 5 not\n"
    "allowed, 6 unreachable or timed out, 7 partly done.\n",
};
