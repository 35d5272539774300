/* net/prom.c - Prometheus' query API: URLs, and answers by yyjson.  Pure. */
#include "net/prom.h"

#include "net/http.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <yyjson.h>

enum { TIME_DECIMALS = 3, NS_A_MS = 1000000, SHOWN_MAX = 200 };

/* ------------------------------------------------------------------------------------------- URLs
 */

static void put_base(struct buf *url, struct str base, const char *verb)
{
    while (base.len > 0 && base.ptr[base.len - 1] == '/')
        base.len--;
    buf_put(url, base);
    buf_printf(url, "/api/v1/%s?query=", verb);
}

static void put_time(struct buf *url, const char *key, int64_t ns)
{
    char text[STR_FIXED_BYTES];
    buf_printf(url, "&%s=%s", key, str_format_fixed(ns / NS_A_MS, TIME_DECIMALS, text));
}

void net_prom_query_url(struct buf *url, struct str base, struct str query, int64_t wall_ns)
{
    put_base(url, base, "query");
    net_http_escape(url, query);
    if (wall_ns != 0)
        put_time(url, "time", wall_ns);
}

void net_prom_range_url(
        struct buf *url, struct str base, struct str query, const struct net_prom_range *range)
{
    assert(range->step_ns >= NS_A_MS && range->end_wall_ns >= range->start_wall_ns);
    put_base(url, base, "query_range");
    net_http_escape(url, query);
    put_time(url, "start", range->start_wall_ns);
    put_time(url, "end", range->end_wall_ns);
    put_time(url, "step", range->step_ns);
}

/* ---------------------------------------------------------------------------------------- answers
 */

/* One answer being read. */
struct reader {
    struct arena *a;
    uint64_t samples;
    struct err *reterr;
};

static struct str text_of(yyjson_val *v)
{
    return (struct str){yyjson_get_str(v), yyjson_get_len(v)};
}

/* Seconds since the epoch, a number with a fraction, in ns; whole milliseconds. */
static int read_time(const struct reader *r, yyjson_val *v, int64_t *ret_ns)
{
    if (!yyjson_is_num(v))
        return err_set(r->reterr, -EINVAL, "a sample's time is no number");
    double seconds = yyjson_get_num(v);
    if (!(seconds >= 0 && seconds < 9e9))
        return err_set(r->reterr, -EINVAL, "a sample's time is out of range");
    *ret_ns = (int64_t)(seconds * 1000 + 0.5) * NS_A_MS;
    return 0;
}

/* A decimal as Prometheus writes it ("0.25", "1e+06", "NaN", "+Inf") in thousandths, rounded to the
 * nearest by the digits themselves; false when it is no finite number in range. */
static bool read_milli(struct str text, int64_t *ret_milli)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t i = negative || (text.len > 0 && text.ptr[0] == '+');
    uint64_t digits = 0;
    int64_t exponent = 3; /* of the digits, in thousandths */
    bool any = false, point = false;
    for (; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && !point) {
            point = true;
        } else if (c >= '0' && c <= '9') {
            any = true;
            bool has_room = digits < UINT64_MAX / 100;
            digits = has_room ? digits * 10 + (uint64_t)(c - '0') : digits;
            exponent += (has_room ? 0 : 1) - (point ? 1 : 0);
        } else {
            break;
        }
    }
    if (!any)
        return false;
    if (i < text.len && (text.ptr[i] == 'e' || text.ptr[i] == 'E')) {
        struct str tail = {text.ptr + i + 1, text.len - i - 1};
        int64_t written = 0;
        if (tail.len > 0 && tail.ptr[0] == '+')
            tail = (struct str){tail.ptr + 1, tail.len - 1};
        if (str_to_i64(tail, -400, 400, &written) < 0)
            return false;
        exponent += written;
        i = text.len;
    }
    if (i != text.len)
        return false;
    for (; exponent > 0 && digits != 0; exponent--) {
        if (__builtin_mul_overflow(digits, 10u, &digits))
            return false;
    }
    for (; exponent < 0 && digits != 0; exponent++)
        digits = exponent == -1 ? (digits + 5) / 10 : digits / 10;
    if (digits > (uint64_t)INT64_MAX)
        return false;
    *ret_milli = negative ? -(int64_t)digits : (int64_t)digits;
    return true;
}

/* [seconds, "value"] */
static int read_sample(struct reader *r, yyjson_val *v, struct net_prom_sample *ret)
{
    if (!yyjson_is_arr(v) || yyjson_arr_size(v) != 2 || !yyjson_is_str(yyjson_arr_get(v, 1)))
        return err_set(r->reterr, -EINVAL, "a sample is not [time, \"value\"]");
    *ret = (struct net_prom_sample){0};
    ret->valid = read_milli(text_of(yyjson_arr_get(v, 1)), &ret->value_milli);
    return read_time(r, yyjson_arr_get(v, 0), &ret->wall_ns);
}

static int compare_labels(const void *a, const void *b)
{
    return str_cmp(
            ((const struct net_prom_label *)a)->name, ((const struct net_prom_label *)b)->name);
}

static int read_labels(const struct reader *r, yyjson_val *metric, struct net_prom_series *s)
{
    if (!yyjson_is_obj(metric))
        return err_set(r->reterr, -EINVAL, "a series has no labels");
    size_t count = yyjson_obj_size(metric);
    if (count > NET_PROM_LABELS_MAX) {
        return err_set(r->reterr, -E2BIG, "a series of %zu labels; the limit is %d", count,
                NET_PROM_LABELS_MAX);
    }
    if (!arena_fits(r->a, count + 1, sizeof(struct net_prom_label)))
        return err_set(r->reterr, -E2BIG, "the answer needs more memory than it may have");
    struct net_prom_label *labels = ARENA_ARRAY(r->a, struct net_prom_label, count + 1);
    size_t index, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(metric, index, max, key, value)
    {
        if (!yyjson_is_str(value))
            return err_set(r->reterr, -EINVAL, "a label's value is no string");
        labels[index] = (struct net_prom_label){text_of(key), text_of(value)};
    }
    if (count > 0)
        qsort(labels, count, sizeof labels[0], compare_labels);
    for (size_t i = 1; i < count; i++) {
        if (str_eq(labels[i - 1].name, labels[i].name))
            return err_set(r->reterr, -EINVAL, "a series has a label twice");
    }
    s->labels = labels;
    s->label_count = (uint32_t)count;
    return 0;
}

/* `values` is an array of samples, or one sample. */
static int read_samples(
        struct reader *r, yyjson_val *values, bool is_one, struct net_prom_series *s)
{
    if (!yyjson_is_arr(values))
        return err_set(r->reterr, -EINVAL, "a series has no samples");
    size_t count = is_one ? 1 : yyjson_arr_size(values);
    r->samples += count;
    if (r->samples > NET_PROM_SAMPLES_MAX ||
            !arena_fits(r->a, count + 1, sizeof(struct net_prom_sample))) {
        return err_set(r->reterr, -E2BIG, "more samples than the limit of %d allows",
                NET_PROM_SAMPLES_MAX);
    }
    struct net_prom_sample *samples = ARENA_ARRAY(r->a, struct net_prom_sample, count + 1);
    s->samples = samples;
    s->sample_count = (uint32_t)count;
    if (is_one)
        return read_sample(r, values, &samples[0]);
    size_t index, max;
    yyjson_val *v;
    yyjson_arr_foreach(values, index, max, v)
    {
        int code = read_sample(r, v, &samples[index]);
        if (code < 0)
            return code;
        if (index > 0 && samples[index].wall_ns <= samples[index - 1].wall_ns)
            return err_set(r->reterr, -EINVAL, "the samples of a series are not in order");
    }
    return 0;
}

static int read_vector(struct reader *r, yyjson_val *result, bool is_matrix, struct net_prom *ret)
{
    size_t count = yyjson_arr_size(result);
    if (!yyjson_is_arr(result))
        return err_set(r->reterr, -EINVAL, "the result is no list");
    if (count > NET_PROM_SERIES_MAX ||
            !arena_fits(r->a, count + 1, sizeof(struct net_prom_series))) {
        return err_set(
                r->reterr, -E2BIG, "%zu series; the limit is %d", count, NET_PROM_SERIES_MAX);
    }
    struct net_prom_series *series = ARENA_ARRAY(r->a, struct net_prom_series, count + 1);
    size_t index, max;
    yyjson_val *v;
    yyjson_arr_foreach(result, index, max, v)
    {
        int code = read_labels(r, yyjson_obj_get(v, "metric"), &series[index]);
        if (code == 0) {
            code = read_samples(r, yyjson_obj_get(v, is_matrix ? "values" : "value"), !is_matrix,
                    &series[index]);
        }
        if (code < 0)
            return code;
    }
    ret->series = series;
    ret->count = (uint32_t)count;
    return 0;
}

static int read_scalar(struct reader *r, yyjson_val *result, struct net_prom *ret)
{
    struct net_prom_series *series = ARENA_NEW(r->a, struct net_prom_series);
    int code = read_samples(r, result, true, series);
    ret->series = series;
    ret->count = 1;
    return code;
}

/* VictoriaMetrics has a word of its own for what others warn of. */
static void read_warnings(const struct reader *r, yyjson_val *root, struct net_prom *ret)
{
    yyjson_val *list = yyjson_obj_get(root, "warnings");
    size_t count = yyjson_arr_size(list);
    if (count > NET_PROM_LABELS_MAX)
        count = NET_PROM_LABELS_MAX;
    struct str *texts = ARENA_ARRAY(r->a, struct str, count + 2);
    for (size_t i = 0; i < count; i++)
        texts[i] = text_of(yyjson_arr_get(list, i));
    if (yyjson_is_true(yyjson_obj_get(root, "isPartial")))
        texts[count++] = STR_LIT("the result is partial");
    ret->warnings = texts;
    ret->warning_count = (uint32_t)count;
}

/* Whether the server means that it was asked for too much.  Its types: "timeout"; "execution" for
 * too many samples, which plain selectors are refused for and nothing else; "bad_data" for too many
 * points.  SOURCE: prometheus/prometheus web/api/v1/api.go, promql/engine.go; VictoriaMetrics has
 * "422" as a type. */
static bool is_too_much(struct str type, struct str text)
{
    if (str_eq_c(type, "timeout") || str_eq_c(type, "execution") || str_eq_c(type, "422"))
        return true;
    return str_starts(text, STR_LIT("exceeded maximum resolution"));
}

static int read_error(const struct reader *r, yyjson_val *root)
{
    struct str type = text_of(yyjson_obj_get(root, "errorType"));
    struct str text = text_of(yyjson_obj_get(root, "error"));
    return err_set(r->reterr, is_too_much(type, text) ? -EMSGSIZE : -EREMOTEIO,
            "Prometheus answered %.*s: %.*s", STR_ARG_SHORT(type),
            (int)(text.len < SHOWN_MAX ? text.len : SHOWN_MAX), text.len == 0 ? "" : text.ptr);
}

static int read_answer(struct reader *r, yyjson_val *root, struct net_prom *ret)
{
    yyjson_val *status = yyjson_obj_get(root, "status");
    if (yyjson_equals_str(status, "error"))
        return read_error(r, root);
    if (!yyjson_equals_str(status, "success"))
        return err_set(r->reterr, -EINVAL, "no answer of Prometheus' query API");
    read_warnings(r, root, ret);
    yyjson_val *data = yyjson_obj_get(root, "data");
    yyjson_val *type = yyjson_obj_get(data, "resultType");
    yyjson_val *result = yyjson_obj_get(data, "result");
    if (yyjson_equals_str(type, "vector"))
        return read_vector(r, result, false, ret);
    if (yyjson_equals_str(type, "matrix"))
        return read_vector(r, result, true, ret);
    if (yyjson_equals_str(type, "scalar"))
        return read_scalar(r, result, ret);
    struct str shown = text_of(type);
    return err_set(r->reterr, -EINVAL, "result type '%.*s'; expected vector, matrix or scalar",
            STR_ARG_SHORT(shown));
}

static void *arena_take(void *ctx, size_t size)
{
    return arena_fits(ctx, size, 1) ? arena_alloc(ctx, size, 1) : NULL;
}

static void *arena_move(void *ctx, void *ptr, size_t old_size, size_t size)
{
    void *moved = arena_take(ctx, size);
    if (moved != NULL)
        memcpy(moved, ptr, old_size < size ? old_size : size);
    return moved;
}

static void arena_keep(void *ctx, void *ptr)
{
    (void)ctx;
    (void)ptr;
}

int net_prom_parse(
        struct arena *a, struct str text, struct net_prom *ret_result, struct err *reterr)
{
    if (text.len > NET_PROM_BYTES_MAX) {
        return err_set(reterr, -E2BIG, "an answer of %zu bytes; the limit is %d", text.len,
                NET_PROM_BYTES_MAX);
    }
    yyjson_alc alc = {.malloc = arena_take, .realloc = arena_move, .free = arena_keep, .ctx = a};
    yyjson_read_err fault;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, 0, &alc, &fault);
    if (doc == NULL) {
        int code = fault.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? -E2BIG : -EINVAL;
        return err_set_at(reterr, code, (uint32_t)fault.pos, "not JSON at byte %zu: %s", fault.pos,
                fault.msg);
    }
    struct reader r = {.a = a, .reterr = reterr};
    struct net_prom result = {0};
    int code = read_answer(&r, yyjson_doc_get_root(doc), &result);
    if (code < 0)
        return code;
    *ret_result = result;
    return 0;
}

struct str net_prom_label_get(const struct net_prom_series *s, const char *name)
{
    for (uint32_t i = 0; i < s->label_count; i++) {
        if (str_eq_c(s->labels[i].name, name))
            return s->labels[i].value;
    }
    return (struct str){0};
}
