/* cli/input.c - see input.h. */
#include "cli/input.h"

#include "base/num.h"
#include "core/recording.h"
#include "model/gpu.h"
#include "os/file.h"
#include "policy/policy.h"
#include "sim/trace_facts.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
    POLICY_BYTES_MAX = 1 << 20,
    SCENARIO_BYTES_MAX = 64 << 20,
    PRICES_BYTES_MAX = 64 << 20,
};
#define TRACE_BYTES_MAX ((size_t)1 << 30)

const char *const cli_caps_choices[] = {"operator", "dra", "native", NULL};
const char *const cli_policy_choices[] = {"conservative", "balanced", "aggressive", NULL};
const char *const cli_scenario_choices[] = {"default", "fitted", "small", NULL};

/* Reads a file into the arena. */
static int read_text(struct arena *a, const char *path, size_t max_bytes, struct str *ret_text,
        struct err *reterr)
{
    struct buf content = {0};
    int rc = os_file_read(path, max_bytes, &content, reterr);
    if (rc < 0)
        return rc;
    *ret_text = arena_str(a, buf_str(&content));
    buf_clear(&content);
    return 0;
}

int cli_input_policy(
        struct arena *a, const char *name, const struct policy **ret_policy, struct err *reterr)
{
    const struct policy *preset = policy_preset(str_from(name));
    if (preset != NULL) {
        *ret_policy = preset;
        return 0;
    }
    struct str text;
    int rc = read_text(a, name, POLICY_BYTES_MAX, &text, reterr);
    if (rc == -ENOENT && strchr(name, '/') == NULL && strchr(name, '.') == NULL) {
        return err_set(reterr, -ENOENT,
                "--policy: '%s' is no file and no preset: expected conservative, balanced, "
                "aggressive or a file",
                name);
    }
    if (rc < 0)
        return rc;
    if (policy_parse(a, text, ret_policy, reterr) < 0)
        return err_wrap(reterr, "%s", name);
    return 0;
}

static int load_place(
        const struct cli_world_options *o, struct sim_trace_place *ret_place, struct err *reterr)
{
    const struct model_gpu *gpu = NULL;
    const char *name = o->gpu != NULL ? o->gpu : CLI_GPU_DEFAULT;
    if (model_gpu_find(str_from(name), &gpu, reterr) < 0)
        return err_wrap(reterr, "--gpu");
    *ret_place = (struct sim_trace_place){
            .gpu = (uint16_t)model_gpu_index(gpu),
            .gpus_per_node = o->gpus_per_node > 0 ? (uint32_t)o->gpus_per_node : 1,
            .sample_pods = (uint32_t)o->sample_pods,
            .seed = o->seed,
    };
    return 0;
}

static int load_genai(struct arena *a, const struct cli_world_options *o, const char *path,
        const struct sim_scenario **ret_scenario, struct err *reterr)
{
    struct str text;
    struct sim_trace_place place;
    if (load_place(o, &place, reterr) < 0)
        return reterr->code;
    if (read_text(a, path, TRACE_BYTES_MAX, &text, reterr) < 0)
        return reterr->code;
    if (sim_scenario_genai(a, text, &place, ret_scenario, reterr) < 0)
        return err_wrap(reterr, "%s", path);
    return 0;
}

static int load_openb(struct arena *a, const struct cli_world_options *o, const char *paths,
        const struct sim_scenario **ret_scenario, struct err *reterr)
{
    const char *comma = strchr(paths, ',');
    if (comma == NULL)
        return err_set(reterr, -EINVAL, "--trace: 'openb:%s': expected openb:NODES,PODS", paths);
    struct str nodes_path = arena_str(a, (struct str){paths, (size_t)(comma - paths)});
    struct sim_openb_texts texts;
    struct sim_trace_place place;
    if (load_place(o, &place, reterr) < 0 ||
            read_text(a, nodes_path.ptr, TRACE_BYTES_MAX, &texts.nodes, reterr) < 0 ||
            read_text(a, comma + 1, TRACE_BYTES_MAX, &texts.pods, reterr) < 0)
        return reterr->code;
    if (sim_scenario_openb(a, &texts, &place, ret_scenario, reterr) < 0)
        return err_wrap(reterr, "openb:%s", paths);
    return 0;
}

/* The facts of a recording, step by step, into `t`. */
static int take_recording(
        struct sim_trace_facts *t, const char *path, struct str text, struct err *reterr)
{
    struct arena *scratch = arena_new((size_t)2 << 30);
    struct core_recording_header header;
    struct core_recording_step step;
    struct str line;
    int rc = 0;
    for (uint32_t number = 1; rc == 0 && text.len > 0; number++) {
        (void)str_split(&text, '\n', &line);
        arena_reset(scratch);
        if (number == 1) {
            rc = core_recording_header_parse(scratch, line, &header, reterr);
        } else {
            rc = core_recording_step_parse(scratch, line, &step, reterr);
            if (rc == 0)
                rc = sim_trace_facts_take(t, &step.now, step.facts, step.fact_count, reterr);
        }
        if (rc < 0)
            rc = err_wrap(reterr, "%s: line %u", path, number);
    }
    (void)arena_free(scratch);
    return rc;
}

static int load_recorded(struct arena *a, const char *path,
        const struct sim_scenario **ret_scenario, struct err *reterr)
{
    struct buf content = {0};
    if (os_file_read(path, TRACE_BYTES_MAX, &content, reterr) < 0)
        return reterr->code;
    struct sim_trace_facts *t = sim_trace_facts_new();
    struct sim_trace_facts_counts counts;
    int rc = take_recording(t, path, buf_str(&content), reterr);
    buf_clear(&content);
    if (rc == 0 && sim_trace_facts_finish(t, a, ret_scenario, &counts, reterr) < 0)
        rc = err_wrap(reterr, "%s", path);
    (void)sim_trace_facts_free(t);
    return rc;
}

static int load_scenario(struct arena *a, const struct cli_world_options *o,
        const struct sim_scenario **ret_scenario, struct err *reterr)
{
    if (o->trace != NULL && o->scenario != NULL)
        return err_set(reterr, -EINVAL, "--trace and --scenario exclude each other");
    if (o->trace != NULL && strncmp(o->trace, "genai:", 6) == 0)
        return load_genai(a, o, o->trace + 6, ret_scenario, reterr);
    if (o->trace != NULL && strncmp(o->trace, "openb:", 6) == 0)
        return load_openb(a, o, o->trace + 6, ret_scenario, reterr);
    if (o->trace != NULL && strncmp(o->trace, "recorded:", 9) == 0)
        return load_recorded(a, o->trace + 9, ret_scenario, reterr);
    if (o->trace != NULL) {
        return err_set(reterr, -EINVAL,
                "--trace: '%s': expected genai:FILE, openb:NODES,PODS or recorded:FILE", o->trace);
    }
    const char *name = o->scenario != NULL ? o->scenario : "default";
    struct err ignored = {0};
    if (sim_scenario_builtin(a, str_from(name), ret_scenario, &ignored) == 0)
        return 0;
    if (strchr(name, '/') == NULL && strchr(name, '.') == NULL && strcmp(name, "-") != 0) {
        *reterr = ignored;
        return err_wrap(reterr, "--scenario");
    }
    struct str text;
    if (read_text(a, name, SCENARIO_BYTES_MAX, &text, reterr) < 0)
        return reterr->code;
    if (sim_scenario_parse(a, text, ret_scenario, reterr) < 0)
        return err_wrap(reterr, "%s", name);
    return 0;
}

static int load_delay(const char *text, int64_t *ret_ns, struct err *reterr)
{
    int64_t thousandths = 0;
    if (strcmp(text, "never") == 0) {
        *ret_ns = -1;
        return 0;
    }
    if (str_to_fixed(str_from(text), 3, 0, 8760 * 1000, &thousandths) < 0) {
        return err_set(reterr, -EINVAL,
                "--owner-patch-delay: '%s': expected hours from 0 to 8760, or never", text);
    }
    *ret_ns = thousandths * (NUM_NS_PER_HOUR / 1000);
    return 0;
}

int cli_input_terms(struct arena *a, const struct cli_world_options *o, struct sim_config *config,
        struct err *reterr)
{
    const struct policy *policy = NULL;
    int64_t delay_ns = 0, faults = 0;
    if (cli_input_policy(a, o->policy, &policy, reterr) < 0 ||
            load_delay(o->owner_patch_delay, &delay_ns, reterr) < 0)
        return reterr->code;
    if (o->faults != NULL && str_to_fixed(str_from(o->faults), 6, 0, 1000000, &faults) < 0)
        return err_set(reterr, -EINVAL, "--faults: '%s': expected a rate from 0 to 1", o->faults);
    config->policy = policy;
    config->owner_patch_delay_ns = delay_ns;
    config->faults_ppm = (uint32_t)faults;
    return 0;
}

int cli_input_load(struct arena *a, const struct cli_world_options *o,
        struct sim_config *ret_config, struct err *reterr)
{
    struct sim_config c = {.seed = o->seed, .caps = (enum sim_caps)o->caps};
    if (load_scenario(a, o, &c.scenario, reterr) < 0 || cli_input_terms(a, o, &c, reterr) < 0)
        return reterr->code;
    if (o->prices != NULL) {
        struct str text;
        struct model_price_book *book = ARENA_NEW(a, struct model_price_book);
        if (read_text(a, o->prices, PRICES_BYTES_MAX, &text, reterr) < 0)
            return reterr->code;
        if (model_price_book_parse(a, text, book, reterr) < 0)
            return err_wrap(reterr, "%s", o->prices);
        c.prices = book;
    }
    assert(c.scenario != NULL);
    c.duration_ns = (int64_t)o->days * 24 * NUM_NS_PER_HOUR;
    c.measure_from_ns = (int64_t)o->measure_from_hours * NUM_NS_PER_HOUR;
    int64_t duration = c.duration_ns > 0 ? c.duration_ns : c.scenario->duration_ns;
    if (c.measure_from_ns >= duration) {
        return err_set(reterr, -EINVAL,
                "--measure-from: %llu hours: expected less than the run's %lld hours",
                (unsigned long long)o->measure_from_hours, (long long)(duration / NUM_NS_PER_HOUR));
    }
    *ret_config = c;
    return 0;
}
