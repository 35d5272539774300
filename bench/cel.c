/* Times every selector of bench/cel_expressions.txt: compiling (parse, check, plan, estimate) and
 * evaluating on the device of its first line; with celoracle's output as argument, prints ratios.
 *
 * Usage: cel EXPRESSIONS [UPSTREAM]     UPSTREAM: what celoracle -bench < EXPRESSIONS wrote
 * Ends with 1 when a cost differs from upstream's or a ratio is below 20. */
#include "base/doc.h"
#include "base/json.h"
#include "dra/device.h"
#include "dra/store.h"
#include "os/clock.h"
#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 5, FILE_MAX = 1 << 20, RATIO_WANTED = 20 };
#define RUN_NS INT64_C(40000000)

struct bench {
    struct dra_store *store;
    const struct dra_device *device;
    uint32_t driver;
    struct str upstream;
    double least_compile, least_evaluate;
    bool differs;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* What is timed: one compilation with its estimate, or one evaluation. */
struct work {
    const struct bench *bench;
    struct str expr;
    const struct cel_program *program;
    struct arena *arena;
    uint64_t cost, estimate;
};

static void compile(struct work *w)
{
    struct err e = {0};
    arena_reset(w->arena);
    const struct cel_program *p = NULL;
    if (dra_selector_compile(w->expr, w->arena, &p, &e) != 0) {
        (void)fprintf(stderr, "cel: %.*s: %s\n", STR_ARG(w->expr), e.text);
        exit(2);
    }
    w->estimate = cel_program_estimate(p, w->arena).max;
}

static void evaluate(struct work *w)
{
    struct dra_device_view view;
    bool match = false;
    struct err e = {0};
    arena_reset(w->arena);
    dra_device_view_init(
            &view, &w->bench->store->names, w->bench->device, w->bench->driver, w->arena);
    if (dra_selector_eval(w->program, &view, &match, &w->cost, &e) != 0) {
        (void)fprintf(stderr, "cel: %.*s: %s\n", STR_ARG(w->expr), e.text);
        exit(2);
    }
}

/* The median of RUNS, in nanoseconds a call. */
static double median(struct work *w, void (*run)(struct work *w))
{
    double times[RUNS];
    for (int i = 0; i < RUNS; i++) {
        int64_t start = os_clock_mono_ns();
        int64_t count = 0;
        int64_t now = start;
        while (now - start < RUN_NS) {
            for (int j = 0; j < 50; j++)
                run(w);
            count += 50;
            now = os_clock_mono_ns();
        }
        times[i] = (double)(now - start) / (double)count;
    }
    qsort(times, RUNS, sizeof times[0], by_value);
    return times[RUNS / 2];
}

/* Upstream's line for an expression, or NULL. */
static const struct doc *upstream_of(const struct bench *b, struct str expr, struct arena *a)
{
    struct str rest = b->upstream;
    struct str line = {0};
    while (str_split(&rest, '\n', &line)) {
        const struct doc *d = NULL;
        struct err e = {0};
        if (line.len == 0 || doc_parse_json(a, line, line.len + 1, &d, &e) != 0)
            continue;
        const struct doc *text = doc_get(d, "expr");
        if (text != NULL && str_eq(text->text, expr))
            return d;
    }
    return NULL;
}

static double number_of(const struct doc *d, const char *key)
{
    const struct doc *v = doc_get(d, key);
    return v == NULL ? 0 : strtod(v->text.ptr, NULL);
}

static void bench_expr(struct bench *b, struct str expr)
{
    struct arena *programs = arena_new(0);
    struct work w = {.bench = b, .expr = expr, .arena = arena_new(0)};
    struct err e = {0};
    double compile_ns = median(&w, compile);
    if (dra_selector_compile(expr, programs, &w.program, &e) != 0)
        exit(2);
    double evaluate_ns = median(&w, evaluate);
    (void)printf("{\"expr\":\"");
    struct buf text = BUF_INIT(FILE_MAX);
    json_escape(&text, expr);
    (void)printf("%.*s\",\"compile_ns\":%.0f,\"evaluate_ns\":%.1f", STR_ARG(buf_str(&text)),
            compile_ns, evaluate_ns);
    buf_clear(&text);
    const struct doc *theirs = upstream_of(b, expr, programs);
    if (theirs != NULL) {
        double compile_ratio = number_of(theirs, "compile_ns") / compile_ns;
        double evaluate_ratio = number_of(theirs, "evaluate_ns") / evaluate_ns;
        (void)printf(
                ",\"compile_ratio\":%.1f,\"evaluate_ratio\":%.1f", compile_ratio, evaluate_ratio);
        if (compile_ratio < b->least_compile)
            b->least_compile = compile_ratio;
        if (evaluate_ratio < b->least_evaluate)
            b->least_evaluate = evaluate_ratio;
        b->differs = b->differs || number_of(theirs, "cost") != (double)w.cost ||
                     number_of(theirs, "estimate") != (double)w.estimate;
    }
    (void)printf(",\"cost\":%llu,\"estimate\":%llu}\n", (unsigned long long)w.cost,
            (unsigned long long)w.estimate);
    arena_free(w.arena);
    arena_free(programs);
}

static struct str read_file(struct arena *a, const char *path)
{
    struct err e = {0};
    struct buf content = {0};
    if (os_file_read(path, FILE_MAX, &content, &e) != 0) {
        (void)fprintf(stderr, "cel: %s\n", e.text);
        exit(2);
    }
    struct str text = arena_str(a, buf_str(&content));
    buf_clear(&content);
    return text;
}

int main(int argc, char **argv)
{
    struct bench b = {.least_compile = 1e9, .least_evaluate = 1e9};
    struct arena *a = arena_new(0);
    struct err e = {0};
    const struct doc *device = NULL;
    struct str line = {0};
    if (argc < 2) {
        (void)fprintf(stderr, "usage: cel EXPRESSIONS [UPSTREAM]\n");
        return 2;
    }
    struct str rest = read_file(a, argv[1]);
    if (argc > 2)
        b.upstream = read_file(a, argv[2]);
    b.store = dra_store_new(0);
    if (!str_split(&rest, '\n', &line) || doc_parse_json(a, line, line.len + 1, &device, &e) ||
            dra_store_device(b.store, device, &b.device, &b.driver, &e)) {
        (void)fprintf(stderr, "cel: the first line is no device: %s\n", e.text);
        return 2;
    }
    while (str_split(&rest, '\n', &line)) {
        if (line.len > 0 && line.ptr[0] != '#')
            bench_expr(&b, line);
    }
    if (b.upstream.len > 0) {
        (void)printf("{\"least_compile_ratio\":%.1f,\"least_evaluate_ratio\":%.1f,"
                     "\"costs_equal\":%s}\n",
                b.least_compile, b.least_evaluate, b.differs ? "false" : "true");
    }
    (void)dra_store_free(b.store);
    arena_free(a);
    bool slow = b.least_compile < RATIO_WANTED || b.least_evaluate < RATIO_WANTED;
    return b.differs || (b.upstream.len > 0 && slow) ? 1 : 0;
}
