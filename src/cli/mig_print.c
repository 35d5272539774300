/* cli/mig_print.c - see mig_print.h. */
#include "cli/mig_print.h"

#include <stdio.h>
#include <string.h>

/* "0 2 4". */
static void put_bits(struct buf *out, unsigned bits, char separator)
{
    for (bool first = true; bits != 0; bits &= bits - 1, first = false) {
        if (!first)
            buf_putc(out, separator);
        buf_printf(out, "%d", __builtin_ctz(bits));
    }
}

static void put_number(struct buf *out, int width, uint64_t value)
{
    if (value == 0) {
        buf_printf(out, "%*s", width, "?");
    } else {
        buf_printf(out, "%*llu", width, (unsigned long long)value);
    }
}

void cli_mig_print_models(struct buf *out)
{
    buf_printf(out, "%-28s %-38s %5s %7s %8s  %s\n", "GPU", "FAMILY", "UNITS", "COMPUTE",
            "PROFILES", "STARTS ARE");
    for (unsigned i = 0; i < model_gpu_count(); i++) {
        const struct model_gpu *gpu = model_gpu_get(i);
        const struct mig_model *m = gpu->mig_key != NULL ? mig_model_find(gpu->mig_key) : NULL;
        if (m == NULL)
            continue;
        buf_printf(out, "%-28s %-38s ", gpu->key, m->family);
        put_number(out, 5, m->units);
        buf_putc(out, ' ');
        put_number(out, 7, m->compute_slices);
        buf_putc(out, ' ');
        put_number(out, 8, m->profile_count);
        buf_printf(out, "  %s\n",
                m->profile_count > 0 ? mig_confidence_name(m->confidence) : "not known");
    }
    buf_puts(out, "\n'?' is not known.  'mig profiles --gpu GPU' shows one of them.\n");
}

static void json_number(struct json_writer *w, const char *key, uint64_t value)
{
    jw_key(w, key);
    if (value == 0) {
        jw_null(w);
    } else {
        jw_u64(w, value);
    }
}

static void json_text(struct json_writer *w, const char *key, const char *value)
{
    jw_key(w, key);
    if (value == NULL) {
        jw_null(w);
    } else {
        jw_cstr(w, value);
    }
}

static void json_model_head(
        const struct model_gpu *gpu, const struct mig_model *m, struct json_writer *w)
{
    jw_kv_cstr(w, "gpu", gpu->key);
    jw_kv_cstr(w, "family", m->family);
    json_number(w, "units", m->units);
    json_number(w, "compute_slices", m->compute_slices);
    jw_kv_u64(w, "profile_count", m->profile_count);
    jw_kv_cstr(w, "placements_confidence", mig_confidence_name(m->confidence));
}

void cli_mig_json_models(struct json_writer *w)
{
    jw_object(w);
    jw_key(w, "models");
    jw_array(w);
    for (unsigned i = 0; i < model_gpu_count(); i++) {
        const struct model_gpu *gpu = model_gpu_get(i);
        const struct mig_model *m = gpu->mig_key != NULL ? mig_model_find(gpu->mig_key) : NULL;
        if (m == NULL)
            continue;
        jw_object(w);
        json_model_head(gpu, m, w);
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_object_end(w);
}

static void print_profile(const struct mig_profile *p, struct buf *out)
{
    struct buf starts = BUF_INIT(64), compute = BUF_INIT(64);
    put_bits(&starts, p->starts, ' ');
    put_bits(&compute, p->compute_instances, ' ');
    buf_printf(out, "%3u  %-15s %2u %5u  %-14.*s %3u ", p->gi_profile_id, p->name,
            p->compute_slices, p->units, STR_ARG(buf_str(&starts)), p->max_instances);
    put_number(out, 7, p->memory_mib);
    buf_putc(out, ' ');
    put_number(out, 4, p->sm_count);
    for (unsigned e = 0; e < MIG_ENGINE_COUNT; e++) {
        if (p->engines_known) {
            buf_printf(out, " %4u", p->engines[e]);
        } else {
            buf_printf(out, " %4s", "?");
        }
    }
    buf_printf(
            out, "  %-10.*s %s\n", STR_ARG(buf_str(&compute)), mig_confidence_name(p->confidence));
    buf_clear(&starts);
    buf_clear(&compute);
}

static void print_names_only(const struct mig_model *m, struct buf *out)
{
    buf_puts(out, "The geometry of this model is not known; configuration files name:\n");
    for (unsigned i = 0; i < m->name_only_count; i++) {
        buf_printf(out, "  %-16s at most ", m->names_only[i].name);
        put_number(out, 0, m->names_only[i].max_instances);
        buf_putc(out, '\n');
    }
}

static void print_profile_notes(const struct mig_model *m, struct buf *out)
{
    buf_puts(out, "\nstarts:  ");
    buf_puts(out, m->confidence_text);
    if (m->profile_count > 0 && !m->engine_totals_known)
        buf_puts(out, "\nengines: totals are not known, so the engine rule is not applied");
    if (m->min_driver != NULL)
        buf_printf(out, "\ndriver:  %s", m->min_driver);
    if (m->warning != NULL)
        buf_printf(out, "\nwarning: %s", m->warning);
    buf_puts(out, "\nsource:");
    for (unsigned i = 0; m->sources[i] != NULL; i++)
        buf_printf(out, "%s%s\n", i == 0 ? "  " : "         ", m->sources[i]);
    buf_puts(out,
            "\n'?' is not known.  Names and memory move with the driver, ids do not; on a live "
            "node\nthe driver's own answer wins.\n");
}

void cli_mig_print_profiles(const struct model_gpu *gpu, const struct mig_model *m, struct buf *out)
{
    buf_printf(out, "%s (%s)", gpu->key, m->family);
    if (m->profile_count > 0)
        buf_printf(out, ": %u memory units, %u compute slices", m->units, m->compute_slices);
    buf_printf(out, ", mode change %s\n\n",
            m->mode_needs_reset ? "takes a GPU reset" : "without a reset");
    if (m->profile_count == 0) {
        print_names_only(m, out);
    } else {
        buf_printf(out, "%3s  %-15s %2s %5s  %-14s %3s %7s %4s", "ID", "PROFILE", "G", "UNITS",
                "STARTS", "MAX", "MIB", "SMS");
        buf_printf(out, " %4s %4s %4s %4s  %-10s %s\n", "DEC", "ENC", "JPEG", "OFA", "COMPUTE",
                "CONFIDENCE");
        for (unsigned p = 0; p < m->profile_count; p++)
            print_profile(&m->profiles[p], out);
    }
    print_profile_notes(m, out);
}

static void json_bits(struct json_writer *w, const char *key, unsigned bits)
{
    jw_key(w, key);
    jw_array(w);
    for (; bits != 0; bits &= bits - 1)
        jw_u64(w, (unsigned)__builtin_ctz(bits));
    jw_array_end(w);
}

static void json_profile(const struct mig_profile *p, struct json_writer *w)
{
    jw_object(w);
    jw_kv_cstr(w, "name", p->name);
    jw_kv_cstr(w, "kind", p->kind);
    jw_kv_u64(w, "gi_profile_id", p->gi_profile_id);
    jw_kv_u64(w, "compute_slices", p->compute_slices);
    jw_kv_u64(w, "units", p->units);
    json_bits(w, "starts", p->starts);
    jw_kv_u64(w, "max_instances", p->max_instances);
    json_number(w, "memory_mib", p->memory_mib);
    json_number(w, "sm_count", p->sm_count);
    jw_key(w, "engines");
    if (p->engines_known) {
        jw_object(w);
        for (unsigned e = 0; e < MIG_ENGINE_COUNT; e++)
            jw_kv_u64(w, mig_engine_name((enum mig_engine)e), p->engines[e]);
        jw_object_end(w);
    } else {
        jw_null(w);
    }
    json_bits(w, "compute_instances", p->compute_instances);
    jw_kv_bool(w, "base", p->base);
    jw_kv_cstr(w, "confidence", mig_confidence_name(p->confidence));
    jw_key(w, "other_names");
    jw_array(w);
    for (unsigned i = 0; i < MIG_NAMES_ALT_MAX && p->alt_names[i] != NULL; i++)
        jw_cstr(w, p->alt_names[i]);
    jw_array_end(w);
    jw_object_end(w);
}

void cli_mig_json_profiles(
        const struct model_gpu *gpu, const struct mig_model *m, struct json_writer *w)
{
    jw_object(w);
    json_model_head(gpu, m, w);
    jw_kv_bool(w, "mode_needs_reset", m->mode_needs_reset);
    jw_key(w, "profiles");
    jw_array(w);
    for (unsigned p = 0; p < m->profile_count; p++)
        json_profile(&m->profiles[p], w);
    jw_array_end(w);
    jw_key(w, "names_only");
    jw_array(w);
    for (unsigned i = 0; i < m->name_only_count; i++) {
        jw_object(w);
        jw_kv_cstr(w, "name", m->names_only[i].name);
        json_number(w, "max_instances", m->names_only[i].max_instances);
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_kv_cstr(w, "placements_confidence_text", m->confidence_text);
    json_text(w, "min_driver", m->min_driver);
    json_text(w, "warning", m->warning);
    jw_key(w, "sources");
    jw_array(w);
    for (unsigned i = 0; m->sources[i] != NULL; i++)
        jw_cstr(w, m->sources[i]);
    jw_array_end(w);
    jw_object_end(w);
}

void cli_mig_print_layout(const struct mig_layout *layout, struct buf *out)
{
    const struct mig_model *m = layout->model;
    mig_layout_draw(layout, out);
    buf_puts(out, "layout    ");
    mig_layout_format(layout, out);
    buf_printf(out, "\nsums      compute slices %u of %u, memory units %d of %u%s\n",
            mig_layout_compute(layout), m->compute_slices, __builtin_popcount(layout->used),
            m->units, mig_layout_is_maximal(layout, m->profiles_all) ? "; nothing more fits" : "");
}

static void json_instance(
        const struct mig_model *m, const struct mig_instance *inst, struct json_writer *w)
{
    const struct mig_profile *p = &m->profiles[inst->profile];
    jw_kv_cstr(w, "profile", p->name);
    jw_kv_u64(w, "gi_profile_id", p->gi_profile_id);
    jw_kv_u64(w, "start", inst->start);
    jw_kv_u64(w, "units", p->units);
}

static void json_text_of(const struct mig_layout *layout, struct json_writer *w)
{
    struct buf text = BUF_INIT(1024);
    mig_layout_format(layout, &text);
    jw_kv_str(w, "layout", buf_str(&text));
    buf_clear(&text);
}

void cli_mig_json_layout(const struct mig_layout *layout, struct json_writer *w)
{
    jw_object(w);
    json_text_of(layout, w);
    jw_kv_u64(w, "compute_slices", mig_layout_compute(layout));
    jw_kv_u64(w, "memory_units", (unsigned)__builtin_popcount(layout->used));
    jw_kv_bool(w, "maximal", mig_layout_is_maximal(layout, layout->model->profiles_all));
    jw_key(w, "instances");
    jw_array(w);
    for (unsigned i = 0; i < layout->count; i++) {
        jw_object(w);
        json_instance(layout->model, &layout->instances[i], w);
        jw_kv_bool(w, "in_use", layout->instances[i].in_use);
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_object_end(w);
}

static void put_units(struct buf *out, unsigned used, unsigned units)
{
    for (unsigned u = 0; u < units; u++)
        buf_putc(out, used & 1u << u ? '#' : '.');
}

void cli_mig_print_diff(const struct mig_layout *from, const struct mig_diff *diff,
        const char *note, struct buf *out)
{
    const struct mig_model *m = from->model;
    if (note != NULL)
        buf_printf(out, "note: %s\n", note);
    buf_puts(out, "from ");
    mig_layout_format(from, out);
    buf_puts(out, "\nto   ");
    mig_layout_format(&diff->target, out);
    buf_printf(out, "\n%u of %u instances stay, %u step%s\n\n", diff->kept_count, from->count,
            diff->step_count, diff->step_count == 1 ? "" : "s");
    for (unsigned i = 0; i < diff->blocker_count; i++) {
        buf_printf(out, "must become free first: %s@%u\n",
                m->profiles[diff->blockers[i].profile].name, diff->blockers[i].start);
    }
    if (diff->blocker_count > 0)
        buf_puts(out, "\nonce that is so:\n");
    for (unsigned i = 0; i < diff->step_count; i++) {
        const struct mig_step *s = &diff->steps[i];
        char name[64];
        (void)snprintf(name, sizeof name, "%s@%u", m->profiles[s->instance.profile].name,
                s->instance.start);
        buf_printf(out, "%2u  %-8s %-16s units ", i + 1, s->create ? "create" : "destroy", name);
        put_units(out, s->used_after, m->units);
        buf_putc(out, '\n');
    }
    buf_puts(out, diff->step_count > 0 ? "\n" : "");
    mig_layout_draw(&diff->target, out);
}

static void json_instances(const char *key, const struct mig_model *m,
        const struct mig_instance *list, unsigned count, struct json_writer *w)
{
    jw_key(w, key);
    jw_array(w);
    for (unsigned i = 0; i < count; i++) {
        jw_object(w);
        json_instance(m, &list[i], w);
        jw_object_end(w);
    }
    jw_array_end(w);
}

void cli_mig_json_diff(
        const struct mig_layout *from, const struct mig_diff *diff, struct json_writer *w)
{
    const struct mig_model *m = from->model;
    jw_kv_u64(w, "kept", diff->kept_count);
    jw_key(w, "from");
    cli_mig_json_layout(from, w);
    jw_key(w, "to");
    cli_mig_json_layout(&diff->target, w);
    json_instances("must_become_free", m, diff->blockers, diff->blocker_count, w);
    jw_key(w, "steps");
    jw_array(w);
    for (unsigned i = 0; i < diff->step_count; i++) {
        jw_object(w);
        jw_kv_cstr(w, "do", diff->steps[i].create ? "create" : "destroy");
        json_instance(m, &diff->steps[i].instance, w);
        json_bits(w, "units_taken_after", diff->steps[i].used_after);
        jw_object_end(w);
    }
    jw_array_end(w);
}
