/* cli/explain_live.c - see explain_live.h. */
#include "cli/explain_live.h"

#include "base/arena.h"
#include "base/buf.h"
#include "cli/option.h"
#include "kube/item.h"
#include "net/fetch.h"

#include <errno.h>
#include <string.h>

enum { URL_MAX = 4096, ANSWER_BYTES_MAX = 64 << 20 };

static const int64_t TIMEOUT_NS = 10000000000;

struct answer {
    bool over;
    struct buf text;
    struct err err;
};

static void got(void *user, uint32_t target, struct str text, const struct err *err)
{
    struct answer *a = user;
    (void)target;
    if (err != NULL && err->code != 0) {
        a->err = *err;
    } else {
        buf_put(&a->text, text);
    }
}

static void done(void *user)
{
    struct answer *a = user;
    a->over = true;
}

static int ask(const char *url, struct answer *a, struct err *reterr)
{
    struct os_loop *loop = NULL;
    struct net_http *http = NULL;
    struct net_fetch *fetch;
    const struct net_fetch_target target = {
            .url = str_from(url), .accept = STR_LIT("application/json")};
    const struct net_fetch_spec spec = {.targets = &target,
            .target_count = 1,
            .timeout_ns = TIMEOUT_NS,
            .bytes_max = ANSWER_BYTES_MAX,
            .got = got,
            .done = done,
            .user = a};
    int rc = os_loop_new(&loop, reterr);
    if (rc == 0)
        rc = net_http_new(loop, &http, reterr);
    if (rc == 0)
        rc = net_fetch_start(http, &spec, &fetch, reterr);
    while (rc >= 0 && !a->over)
        rc = os_loop_turn(loop, -1, reterr);
    net_http_free(http);
    os_loop_free(loop);
    if (rc >= 0 && a->err.code != 0) {
        *reterr = a->err;
        return a->err.code;
    }
    return rc < 0 ? rc : 0;
}

static int make_url(
        const char *base, const char *subject, uint64_t last, struct buf *url, struct err *reterr)
{
    static const char *const kinds[] = {"node", "workload", "pod"};
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    buf_put(url, (struct str){base, len});
    buf_printf(url, "/api/v1/decisions?last=%llu", (unsigned long long)last);
    if (strcmp(subject, "all") == 0)
        return 0;
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t k = strlen(kinds[i]);
        if (strncmp(subject, kinds[i], k) != 0 || subject[k] != '/' || subject[k + 1] == '\0')
            continue;
        buf_printf(url, "&%s=", kinds[i]);
        net_http_escape(url, str_from(subject + k + 1));
        return 0;
    }
    return err_set(reterr, -EINVAL,
            "'%s': a running controller explains node/NAME, workload/NAMESPACE/NAME, "
            "pod/NAMESPACE/NAME or all",
            subject);
}

static void put_name(struct buf *out, struct kube_value d, const char *kind)
{
    struct str name = kube_value_str(kube_value_get(d, kind));
    if (name.len > 0)
        buf_printf(out, " %s/%.*s", kind, STR_ARG(name));
}

static void put_decision(struct buf *out, struct kube_value d)
{
    char saving[KUBE_SCALAR_MAX];
    buf_printf(out,
            "%.*s  decision/%lld  %.*s %.*s:", STR_ARG(kube_value_str(kube_value_get(d, "time"))),
            (long long)kube_value_i64(kube_value_get(d, "decision"), 0),
            STR_ARG(kube_value_str(kube_value_get(d, "change"))),
            STR_ARG(kube_value_str(kube_value_get(d, "verdict"))));
    put_name(out, d, "node");
    put_name(out, d, "workload");
    put_name(out, d, "pod");
    buf_printf(out, "\n      %.*s\n      %.*s: %.*s\n",
            STR_ARG(kube_value_str(kube_value_get(d, "text"))),
            STR_ARG(kube_value_str(kube_value_get(d, "reason"))),
            STR_ARG(kube_value_str(kube_value_get(d, "reason_text"))));
    struct str money = kube_value_scalar(kube_value_get(d, "saving_usd_per_hour"), saving);
    if (money.len > 0 && !str_eq_c(money, "0"))
        buf_printf(out, "      saves $%.*s an hour\n", STR_ARG(money));
    KUBE_FOREACH(it, kube_value_get(d, "evidence"))
    {
        buf_printf(out, "      %-34.*s %lld\n", STR_ARG(it.key),
                (long long)kube_value_i64(it.value, 0));
    }
}

static int show(
        const struct answer *a, const char *url, const char *subject, bool json, struct err *reterr)
{
    struct arena *arena = arena_new((size_t)1 << 30);
    struct buf out = BUF_INIT((size_t)ANSWER_BYTES_MAX * 2);
    struct kube_value list;
    int rc = kube_value_parse(arena, buf_str(&a->text), &list, reterr);
    if (rc < 0) {
        (void)err_wrap(reterr, "%s", url);
    } else if (kube_value_count(list) == 0) {
        rc = err_set(reterr, -ENODATA, "%s: nothing was decided about '%s'", url, subject);
    } else if (json) {
        rc = cli_print(&a->text, reterr);
    } else {
        KUBE_FOREACH(it, list)
        {
            put_decision(&out, it.value);
        }
        rc = cli_print(&out, reterr);
    }
    buf_clear(&out);
    (void)arena_free(arena);
    return rc;
}

bool cli_explain_is_live(const char *recording)
{
    return strncmp(recording, "http://", 7) == 0;
}

int cli_explain_live(
        const char *url, const char *subject, uint64_t last, bool json, struct err *reterr)
{
    struct buf whole = BUF_INIT(URL_MAX);
    struct answer a = {.text = BUF_INIT(ANSWER_BYTES_MAX)};
    int rc = make_url(url, subject, last, &whole, reterr);
    if (rc == 0)
        rc = ask(whole.ptr, &a, reterr);
    if (rc == 0)
        rc = show(&a, url, subject, json, reterr);
    buf_clear(&whole);
    buf_clear(&a.text);
    return rc;
}
