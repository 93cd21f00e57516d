/* bench/rows_console.c - what the web console itself costs: many requests, many who watch, and the
 * first page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/rows_admin.h"

enum { CONNECTIONS = 16, CONSOLES = 200, WATCH_S = 10, FILES_MAX = 32 };

/* Requests a second over connections that are kept, one under way on each. */
static void status_rate(struct bench *bench, const struct https_site *site)
{
    static struct https connections[CONNECTIONS];
    struct buf answer;
    size_t done = 0;
    char name[80];
    buf_init(&answer, 1 << 20);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        https_open(&connections[i], site);
        https_send(&connections[i], "GET", "/api/v1/status", NULL);
    }
    uint64_t begin = clock_mono_ns();
    for (uint64_t end = seconds_from_now(bench->seconds); clock_mono_ns() < end;) {
        for (size_t i = 0; i < CONNECTIONS; i++, done++) {
            if (https_receive(&connections[i], &answer) != 200) {
                bench_fail("the status was refused", NULL);
            }
            https_send(&connections[i], "GET", "/api/v1/status", NULL);
        }
    }
    double result = rate(done, begin);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        (void)https_receive(&connections[i], &answer);
        https_close(&connections[i]);
    }
    (void)snprintf(name, sizeof name, "status over TLS, %d connections that are kept", CONNECTIONS);
    row_print(name, result, "/s", TARGET_AT_LEAST, 5000, "");
    buf_free(&answer);
}

/* Processor time of the server's process so far, in s. */
static double cpu_seconds(const struct bench_server *server)
{
    char path[64];
    char line[1024] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)server->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) {
        bench_fail("the server is gone", NULL);
    }
    (void)fclose(file);
    const char *at = strrchr(line, ')'); /* behind the name; field 3 follows, utime is 14 */
    for (int field = 2; field < 14 && at != NULL; field++) {
        at = strchr(at + 1, ' ');
    }
    ASSERT(at != NULL);
    char *end = NULL;
    double ticks = strtod(at, &end);
    return (ticks + strtod(end, NULL)) / (double)sysconf(_SC_CLK_TCK);
}

/* Share of a core during so many seconds, in percent; what comes on the connections is read. */
static double busy_percent(const struct bench_server *server, struct https *connections,
                           size_t count)
{
    double before = cpu_seconds(server);
    uint64_t begin = clock_mono_ns();
    for (uint64_t end = seconds_from_now(WATCH_S); clock_mono_ns() < end;) {
        for (size_t i = 0; i < count; i++) {
            (void)https_skim(&connections[i], 0);
        }
        (void)usleep(50000);
    }
    return 100 * (cpu_seconds(server) - before) * 1e9 / (double)(clock_mono_ns() - begin);
}

static void watching(const struct bench_server *server, const struct https_site *site)
{
    static struct https connections[CONSOLES];
    char name[80];
    char note[64];
    double quiet = busy_percent(server, NULL, 0);
    double kib = server_rss_kib(server);
    for (size_t i = 0; i < CONSOLES; i++) {
        https_open(&connections[i], site);
        https_begin_stream(&connections[i], "/api/v1/status?feed=sse");
    }
    double busy = busy_percent(server, connections, CONSOLES);
    kib = server_rss_kib(server) - kib;
    for (size_t i = 0; i < CONSOLES; i++) {
        if (https_skim(&connections[i], 5000) == 0) {
            bench_fail("a console saw nothing for 5 s", NULL);
        }
        https_close(&connections[i]);
    }
    (void)snprintf(name, sizeof name, "%d consoles with live numbers, of a core", CONSOLES);
    (void)snprintf(note, sizeof note, "%.1f %%, and %.1f %% without", busy, quiet);
    row_print(name, busy - quiet, "%", TARGET_AT_MOST, 5, note);
    (void)snprintf(name, sizeof name, "server memory for one of %d consoles", CONSOLES);
    row_print(name, kib / CONSOLES, "KiB", TARGET_AT_MOST, 97, "100 kB");
}

/* What a page names in src="..." and href="...", of this site. Returns how many. */
static size_t find_files(const struct buf *page, char files[FILES_MAX][256])
{
    size_t count = 0;
    for (const char *at = (const char *)page->data; count < FILES_MAX;) {
        const char *src = strstr(at, "src=\"");
        const char *href = strstr(at, "href=\"");
        at = src == NULL || (href != NULL && href < src) ? href : src;
        if (at == NULL) {
            break;
        }
        at = strchr(at, '"') + 1;
        size_t size = strcspn(at, "\"");
        if (*at == '/' && size < 256) {
            (void)snprintf(files[count++], 256, "%.*s", (int)size, at);
        }
    }
    return count;
}

static void first_page(const struct https_site *site)
{
    static char files[FILES_MAX][256];
    struct https plain;
    struct https https;
    struct buf page;
    char note[64];
    buf_init(&page, 16 << 20);
    https_open(&plain, site);
    plain.plain = true;
    (void)https_ask(&plain, "GET", "/", NULL, &page);
    (void)buf_append_span(&page, span_of("", 1));
    https_close(&plain);
    size_t count = find_files(&page, files);
    https_open(&https, site);
    size_t handshake = https_wire_bytes(&https);
    (void)https_ask(&https, "GET", "/", NULL, &page);
    for (size_t i = 0; i < count; i++) {
        (void)https_ask(&https, "GET", files[i], NULL, &page);
    }
    (void)snprintf(note, sizeof note, "%zu files, TLS handshake %zu bytes of it", count + 1,
                   handshake);
    row_print("the console's first page, received", (double)https_wire_bytes(&https) / 1000, "kB",
              TARGET_AT_MOST, 60, note);
    https_close(&https);
    buf_free(&page);
}

void rows_console(struct bench *bench, const struct bench_server *server,
                  const struct https_site *site)
{
    first_page(site);
    watching(server, site);
    status_rate(bench, site);
}
