/* cli/kitbag_settings.c - the settings of a client machine's program. */
#include "cli/kitbag_settings.h"

const struct config_key kitbag_keys[] = {
    {"client.data", CONFIG_TEXT, "/var/lib/kitbag",
     "The folder of this machine's replica and outbox; one program at a time owns it.", 0, 0},
    {"client.socket", CONFIG_TEXT, NULL,
     "The local socket of the agent; agent.sock in the data folder when empty.", 0, 0},
    {"client.log_level", CONFIG_TEXT, "info", "What the agent logs: debug, info, warning or error.",
     0, 0},
    {"client.outbox_size", CONFIG_SIZE, "64M",
     "How much may wait to be sent; a write beyond it is refused.", 1 << 20, 0},
    {"client.map_size", CONFIG_SIZE, "16G",
     "How large the replica may grow; the file takes only what it holds.", 1 << 20, 0},
    {"client.mirror", CONFIG_TEXT, NULL,
     "A folder for a copy of the server's whole journal, when this machine has that right.", 0, 0},
    {"client.mirror_keep", CONFIG_DURATION, "0",
     "What is so much older than the copy's last change goes from it; 0 keeps everything.", 0, 0},
    {"replica.keep_users", CONFIG_NUMBER, "0",
     "So many users' bags are kept, the least recently used go; 0 keeps all.", 0, 0},
    {"replica.keep_unused", CONFIG_DURATION, "0",
     "Users whose bags nobody used for so long are signed out; 0 keeps all.", 0, 0},
    {NULL, CONFIG_TEXT, NULL, NULL, 0, 0},
};

int kitbag_settings(const struct invocation *invocation, struct config **out, struct err *err)
{
    static const char *const flags[][2] = {
        {"data", "client.data"}, {"socket", "client.socket"}, {"mirror", "client.mirror"}};
    struct config *config = NULL;
    int rc = config_new(&config, kitbag_keys, err);
    if (rc == 0) {
        rc = config_load(config, "kitbag", invocation_option(invocation, "config"), err);
    }
    for (size_t i = 0; rc == 0 && i < sizeof flags / sizeof flags[0]; i++) {
        const char *value = invocation_option(invocation, flags[i][0]);
        if (value != NULL) {
            rc = config_set(config, flags[i][1], value, flags[i][0], err);
        }
    }
    if (rc != 0) {
        config_free(&config);
        return rc;
    }
    *out = config;
    return 0;
}
