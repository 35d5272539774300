/* web/metrics.c - see metrics.h.  Pure.
 *
 * Source: Prometheus, "Exposition formats": HELP escapes backslash and line feed, a label's value
 * the double quote too. */
#include "web/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

static bool is_name(const char *s, bool colons)
{
    if (*s == '\0' || (*s >= '0' && *s <= '9'))
        return false;
    for (; *s != '\0'; s++) {
        bool letter = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z');
        if (!letter && !(*s >= '0' && *s <= '9') && *s != '_' && !(colons && *s == ':'))
            return false;
    }
    return true;
}

static bool ends_in(const char *s, const char *end)
{
    return str_ends(str_from(s), str_from(end));
}

/* What is no UTF-8 is cut off: a scrape with such bytes is refused whole. */
static void escaped(struct buf *out, const char *text, bool quotes)
{
    size_t len = str_utf8_prefix(str_from(text));
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\') {
            buf_puts(out, "\\\\");
        } else if (text[i] == '\n') {
            buf_puts(out, "\\n");
        } else if (text[i] == '"' && quotes) {
            buf_puts(out, "\\\"");
        } else {
            buf_putc(out, text[i]);
        }
    }
}

void web_metrics_family(
        struct web_metrics *m, enum web_metric type, const char *name, const char *help)
{
    static const char *const types[] = {"gauge", "counter", "histogram"};
    assert(is_name(name, true));
    assert((type == WEB_COUNTER) == ends_in(name, "_total"));
    m->family = name;
    m->type = (unsigned)type;
    buf_printf(m->out, "# HELP %s ", name);
    escaped(m->out, help, false);
    buf_printf(m->out, "\n# TYPE %s %s\n", name, types[type]);
}

/* {a="b",c="d",le="bound"}; nothing without labels. */
static void put_labels(struct web_metrics *m, const char *const *labels, const char *bound)
{
    bool first = true;
    for (; labels != NULL && labels[0] != NULL; labels += 2) {
        assert(is_name(labels[0], false) && labels[1] != NULL);
        buf_printf(m->out, "%s%s=\"", first ? "{" : ",", labels[0]);
        escaped(m->out, labels[1], true);
        buf_putc(m->out, '"');
        first = false;
    }
    if (bound != NULL)
        buf_printf(m->out, "%sle=\"%s\"", first ? "{" : ",", bound);
    if (bound != NULL || !first)
        buf_putc(m->out, '}');
}

void web_metrics_sample(
        struct web_metrics *m, const char *const *labels, int64_t value_fixed, unsigned decimals)
{
    char number[STR_FIXED_BYTES];
    assert(m->family != NULL && m->type != WEB_HISTOGRAM);
    buf_puts(m->out, m->family);
    put_labels(m, labels, NULL);
    buf_printf(m->out, " %s\n", str_format_fixed(value_fixed, decimals, number));
}

void web_metrics_histogram(
        struct web_metrics *m, const char *const *labels, const struct web_histogram *h)
{
    char number[STR_FIXED_BYTES];
    uint64_t count = 0;
    assert(m->family != NULL && m->type == WEB_HISTOGRAM);
    assert(h->bucket_count <= WEB_BUCKETS_MAX);
    for (unsigned i = 0; i <= h->bucket_count; i++) {
        bool last = i == h->bucket_count;
        assert(i == 0 || last || h->bounds[i - 1] < h->bounds[i]);
        count += h->counts[i];
        buf_printf(m->out, "%s_bucket", m->family);
        put_labels(m, labels, last ? "+Inf" : str_format_fixed(h->bounds[i], h->decimals, number));
        buf_printf(m->out, " %" PRIu64 "\n", count);
    }
    buf_printf(m->out, "%s_sum", m->family);
    put_labels(m, labels, NULL);
    buf_printf(m->out, " %s\n%s_count", str_format_fixed(h->sum, h->decimals, number), m->family);
    put_labels(m, labels, NULL);
    buf_printf(m->out, " %" PRIu64 "\n", count);
}
