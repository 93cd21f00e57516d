/* cli/main_kitbagctl.c - kitbagctl, the administrator's command. */
#include <curl/curl.h>

#include "cli/ctl_http.h"
#include "cli/ctl_program.h"

int main(int argc, char **argv)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return 1;
    }
    int code = command_main(&ctl_program, argc, argv);
    ctl_http_end();
    curl_global_cleanup();
    return code;
}
