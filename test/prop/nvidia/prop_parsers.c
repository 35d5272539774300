/* NVIDIA's own parsers against ours: on generated configs both must take or refuse the same, read
 * the same from what they take, and what is refused must be named by its key.
 *
 * test/diff/nvidia answers for them; without Go these tests are skipped.  SLICEWRIGHT_CASES=10000
 * runs longer, SLICEWRIGHT_SEED runs one case again. */
#include "test.h"

#include "configs.h"
#include "nvidia/mig_parted.h"
#include "nvidia/plugin_config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONFIG_BYTES_MAX = 1 << 16, ANSWER_BYTES_MAX = 1 << 16, CASES = 2000 };

/* NVIDIA's side: a process that answers line by line. */
static FILE *ask, *answer;

/* How many of each class were taken and refused. */
static struct tally {
    unsigned taken, refused;
} tallies[2][GEN_CLASS_COUNT];

static void oracle_start(const char *path)
{
    int to[2];
    int from[2];
    if (pipe(to) != 0 || pipe(from) != 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(to[0], 0);
        (void)dup2(from[1], 1);
        (void)close(to[1]);
        (void)close(from[0]);
        (void)execl(path, path, (char *)NULL);
        _exit(127);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    ask = fdopen(to[1], "w");
    answer = fdopen(from[0], "r");
    if (pid < 0 || !ask || !answer)
        abort();
}

/* The path that the build script prints, or the end of the program with 77 and the reason. */
static char *oracle_path(void)
{
    char *script = test_root_path("test/diff/nvidia/build");
    struct buf command = BUF_INIT(4096);
    static char line[4096];
    buf_printf(&command, "%s oracle 2>&1", script);
    FILE *out = popen(command.ptr, "r");
    size_t len = out ? fread(line, 1, sizeof line - 1, out) : 0;
    int status = out ? pclose(out) : -1;
    line[len] = '\0';
    line[strcspn(line, "\n")] = '\0';
    buf_clear(&command);
    free(script);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        (void)printf("1..0 # SKIP NVIDIA's parsers: %s\n", line);
        exit(77);
    }
    return line;
}

/* NVIDIA's verdict on a config: true when it is taken; *ret_read what was read, or why not. */
static bool oracle_ask(bool parted, struct str text, char *ret_read)
{
    (void)fprintf(ask, "%s %zu\n", parted ? "mig-parted" : "device-plugin", text.len);
    (void)fwrite(text.ptr, 1, text.len, ask);
    (void)fflush(ask);
    char line[ANSWER_BYTES_MAX];
    if (!fgets(line, sizeof line, answer))
        fail_msg("the oracle has ended");
    line[strcspn(line, "\n")] = '\0';
    bool taken = strncmp(line, "ok", 2) == 0;
    (void)snprintf(ret_read, ANSWER_BYTES_MAX, "%s", line + (strlen(line) >= 3 ? 3 : 2));
    return taken;
}

/* -- our side -------------------------------------------------------------------------------- */

static void sharing_put(const char *name, const struct nvidia_sharing *s, struct buf *out)
{
    if (s->count == 0)
        return;
    buf_printf(out, " %s rename=%d fail=%d", name, s->rename_by_default,
            s->fail_requests_greater_than_one);
    for (uint32_t i = 0; i < s->count; i++) {
        buf_printf(out, " %.*s=%u", STR_ARG(s->resources[i].name), s->resources[i].replicas);
    }
}

static void plugin_put(const struct nvidia_plugin_config *c, struct buf *out)
{
    buf_puts(out, nvidia_mig_strategy_name(c->mig_strategy));
    sharing_put("timeSlicing", &c->time_slicing, out);
    sharing_put("mps", &c->mps, out);
}

static int compare_configs(const void *left, const void *right)
{
    const struct nvidia_mig_config *a = left;
    const struct nvidia_mig_config *b = right;
    return str_cmp(a->name, b->name);
}

static int compare_counts(const void *left, const void *right)
{
    const struct nvidia_mig_count *a = left;
    const struct nvidia_mig_count *b = right;
    return strcmp(a->profile, b->profile);
}

static void entry_put(const struct nvidia_mig_entry *entry, struct buf *out)
{
    struct nvidia_mig_entry e = *entry;
    buf_puts(out, " {devices=");
    if (e.all_devices) {
        buf_puts(out, "all");
    } else {
        for (unsigned i = 0; i < 64; i++)
            buf_putc(out, e.devices >> i & 1 ? '1' : '0');
    }
    buf_printf(out, " enabled=%d", e.mig_enabled);
    qsort(e.profiles, e.profile_count, sizeof e.profiles[0], compare_counts);
    for (uint32_t i = 0; i < e.profile_count; i++)
        buf_printf(out, " %s=%u", e.profiles[i].profile, e.profiles[i].count);
    for (uint32_t i = 0; i < e.filter_count; i++)
        buf_printf(out, " filter=%.*s", STR_ARG(e.filters[i]));
    buf_puts(out, "}");
}

static void parted_put(struct arena *a, const struct nvidia_mig_parted *file, struct buf *out)
{
    struct nvidia_mig_config *configs = ARENA_ARRAY(a, struct nvidia_mig_config, file->count);
    if (file->count > 0) {
        memcpy(configs, file->configs, file->count * sizeof *configs);
        qsort(configs, file->count, sizeof *configs, compare_configs);
    }
    for (uint32_t i = 0; i < file->count; i++) {
        buf_printf(out, "%s%.*s:", i > 0 ? " " : "", STR_ARG(configs[i].name));
        for (uint32_t k = 0; k < configs[i].entry_count; k++)
            entry_put(&configs[i].entries[k], out);
    }
}

/* Our verdict; what was read is appended to `read`.  refused: the first that refuses, if any. */
static bool we_take(bool parted, struct str text, struct nvidia_lint *lint, struct buf *read)
{
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    static const struct doc nothing = {.kind = DOC_NULL};
    struct nvidia_plugin_config config;
    struct nvidia_mig_parted file;
    struct doc_go go = {0};
    struct err e = {0};
    *lint = (struct nvidia_lint){0};
    if (doc_go_parse(a, text, CONFIG_BYTES_MAX, &go, &e) < 0) {
        (void)nvidia_lint_add(lint, NULL, "yaml", "%s", e.text);
        return false;
    }
    const struct doc *root = go.count > 0 ? go.documents[0].root : &nothing;
    if (parted) {
        nvidia_mig_parted_read(a, root, &file, lint);
        parted_put(a, &file, read);
    } else {
        nvidia_plugin_config_read(a, root, &config, lint);
        plugin_put(&config, read);
    }
    return lint->refused == 0;
}

/* Blanks as the other side writes them: one between words. */
static void one_line(struct buf *text)
{
    size_t len = 0;
    for (size_t i = 0; i < text->len; i++) {
        bool blank = strchr(" \t\r\n\v\f", text->ptr[i]) != NULL && text->ptr[i] != '\0';
        if (blank && (len == 0 || text->ptr[len - 1] == ' '))
            continue;
        text->ptr[len++] = blank ? ' ' : text->ptr[i];
    }
    text->len = len > 0 && text->ptr[len - 1] == ' ' ? len - 1 : len;
}

/* Whether both sides say the same of a text. */
static bool agree(bool parted, struct str text, struct nvidia_lint *lint, struct buf *why)
{
    static char theirs[ANSWER_BYTES_MAX];
    struct buf ours = BUF_INIT(ANSWER_BYTES_MAX);
    bool they = oracle_ask(parted, text, theirs);
    bool we = we_take(parted, text, lint, &ours);
    bool same = they == we;
    one_line(&ours);
    buf_reset(why);
    if (!same) {
        buf_printf(why, "NVIDIA: %s: %s\nours: %s\n", they ? "taken" : "refused", theirs,
                we ? "taken" : "refused");
        nvidia_lint_format(lint, "config", why);
    } else if (they && lint->errors == 0 && !str_eq_c(buf_str(&ours), theirs)) {
        bool out_of_bounds = false; /* what ours does not hold is a finding, and not compared */
        for (uint32_t i = 0; i < lint->count; i++) {
            const char *rule = lint->findings[i].rule->name;
            out_of_bounds = out_of_bounds || strcmp(rule, "limit") == 0;
        }
        same = out_of_bounds;
        buf_printf(why, "NVIDIA read: %s\nours read:   %.*s\n", theirs, STR_ARG(buf_str(&ours)));
    }
    buf_clear(&ours);
    return same;
}

/* -- a case ---------------------------------------------------------------------------------- */

/* Takes lines, then single characters out of a text as long as the two sides differ on it. */
static void shrink(bool parted, struct buf *text)
{
    struct buf why = BUF_INIT(1 << 18);
    static struct nvidia_lint lint;
    bool lines = true;
    for (size_t at = 0; at < text->len;) {
        const char *end = lines ? memchr(text->ptr + at, '\n', text->len - at) : text->ptr + at;
        size_t len = end ? (size_t)(end - text->ptr) + 1 - at : text->len - at;
        struct buf shorter = BUF_INIT(CONFIG_BYTES_MAX);
        buf_put(&shorter, (struct str){text->ptr, at});
        buf_put(&shorter, (struct str){text->ptr + at + len, text->len - at - len});
        if (shorter.len > 0 && !agree(parted, buf_str(&shorter), &lint, &why)) {
            buf_clear(text);
            *text = shorter;
        } else {
            buf_clear(&shorter);
            at += len;
        }
        if (at >= text->len && lines) {
            lines = false;
            at = 0;
        }
    }
    (void)agree(parted, buf_str(text), &lint, &why);
    (void)fprintf(stderr, "%.*s\n%.*s", STR_ARG(buf_str(text)), STR_ARG(buf_str(&why)));
    buf_clear(&why);
}

/* Whether a refusal names the key that was changed, or stands at its line. */
static bool names_key(const struct gen *g, const struct nvidia_lint *lint)
{
    uint32_t line = g->changed_node >= 0 ? g->nodes[g->changed_node].line : 0;
    char key[GEN_TEXT_MAX];
    bool quoted = g->changed[0] == '"';
    (void)snprintf(
            key, sizeof key, "%.*s", (int)strlen(g->changed) - 2 * quoted, g->changed + quoted);
    for (uint32_t i = 0; i < lint->count; i++) {
        const struct nvidia_finding *f = &lint->findings[i];
        if (f->rule->verdict != NVIDIA_VERDICT_REFUSED)
            continue;
        /* A member that is gone may be named by what is wrong with the rest of its map. */
        const char *map = g->class == GEN_MISSING && g->changed_node >= 0
                                  ? g->nodes[g->changed_node].key
                                  : "";
        if (map[0] != '\0' && strstr(f->text, map))
            return true;
        if (f->line == line || (key[0] != '\0' && strstr(f->text, key)))
            return true;
    }
    return false;
}

static void check(bool parted, uint64_t seed)
{
    static struct gen g;
    static struct nvidia_lint lint;
    struct buf text = BUF_INIT(CONFIG_BYTES_MAX);
    struct buf why = BUF_INIT(1 << 18);
    gen_config(&g, seed, parted, &text);
    if (!agree(parted, buf_str(&text), &lint, &why)) {
        shrink(parted, &text);
        fail_msg("class %s", gen_class_names[g.class]);
    }
    bool refused = lint.refused > 0;
    if (refused && g.changes == 1 && g.class != GEN_SYNTAX && !names_key(&g, &lint)) {
        nvidia_lint_format(&lint, "config", &why);
        fail_msg("the key '%s' is not named:\n%.*s\n%.*s", g.changed, STR_ARG(buf_str(&text)),
                STR_ARG(buf_str(&why)));
    }
    assert_true(!refused || g.class != GEN_VALID);
    struct tally *t = &tallies[parted][g.class];
    t->refused += refused;
    t->taken += !refused;
    buf_clear(&text);
    buf_clear(&why);
}

static void check_device_plugin(uint64_t seed)
{
    check(false, seed);
}

static void check_mig_parted(uint64_t seed)
{
    check(true, seed);
}

/* -- what we write --------------------------------------------------------------------------- */

/* Every file that we generate is taken, and read as it was meant. */
static void check_what_we_write(uint64_t seed)
{
    static struct nvidia_lint lint;
    struct prng rng;
    struct buf text = BUF_INIT(CONFIG_BYTES_MAX);
    struct buf why = BUF_INIT(1 << 18);
    prng_init(&rng, seed);
    const struct mig_model *model = mig_model_get((unsigned)prng_below(&rng, mig_model_count()));
    struct nvidia_plugin_plan plan = {.gpu_replicas = 1 + (uint32_t)prng_below(&rng, 64),
            .mig_replicas = 1 + (uint32_t)prng_below(&rng, 8)};
    struct nvidia_mig_plan mig = {.gpu_count = (uint32_t)prng_below(&rng, 9)};
    char layouts[8][128];
    for (uint32_t i = 0; i < mig.gpu_count; i++) {
        uint32_t what = (uint32_t)prng_below(&rng, 4);
        (void)snprintf(layouts[i], sizeof layouts[i], "%s", what == 0 ? "" : "none");
        if (what > 1 && model->profile_count > 0) {
            const struct mig_profile *p = &model->profiles[prng_below(&rng, model->profile_count)];
            const struct mig_profile *q = &model->profiles[prng_below(&rng, model->profile_count)];
            (void)snprintf(layouts[i], sizeof layouts[i], "2x%s*,%s@4", p->name, q->name);
        }
        mig.layouts[i] = str_from(layouts[i]);
    }
    for (unsigned i = 0; i < model->profile_count; i++) {
        (void)snprintf(plan.profiles[plan.profile_count++], MODEL_PROFILE_NAME_MAX, "%s",
                model->profiles[i].name);
    }
    nvidia_plugin_config_emit(&plan, &text);
    bool same = agree(false, buf_str(&text), &lint, &why);
    if (!same || lint.refused > 0)
        fail_msg("%.*s\n%.*s", STR_ARG(buf_str(&text)), STR_ARG(buf_str(&why)));
    buf_reset(&text);
    assert_int_equal(nvidia_mig_plan_emit(&mig, STR_LIT("plan"), &text, NULL), 0);
    same = agree(true, buf_str(&text), &lint, &why);
    if (!same || lint.refused > 0)
        fail_msg("%.*s\n%.*s", STR_ARG(buf_str(&text)), STR_ARG(buf_str(&why)));
    buf_clear(&text);
    buf_clear(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(check_device_plugin, CASES),
            TEST_PROP(check_mig_parted, CASES),
            TEST_PROP(check_what_we_write, CASES / 10),
    };
    oracle_start(oracle_path());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (unsigned part = 0; part < 2; part++) {
        for (unsigned i = 0; i < GEN_CLASS_COUNT; i++) {
            const struct tally *t = &tallies[part][i];
            (void)fprintf(stderr, "# %s, %s: %u taken, %u refused\n",
                    part ? "mig-parted" : "device-plugin", gen_class_names[i], t->taken,
                    t->refused);
        }
    }
    return failed;
}
