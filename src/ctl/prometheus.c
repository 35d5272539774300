/* ctl/prometheus.c - see prometheus.h.  Below the purity line. */
#include "ctl/prometheus.h"

#include "os/file.h"
#include "os/log.h"

#include <errno.h>
#include <string.h>

enum { CA_BYTES_MAX = 4 << 20, TOKEN_BYTES_MAX = 64 << 10, LINE_FIRST = 0x21, LINE_LAST = 0x7e };

static void wipe(struct buf *b)
{
    if (b->ptr != NULL)
        explicit_bzero(b->ptr, b->cap);
    buf_clear(b);
}

static bool is_https(const char *url)
{
    return str_starts(str_from(url), STR_LIT("https://"));
}

/* What stands before the path goes into log lines: no secret may be there.  What stands behind it
 * would end up before our own path. */
static int check_url(const char *url, struct err *reterr)
{
    const char *host = strstr(url, "://");
    bool known = is_https(url) || str_starts(str_from(url), STR_LIT("http://"));
    size_t host_len = known ? strcspn(host + 3, "/?#") : 0;
    if (known && memchr(host + 3, '@', host_len) != NULL) {
        return err_set(reterr, -EINVAL,
                "--prometheus: a URL with a user in it; expected a bearer token in a file: "
                "--prometheus-token-file");
    }
    if (host_len == 0 || strpbrk(url, "?#") != NULL) {
        return err_set(reterr, -EINVAL,
                "--prometheus: '%s': expected https://HOST:PORT or http://HOST:PORT, and the "
                "path before /api/v1 where it has one",
                url);
    }
    return 0;
}

static int read_ca(const char *path, struct buf *ret_ca, struct err *reterr)
{
    struct buf text = {0};
    if (os_file_read(path, CA_BYTES_MAX, &text, reterr) < 0)
        return err_wrap(reterr, "--prometheus-ca");
    if (text.len == 0 || strstr(text.ptr, "-----BEGIN CERTIFICATE-----") == NULL) {
        buf_clear(&text);
        return err_set(reterr, -EINVAL,
                "--prometheus-ca: %s: no certificate; expected PEM (-----BEGIN CERTIFICATE-----)",
                path);
    }
    buf_clear(ret_ca);
    *ret_ca = text;
    return 0;
}

/* A token is one word; what is not would be refused, much later, as a header. */
static int read_token(const char *path, struct buf *ret_token, struct err *reterr)
{
    struct buf text = {0};
    if (os_file_read(path, TOKEN_BYTES_MAX, &text, reterr) < 0)
        return err_wrap(reterr, "--prometheus-token-file");
    struct str token = str_trim(buf_str(&text));
    bool is_word = token.len > 0;
    for (size_t i = 0; i < token.len; i++)
        is_word = is_word && token.ptr[i] >= LINE_FIRST && token.ptr[i] <= LINE_LAST;
    if (is_word) {
        wipe(ret_token);
        *ret_token = BUF_INIT(TOKEN_BYTES_MAX);
        buf_put(ret_token, token);
    }
    wipe(&text);
    if (!is_word) {
        return err_set(reterr, -EINVAL,
                "--prometheus-token-file: %s: no token; expected one word of visible characters",
                path);
    }
    return 0;
}

static int read_files(struct ctl_prometheus *p, struct err *reterr)
{
    const struct ctl_prometheus_options *o = &p->options;
    if (o->ca_file != NULL && read_ca(o->ca_file, &p->ca, reterr) < 0)
        return reterr->code;
    p->tls = (struct net_tls){.ca_pem = buf_str(&p->ca)};
    if (o->token_file != NULL && read_token(o->token_file, &p->token, reterr) < 0)
        return reterr->code;
    return 0;
}

int ctl_prometheus_open(const struct ctl_prometheus_options *options,
        struct ctl_prometheus *ret_prometheus, struct err *reterr)
{
    *ret_prometheus = (struct ctl_prometheus){.options = *options};
    if (check_url(options->url, reterr) < 0)
        return reterr->code;
    if (options->ca_file != NULL && !is_https(options->url)) {
        return err_set(reterr, -EINVAL, "--prometheus-ca: '%s' has no certificate; expected https",
                options->url);
    }
    return read_files(ret_prometheus, reterr);
}

void ctl_prometheus_clear(struct ctl_prometheus *p)
{
    buf_clear(&p->ca);
    wipe(&p->token);
    p->tls = (struct net_tls){0};
}

void ctl_prometheus_refresh(struct ctl_prometheus *p)
{
    struct err e = {0};
    bool failed = read_files(p, &e) < 0;
    if (failed && !p->stale) {
        os_log_warn("prometheus", "going on with what was read before", OS_LOG_CSTR("why", e.text));
    } else if (!failed && p->stale) {
        os_log_info("prometheus", "its files are readable again");
    }
    p->stale = failed;
}

struct net_fetch_target ctl_prometheus_target(const struct ctl_prometheus *p, struct str url)
{
    return (struct net_fetch_target){.url = url,
            .tls = p->tls.ca_pem.len > 0 ? &p->tls : NULL,
            .bearer = buf_str(&p->token),
            .accept = STR_LIT("application/json")};
}
