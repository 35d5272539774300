/* nvidia/dcgm.c - reading a scrape of dcgm-exporter.  Pure.
 *
 * Prometheus text format 0.0.4: NAME{LABEL="VALUE",...} NUMBER [TIMESTAMP], comments, blank lines.
 * Numbers never become floating point: a decimal is kept as mantissa and exponent. */
#include "nvidia/dcgm.h"

#include "base/buf.h"
#include "base/map.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum {
    GPU_INDEX_MAX = 1023,
    GI_ID_MAX = 255,
    MEMORY_MIB_MAX = 1 << 24, /* DCGM's blank values are far above */
    XID_MAX = 100000,
    KEY_BYTES_MAX = 4 * NVIDIA_DCGM_LINE_MAX,
};

struct metric {
    const char *name;
    unsigned scale_digits; /* a reading of 1 becomes 10^this: 3 = ratio, 1 = percent, 0 = as is */
    uint32_t max;          /* of the scaled value; above is not a reading */
};

static const struct metric metrics[NVIDIA_DCGM_METRIC_COUNT] = {
        [NVIDIA_DCGM_GPU_UTIL] = {"DCGM_FI_DEV_GPU_UTIL", 1, 1000},
        [NVIDIA_DCGM_GR_ENGINE_ACTIVE] = {"DCGM_FI_PROF_GR_ENGINE_ACTIVE", 3, 1000},
        [NVIDIA_DCGM_SM_ACTIVE] = {"DCGM_FI_PROF_SM_ACTIVE", 3, 1000},
        [NVIDIA_DCGM_SM_OCCUPANCY] = {"DCGM_FI_PROF_SM_OCCUPANCY", 3, 1000},
        [NVIDIA_DCGM_TENSOR_ACTIVE] = {"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 3, 1000},
        [NVIDIA_DCGM_DRAM_ACTIVE] = {"DCGM_FI_PROF_DRAM_ACTIVE", 3, 1000},
        [NVIDIA_DCGM_FB_USED] = {"DCGM_FI_DEV_FB_USED", 0, MEMORY_MIB_MAX},
        [NVIDIA_DCGM_FB_FREE] = {"DCGM_FI_DEV_FB_FREE", 0, MEMORY_MIB_MAX},
        [NVIDIA_DCGM_FB_RESERVED] = {"DCGM_FI_DEV_FB_RESERVED", 0, MEMORY_MIB_MAX},
        [NVIDIA_DCGM_XID] = {"DCGM_FI_DEV_XID_ERRORS", 0, XID_MAX},
};

/* The labels that we read; `rank` orders spellings of one meaning, a higher one wins: Prometheus
 * moves the exporter's labels to exported_*, and puts its own target's in their place. */
enum field {
    FIELD_GPU,
    FIELD_UUID,
    FIELD_MODEL,
    FIELD_HOST,
    FIELD_GI_PROFILE,
    FIELD_GI_ID,
    FIELD_NAMESPACE,
    FIELD_POD,
    FIELD_CONTAINER,
    FIELD_POD_UID,
    FIELD_VGPU,
    FIELD_COUNT
};
static const struct {
    const char *name;
    enum field field;
    unsigned rank;
} label_names[] = {
        {"gpu", FIELD_GPU, 1},
        {"UUID", FIELD_UUID, 1},
        {"modelName", FIELD_MODEL, 1},
        {"hostname", FIELD_HOST, 2},
        {"Hostname", FIELD_HOST, 1},
        {"GPU_I_PROFILE", FIELD_GI_PROFILE, 1},
        {"GPU_I_ID", FIELD_GI_ID, 1},
        {"exported_namespace", FIELD_NAMESPACE, 3},
        {"namespace", FIELD_NAMESPACE, 2},
        {"pod_namespace", FIELD_NAMESPACE, 1},
        {"exported_pod", FIELD_POD, 3},
        {"pod", FIELD_POD, 2},
        {"pod_name", FIELD_POD, 1},
        {"exported_container", FIELD_CONTAINER, 3},
        {"container", FIELD_CONTAINER, 2},
        {"container_name", FIELD_CONTAINER, 1},
        {"pod_uid", FIELD_POD_UID, 1},
        {"vgpu", FIELD_VGPU, 1},
};
enum { LABEL_NAMES = sizeof label_names / sizeof label_names[0] };

struct reader {
    struct arena *arena;
    uint32_t line;
    struct map_str keys;
    struct nvidia_dcgm_row *rows; /* on the heap until all are known */
    unsigned *seen;               /* row -> metrics that had a line, valid or not */
    uint32_t count, cap;
    uint32_t ignored;
    struct buf key;
};

/* One line, taken apart. */
struct sample {
    struct str name;
    struct str fields[FIELD_COUNT];
    struct str value;
    int64_t timestamp_ms;
};

const char *nvidia_dcgm_metric_name(enum nvidia_dcgm_metric m)
{
    assert(m < NVIDIA_DCGM_METRIC_COUNT);
    return metrics[m].name;
}

static bool is_name_char(char c, bool first)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
    return letter || (!first && c >= '0' && c <= '9');
}

static struct str skip(struct str s, size_t n)
{
    return (struct str){s.ptr + n, s.len - n};
}

static struct str skip_blanks(struct str s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = skip(s, 1);
    return s;
}

/* Takes a metric or label name off the front; empty when there is none. */
static struct str name_take(struct str *s)
{
    size_t n = 0;
    while (n < s->len && is_name_char(s->ptr[n], n == 0))
        n++;
    struct str name = {s->ptr, n};
    *s = skip(*s, n);
    return name;
}

/* Takes a quoted label value; the text between the quotes, escapes as they are. */
static bool quoted_take(struct str *s, struct str *ret_raw)
{
    if (s->len == 0 || s->ptr[0] != '"')
        return false;
    size_t n = 1;
    while (n < s->len && s->ptr[n] != '"') {
        if (s->ptr[n] == '\\' && (n + 1 == s->len || !strchr("\\\"n", s->ptr[n + 1])))
            return false;
        n += s->ptr[n] == '\\' ? 2 : 1;
    }
    if (n >= s->len)
        return false;
    *ret_raw = (struct str){s->ptr + 1, n - 1};
    *s = skip(*s, n + 1);
    return true;
}

/* The label's value without escapes, a view into the line or into the arena. */
static struct str unescape(struct reader *r, struct str raw)
{
    if (raw.len == 0 || !memchr(raw.ptr, '\\', raw.len))
        return raw;
    char *text = arena_alloc(r->arena, raw.len, 1);
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '\\')
            c = raw.ptr[++i] == 'n' ? '\n' : raw.ptr[i];
        text[len++] = c;
    }
    return (struct str){text, len};
}

/* Takes "{...}" off the front of `s`. */
static int labels_take(struct reader *r, struct str *s, struct sample *sample, struct err *reterr)
{
    struct str names[NVIDIA_DCGM_LABELS_MAX];
    unsigned ranks[FIELD_COUNT] = {0};
    unsigned count = 0;
    *s = skip_blanks(skip(*s, 1));
    while (s->len > 0 && s->ptr[0] != '}') {
        struct str raw = {0};
        if (count == NVIDIA_DCGM_LABELS_MAX) {
            return err_set(reterr, -E2BIG, "line %u: more than %d labels", r->line,
                    NVIDIA_DCGM_LABELS_MAX);
        }
        struct str name = name_take(s);
        *s = skip_blanks(*s);
        if (name.len == 0 || s->len == 0 || s->ptr[0] != '=')
            return err_set(reterr, -EINVAL, "line %u: expected a label, NAME=\"VALUE\"", r->line);
        *s = skip_blanks(skip(*s, 1));
        if (!quoted_take(s, &raw)) {
            return err_set(reterr, -EINVAL, "line %u: label %.*s: expected a quoted value", r->line,
                    STR_ARG_SHORT(name));
        }
        for (unsigned i = 0; i < count; i++) {
            if (str_eq(names[i], name)) {
                return err_set(reterr, -EINVAL, "line %u: label %.*s is there twice", r->line,
                        STR_ARG_SHORT(name));
            }
        }
        names[count++] = name;
        for (unsigned i = 0; i < LABEL_NAMES; i++) {
            enum field f = label_names[i].field;
            if (str_eq_c(name, label_names[i].name) && label_names[i].rank > ranks[f]) {
                ranks[f] = label_names[i].rank;
                sample->fields[f] = raw;
            }
        }
        *s = skip_blanks(*s);
        if (s->len > 0 && s->ptr[0] == ',') {
            *s = skip_blanks(skip(*s, 1));
        } else if (s->len > 0 && s->ptr[0] != '}') {
            return err_set(reterr, -EINVAL, "line %u: expected ',' or '}' after label %.*s",
                    r->line, STR_ARG_SHORT(name));
        }
    }
    if (s->len == 0)
        return err_set(reterr, -EINVAL, "line %u: labels without '}'", r->line);
    *s = skip(*s, 1);
    return 0;
}

static int sample_parse(
        struct reader *r, struct str line, struct sample *ret_sample, struct err *reterr)
{
    *ret_sample = (struct sample){0};
    struct str s = line;
    ret_sample->name = name_take(&s);
    if (ret_sample->name.len == 0)
        return err_set(reterr, -EINVAL, "line %u: expected a metric name", r->line);
    s = skip_blanks(s);
    if (s.len > 0 && s.ptr[0] == '{') {
        int rc = labels_take(r, &s, ret_sample, reterr);
        if (rc < 0)
            return rc;
    }
    s = skip_blanks(s);
    size_t n = 0;
    while (n < s.len && s.ptr[n] != ' ' && s.ptr[n] != '\t')
        n++;
    ret_sample->value = (struct str){s.ptr, n};
    s = str_trim(skip(s, n));
    if (n == 0) {
        return err_set(reterr, -EINVAL, "line %u: %.*s: expected a value", r->line,
                STR_ARG_SHORT(ret_sample->name));
    }
    if (s.len > 0 && str_to_i64(s, 0, INT64_MAX, &ret_sample->timestamp_ms) < 0) {
        return err_set(reterr, -EINVAL, "line %u: '%.*s': expected a timestamp in milliseconds",
                r->line, STR_ARG_SHORT(s));
    }
    return 0;
}

/* A decimal: mantissa * 10^exponent. */
struct decimal {
    bool negative, special; /* special: NaN or an infinity */
    uint64_t mantissa;
    int32_t exponent;
};

/* Reads [+-]digits[.digits][e[+-]digits], NaN, [+-]Inf; digits past the 18th only move the
 * exponent. */
static bool decimal_parse(struct str s, struct decimal *ret_decimal)
{
    struct decimal d = {0};
    bool any = false;
    bool point = false;
    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
        d.negative = s.ptr[0] == '-';
        s = skip(s, 1);
    }
    if (str_eq_c(s, "NaN") || str_eq_c(s, "Inf")) {
        *ret_decimal = (struct decimal){.special = true};
        return true;
    }
    while (s.len > 0 && ((s.ptr[0] >= '0' && s.ptr[0] <= '9') || (s.ptr[0] == '.' && !point))) {
        bool room = d.mantissa < UINT64_C(100000000000000000);
        if (s.ptr[0] == '.') {
            point = true;
        } else {
            if (room)
                d.mantissa = 10 * d.mantissa + (uint64_t)(s.ptr[0] - '0');
            d.exponent += (room ? 0 : 1) - (point ? 1 : 0);
            any = true;
        }
        s = skip(s, 1);
    }
    if (any && s.len > 1 && (s.ptr[0] == 'e' || s.ptr[0] == 'E')) {
        int64_t exponent = 0;
        s = skip(s, s.ptr[1] == '+' ? 2 : 1);
        if (str_to_i64(s, -1000, 1000, &exponent) < 0)
            return false;
        d.exponent += (int32_t)exponent;
        s = skip(s, s.len);
    }
    *ret_decimal = d;
    return any && s.len == 0;
}

/* d * 10^digits rounded half up; false when it is no reading within [0, max]. */
static bool decimal_scale(struct decimal d, unsigned digits, uint32_t max, uint32_t *ret_value)
{
    if (d.special || (d.negative && d.mantissa != 0))
        return false;
    uint64_t value = d.mantissa;
    int32_t exponent = d.exponent + (int32_t)digits;
    for (; exponent > 0 && value != 0; exponent--) {
        if (value > max)
            return false;
        value *= 10;
    }
    for (; exponent < -1 && value != 0; exponent++)
        value /= 10;
    if (exponent == -1)
        value = (value + 5) / 10;
    if (value > max)
        return false;
    *ret_value = (uint32_t)value;
    return true;
}

static int metric_find(struct str name)
{
    for (int i = 0; i < NVIDIA_DCGM_METRIC_COUNT; i++) {
        if (str_eq_c(name, metrics[i].name))
            return i;
    }
    return -1;
}

/* Fills in who the line is about. */
static int row_fill(struct reader *r, const struct sample *s, struct nvidia_dcgm_row *ret_row,
        struct err *reterr)
{
    uint64_t number = 0;
    struct nvidia_dcgm_row row = {.gi_id = NVIDIA_DCGM_NO_INSTANCE};
    if (str_to_u64(s->fields[FIELD_GPU], 0, GPU_INDEX_MAX, &number) < 0) {
        return err_set(reterr, -EINVAL, "line %u: label gpu: '%.*s': expected an index, 0 to %d",
                r->line, STR_ARG_SHORT(s->fields[FIELD_GPU]), GPU_INDEX_MAX);
    }
    row.gpu = (uint32_t)number;
    if (s->fields[FIELD_UUID].len == 0)
        return err_set(reterr, -EINVAL, "line %u: label UUID: expected one", r->line);
    if (s->fields[FIELD_GI_ID].len > 0) {
        if (str_to_u64(s->fields[FIELD_GI_ID], 0, GI_ID_MAX, &number) < 0) {
            return err_set(reterr, -EINVAL,
                    "line %u: label GPU_I_ID: '%.*s': expected a number, 0 to %d", r->line,
                    STR_ARG_SHORT(s->fields[FIELD_GI_ID]), GI_ID_MAX);
        }
        row.gi_id = (uint32_t)number;
    }
    row.uuid = arena_str(r->arena, s->fields[FIELD_UUID]);
    row.model = arena_str(r->arena, s->fields[FIELD_MODEL]);
    row.host = arena_str(r->arena, s->fields[FIELD_HOST]);
    row.gi_profile = arena_str(r->arena, s->fields[FIELD_GI_PROFILE]);
    row.pod_namespace = arena_str(r->arena, s->fields[FIELD_NAMESPACE]);
    row.pod = arena_str(r->arena, s->fields[FIELD_POD]);
    row.container = arena_str(r->arena, s->fields[FIELD_CONTAINER]);
    row.pod_uid = arena_str(r->arena, s->fields[FIELD_POD_UID]);
    row.vgpu = arena_str(r->arena, s->fields[FIELD_VGPU]);
    *ret_row = row;
    return 0;
}

/* The row of a line, made at its first. */
static int row_get(
        struct reader *r, const struct sample *s, uint32_t *ret_index, struct err *reterr)
{
    static const enum field parts[] = {FIELD_GPU, FIELD_UUID, FIELD_GI_ID, FIELD_NAMESPACE,
            FIELD_POD, FIELD_CONTAINER, FIELD_POD_UID, FIELD_VGPU, FIELD_HOST};
    buf_reset(&r->key);
    for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        buf_printf(&r->key, "%zu:", s->fields[parts[i]].len);
        buf_put(&r->key, s->fields[parts[i]]);
    }
    assert(!r->key.overflow);
    uint32_t at = map_str_find(&r->keys, buf_str(&r->key));
    if (at != MAP_NONE) {
        *ret_index = at;
        return 0;
    }
    if (r->count == NVIDIA_DCGM_ROWS_MAX) {
        return err_set(reterr, -E2BIG, "line %u: more than %d GPUs and pods", r->line,
                NVIDIA_DCGM_ROWS_MAX);
    }
    if (r->count == r->cap) {
        r->cap = r->cap > 0 ? 2 * r->cap : 64;
        r->rows = mem_grow(r->rows, r->cap, sizeof *r->rows);
        r->seen = mem_grow(r->seen, r->cap, sizeof *r->seen);
    }
    int rc = row_fill(r, s, &r->rows[r->count], reterr);
    if (rc < 0)
        return rc;
    r->seen[r->count] = 0;
    (void)map_str_set(&r->keys, buf_str(&r->key), r->count);
    *ret_index = r->count++;
    return 0;
}

static int line_read(struct reader *r, struct str line, struct err *reterr)
{
    struct sample s;
    struct decimal d;
    uint32_t at = 0;
    uint32_t value = 0;
    int rc = sample_parse(r, line, &s, reterr);
    if (rc < 0)
        return rc;
    if (!decimal_parse(s.value, &d)) {
        return err_set(reterr, -EINVAL, "line %u: %.*s: '%.*s': expected a number", r->line,
                STR_ARG_SHORT(s.name), STR_ARG_SHORT(s.value));
    }
    int metric = metric_find(s.name);
    if (metric < 0) {
        r->ignored++;
        return 0;
    }
    /* Unescaped and copied text is at most the line, each twice, and an allocation a field. */
    if (!arena_fits(r->arena, 1, 2 * line.len + (2 * FIELD_COUNT) * (size_t)64))
        return err_set(reterr, -E2BIG, "line %u: scrape too large", r->line);
    for (unsigned f = 0; f < FIELD_COUNT; f++)
        s.fields[f] = unescape(r, s.fields[f]);
    rc = row_get(r, &s, &at, reterr);
    if (rc < 0)
        return rc;
    struct nvidia_dcgm_row *row = &r->rows[at];
    if (r->seen[at] >> metric & 1) {
        return err_set(reterr, -EINVAL, "line %u: %.*s of this GPU and pod is there twice", r->line,
                STR_ARG_SHORT(s.name));
    }
    r->seen[at] |= 1u << metric;
    if (decimal_scale(d, metrics[metric].scale_digits, metrics[metric].max, &value)) {
        row->value[metric] = value;
        row->valid |= 1u << metric;
    }
    if (s.timestamp_ms > row->timestamp_ms)
        row->timestamp_ms = s.timestamp_ms;
    return 0;
}

static int lines_read(struct reader *r, struct str text, struct err *reterr)
{
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct str line = {text.ptr, end ? (size_t)(end - text.ptr) : text.len};
        text = skip(text, line.len + (end ? 1 : 0));
        r->line++;
        if (line.len > NVIDIA_DCGM_LINE_MAX)
            return err_set(reterr, -E2BIG, "line %u: over %d bytes", r->line, NVIDIA_DCGM_LINE_MAX);
        if (str_utf8_prefix(line) != line.len || (line.len > 0 && memchr(line.ptr, 0, line.len)))
            return err_set(reterr, -EINVAL, "line %u: not UTF-8 text", r->line);
        line = str_trim(line);
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        int rc = line_read(r, line, reterr);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int nvidia_dcgm_parse(
        struct arena *a, struct str text, struct nvidia_dcgm *ret_scrape, struct err *reterr)
{
    if (text.len > NVIDIA_DCGM_TEXT_MAX)
        return err_set(reterr, -E2BIG, "scrape: over %d bytes", NVIDIA_DCGM_TEXT_MAX);
    struct reader r = {.arena = a, .key = BUF_INIT(KEY_BYTES_MAX)};
    int rc = lines_read(&r, text, reterr);
    if (rc == 0 && !arena_fits(a, r.count, sizeof *r.rows))
        rc = err_set(reterr, -E2BIG, "scrape: too large");
    if (rc == 0) {
        struct nvidia_dcgm_row *rows = NULL;
        if (r.count > 0) {
            rows = ARENA_ARRAY(a, struct nvidia_dcgm_row, r.count);
            memcpy(rows, r.rows, r.count * sizeof *rows);
        }
        *ret_scrape =
                (struct nvidia_dcgm){.count = r.count, .rows = rows, .ignored_lines = r.ignored};
    }
    map_str_clear(&r.keys);
    buf_clear(&r.key);
    mem_free(r.rows);
    mem_free(r.seen);
    return rc;
}
