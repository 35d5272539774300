/* policy/emit.c - writing policies: as a document, as the page of the docs; comparing them.  Pure.
 */
#include "policy/fields-priv.h"

#include "base/civil.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES = 96 };

static const struct policy_label *labels_of(
        const struct policy_field *f, const struct policy *p, uint32_t *ret_count)
{
    *ret_count = *(const uint32_t *)(const void *)((const char *)p + f->count_offset);
    return (const void *)((const char *)p + f->offset);
}

static void quoted_put(struct buf *out, struct str s)
{
    buf_putc(out, '"');
    json_escape(out, s);
    buf_putc(out, '"');
}

void policy_value_emit(const struct policy_field *f, const struct policy *p, struct buf *out)
{
    char text[POLICY_VALUE_BYTES];
    uint32_t count = 0;
    if (f->type == POLICY_TYPE_LABELS) {
        const struct policy_label *labels = labels_of(f, p, &count);
        buf_putc(out, '{');
        for (uint32_t i = 0; i < count; i++) {
            buf_puts(out, i > 0 ? ", " : "");
            quoted_put(out, labels[i].key);
            buf_puts(out, ": ");
            quoted_put(out, labels[i].value);
        }
        buf_putc(out, '}');
    } else if (f->type == POLICY_TYPE_TECHNIQUES) {
        buf_putc(out, '[');
        for (uint32_t i = 0; i < p->technique_count; i++) {
            buf_printf(out, "%s{technique: %s, mode: %s}", i > 0 ? ", " : "",
                    policy_technique_names[p->techniques[i]],
                    policy_mode_names[p->mode[p->techniques[i]]]);
        }
        buf_putc(out, ']');
    } else if (f->type == POLICY_TYPE_WINDOWS) {
        buf_putc(out, '[');
        for (uint32_t i = 0; i < p->window_count; i++) {
            buf_puts(out, i > 0 ? ", {cron: " : "{cron: ");
            quoted_put(out, p->windows[i].cron);
            buf_printf(
                    out, ", duration: %s}", civil_format_duration(p->windows[i].duration_ns, text));
        }
        buf_putc(out, ']');
    } else {
        buf_puts(out, policy_value_format(f, policy_field_get(f, p), text));
    }
}

/* Splits "section.key"; the section is empty for a key of its own. */
static struct str section_of(const struct policy_field *f, const char **ret_key)
{
    const char *dot = strchr(f->path, '.');
    *ret_key = dot ? dot + 1 : f->path;
    return (struct str){f->path, dot ? (size_t)(dot - f->path) : 0};
}

void policy_emit(const struct policy *p, struct buf *out)
{
    buf_puts(out, "apiVersion: " POLICY_API_VERSION "\nkind: " POLICY_KIND "\nmetadata:\n  name: ");
    quoted_put(out, p->name);
    buf_puts(out, "\nspec:\n");
    struct str open = {0};
    for (unsigned i = 0; i < policy_field_count; i++) {
        const struct policy_field *f = &policy_fields[i];
        const char *key = NULL;
        struct str section = section_of(f, &key);
        if (section.len > 0 && !str_eq(section, open))
            buf_printf(out, "  %.*s:\n", STR_ARG(section));
        open = section;
        buf_printf(out, "  %s%s: ", section.len > 0 ? "  " : "", key);
        policy_value_emit(f, p, out);
        buf_putc(out, '\n');
    }
}

static bool windows_eq(const struct policy *a, const struct policy *b)
{
    if (a->window_count != b->window_count)
        return false;
    for (uint32_t i = 0; i < a->window_count; i++) {
        const struct policy_window *x = &a->windows[i];
        const struct policy_window *y = &b->windows[i];
        if (!str_eq(x->cron, y->cron) || x->minutes != y->minutes || x->hours != y->hours ||
                x->days_of_month != y->days_of_month || x->months != y->months ||
                x->days_of_week != y->days_of_week || x->day_of_month_any != y->day_of_month_any ||
                x->day_of_week_any != y->day_of_week_any || x->duration_ns != y->duration_ns)
            return false;
    }
    return true;
}

static bool field_eq(const struct policy_field *f, const struct policy *a, const struct policy *b)
{
    if (f->type == POLICY_TYPE_LABELS) {
        uint32_t count_a = 0;
        uint32_t count_b = 0;
        const struct policy_label *x = labels_of(f, a, &count_a);
        const struct policy_label *y = labels_of(f, b, &count_b);
        bool same = count_a == count_b;
        for (uint32_t i = 0; i < count_a && same; i++)
            same = str_eq(x[i].key, y[i].key) && str_eq(x[i].value, y[i].value);
        return same;
    }
    if (f->type == POLICY_TYPE_TECHNIQUES) {
        bool same = a->technique_count == b->technique_count;
        for (uint32_t i = 0; i < a->technique_count && same; i++) {
            same = a->techniques[i] == b->techniques[i] &&
                   a->mode[a->techniques[i]] == b->mode[a->techniques[i]];
        }
        return same;
    }
    if (f->type == POLICY_TYPE_WINDOWS)
        return windows_eq(a, b);
    return policy_field_get(f, a) == policy_field_get(f, b);
}

bool policy_eq(const struct policy *a, const struct policy *b)
{
    for (unsigned i = 0; i < policy_field_count; i++) {
        if (!field_eq(&policy_fields[i], a, b))
            return false;
    }
    return str_eq(a->name, b->name);
}

static void docs_head_emit(struct buf *out)
{
    buf_puts(out,
            "# SharingPolicy\n\n"
            "<!-- Written from the field table (src/policy/fields.c) and checked by the tests:\n"
            "     SLICEWRIGHT_UPDATE=1 makes the test rewrite it. -->\n\n"
            "A policy says what workloads may be given, what to aim for and what never to do. The\n"
            "same document serves `slicewright simulate --policy FILE`, the controller and, as a\n"
            "custom resource, the cluster. YAML or JSON, read strictly: an unknown key, a missing\n"
            "unit, a value out of range or overlapping windows are errors, one line with file,\n"
            "line, key, value and what was expected.\n\n"
            "```yaml\n"
            "apiVersion: " POLICY_API_VERSION "\n"
            "kind: " POLICY_KIND "\n"
            "metadata:\n"
            "  name: nightly\n"
            "spec:\n"
            "  preset: balanced            # what the other keys start from\n"
            "  timeSlicing:\n"
            "    maxReplicas: 4\n"
            "  maintenance:\n"
            "    windows:\n"
            "      - {cron: \"0 1 * * mon-fri\", duration: 3h}\n"
            "```\n\n"
            "`spec.preset` is `conservative`, `balanced` (the default) or `aggressive`; a list or "
            "map\nthat is given replaces the preset's. `slicewright policy show PRESET` writes a "
            "preset out\nin full.\n\n"
            "## Units\n\n"
            "| kind | written as |\n|---|---|\n"
            "| share | `95%`, `99.5%` (a number without `%` is refused) |\n"
            "| chance | `100ppm` = 1 in 10,000 |\n"
            "| duration | `90s`, `30m`, `2h30m`, `1d` |\n"
            "| money | US dollars, up to six decimals: `0.25` |\n"
            "| cron | minute hour day-of-month month day-of-week; `*` `,` `-` `/`; names `mon`, "
            "`jan`; UTC; at most 48 starts a day |\n\n"
            "## Keys\n\n"
            "| key below `spec` | conservative | balanced | aggressive | expected | meaning |\n"
            "|---|---|---|---|---|---|\n");
}

void policy_docs_emit(struct buf *out)
{
    docs_head_emit(out);
    for (unsigned i = 0; i < policy_field_count; i++) {
        const struct policy_field *f = &policy_fields[i];
        char expected[TEXT_BYTES];
        buf_printf(out, "| `%s` |", f->path);
        for (const char *const *name = policy_preset_names(); *name; name++) {
            buf_puts(out, " `");
            policy_value_emit(f, policy_preset(str_from(*name)), out);
            buf_puts(out, "` |");
        }
        buf_printf(
                out, " %s | %s |\n", policy_value_expected(f, expected, sizeof expected), f->help);
    }
    buf_puts(out,
            "\n## Presets\n\n"
            "- `conservative`: no surprise. A day of history first (so nothing changes in a trace\n"
            "  shorter than that), one node at a time, by night; MIG before time-slicing; peaks "
            "of\n"
            "  memory always fit; latency-sensitive work keeps whole GPUs.\n"
            "- `balanced`: what saves most without anybody noticing. Latency-sensitive work gets\n"
            "  a MIG instance of its own or a whole GPU.\n"
            "- `aggressive`: for development clusters and batch farms, where interruptions are\n"
            "  cheap and idle GPUs are not. Latency-sensitive work may be time-sliced within its\n"
            "  SLO.\n\n"
            "All presets apply; set `mode` to `observe` or `recommend` to look first.\n");
}
