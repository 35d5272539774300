/* policy/crd.c - the CustomResourceDefinitions, SharingPolicy's written from the field table. Pure.
 *
 * The API server refuses what the parser refuses, as far as its schema language goes; what it
 * cannot say (windows that overlap, cron that runs backwards, whole micro-dollars) the controller
 * says in the policy's condition.  Defaults are not in the schema: the preset decides.
 * Source: Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions". */
#include "policy/fields-priv.h"

#include "base/json.h"
#include "base/num.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    TEXT_BYTES = 160,
    FIELD_DEPTH = 7,
    LABEL_VALUE_MAX = 63,
    NS_PER_MS = 1000000,
    CRON_BYTES_MAX = 128
};

/* One value of a list of cron values, with an optional end and step. */
#define CRON_PART(v)  "(\\*|" v "(-" v ")?)(/[0-9]{1,2})?"
#define CRON_FIELD(v) CRON_PART(v) "(," CRON_PART(v) ")*"

static const char cron_pattern[] = "^[ \\t]*" CRON_FIELD("[0-5]?[0-9]") "[ \\t]+" CRON_FIELD(
        "([01]"
        "?[0-"
        "9]|2["
        "0-3]"
        ")") "[ \\t]+" CRON_FIELD("(0?[1-9]|[12][0-9]|3[01])") "[ \\t]+" CRON_FIELD("(0?[1-9]|1[0-"
                                                                                    "2]|(?i:jan|"
                                                                                    "feb|mar|apr|"
                                                                                    "may|"
                                                                                    "jun|jul|aug|"
                                                                                    "sep|oct|nov|"
                                                                                    "dec))") "[ "
                                                                                             "\\t]"
                                                                                             "+" CRON_FIELD(
                                                                                                     "(0?[0-7]|(?i:sun|mon|tue|wed|thu|fri|sat))") "[ \\t]*$";

static const char duration_pattern[] =
        "^([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?$";

/* In milliseconds.  CEL's durations have no days; "0s" in front since nothing may follow them. */
#define CEL_DURATION_MS                                                                            \
    "(self.contains('d') ? int(self.substring(0, self.indexOf('d'))) * 86400000 : 0) + "           \
    "duration('0s' + self.substring(self.indexOf('d') + 1)).getMilliseconds()"

static const char label_key_rule[] =
        "self.all(k, k.size() <= 317 && k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?"
        "([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))";

static void indent(struct buf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        buf_puts(out, "  ");
}

__attribute__((format(printf, 3, 4))) static void line(
        struct buf *out, unsigned depth, const char *format, ...)
{
    va_list arguments;
    indent(out, depth);
    va_start(arguments, format);
    buf_vprintf(out, format, arguments);
    va_end(arguments);
    buf_putc(out, '\n');
}

/* key: "text", as YAML's double quotes have it. */
static void text_put(struct buf *out, unsigned depth, const char *key, const char *text)
{
    indent(out, depth);
    buf_printf(out, "%s: \"", key);
    json_escape(out, str_from(text));
    buf_puts(out, "\"\n");
}

static void rule_put(struct buf *out, unsigned depth, const char *rule, const char *message)
{
    text_put(out, depth, "- rule", rule);
    text_put(out, depth + 1, "message", message);
}

static void names_put(struct buf *out, unsigned depth, const char *const *names)
{
    line(out, depth, "enum:");
    for (unsigned i = 0; names[i]; i++)
        line(out, depth, "- %s", names[i]);
}

static void expected_rule_put(
        struct buf *out, unsigned depth, const struct policy_field *f, const char *rule)
{
    char expected[TEXT_BYTES];
    char message[TEXT_BYTES + 16] = "expected ";
    (void)policy_value_expected(f, expected, sizeof expected);
    memcpy(message + strlen(message), expected, strlen(expected) + 1);
    line(out, depth, "x-kubernetes-validations:");
    rule_put(out, depth, rule, message);
}

/* ---- one kind of value each ---- */

static void percent_put(struct buf *out, unsigned depth, const struct policy_field *f)
{
    char low[STR_FIXED_BYTES], high[STR_FIXED_BYTES];
    struct buf rule = BUF_INIT(4096);
    line(out, depth, "type: string");
    line(out, depth, "maxLength: 16");
    text_put(out, depth, "pattern", "^[0-9]+([.][0-9]0*)?%$");
    buf_printf(&rule,
            "[double(self.replace('%%', ''))].all(v, v >= double('%s') && v <= double('%s'))",
            str_format_fixed(f->min, 1, low), str_format_fixed(f->max, 1, high));
    expected_rule_put(out, depth, f, rule.ptr);
    buf_clear(&rule);
}

static void ppm_put(struct buf *out, unsigned depth, const struct policy_field *f)
{
    struct buf rule = BUF_INIT(4096);
    line(out, depth, "type: string");
    line(out, depth, "maxLength: 16");
    text_put(out, depth, "pattern", "^[0-9]+ppm$");
    assert(f->min == 0);
    buf_printf(&rule, "int(self.replace('ppm', '')) <= %" PRId64, f->max);
    expected_rule_put(out, depth, f, rule.ptr);
    buf_clear(&rule);
}

static void duration_rule(struct buf *rule, int64_t min_ns, int64_t max_ns, bool whole_minutes)
{
    buf_printf(rule, "[" CEL_DURATION_MS "].all(t, t >= %" PRId64 " && t <= %" PRId64 "%s)",
            min_ns / NS_PER_MS, max_ns / NS_PER_MS, whole_minutes ? " && t % 60000 == 0" : "");
}

static void duration_put(struct buf *out, unsigned depth, const struct policy_field *f)
{
    struct buf rule = BUF_INIT(4096);
    line(out, depth, "type: string");
    line(out, depth, "minLength: 2");
    line(out, depth, "maxLength: 24");
    text_put(out, depth, "pattern", duration_pattern);
    duration_rule(&rule, f->min, f->max, false);
    expected_rule_put(out, depth, f, rule.ptr);
    buf_clear(&rule);
}

static void labels_put(struct buf *out, unsigned depth)
{
    line(out, depth, "type: object");
    line(out, depth, "maxProperties: %d", POLICY_LABELS_MAX);
    line(out, depth, "additionalProperties:");
    line(out, depth + 1, "type: string");
    line(out, depth + 1, "maxLength: %d", LABEL_VALUE_MAX);
    text_put(out, depth + 1, "pattern", "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$");
    line(out, depth, "x-kubernetes-validations:");
    rule_put(out, depth, label_key_rule, "expected label keys such as example.com/team");
}

static void techniques_put(struct buf *out, unsigned depth)
{
    line(out, depth, "type: array");
    line(out, depth, "maxItems: %d", MODEL_TECHNIQUE_COUNT - 1);
    line(out, depth, "x-kubernetes-list-type: atomic"); /* the order says what is preferred */
    line(out, depth, "items:");
    line(out, depth + 1, "type: object");
    line(out, depth + 1, "required: [technique, mode]");
    line(out, depth + 1, "properties:");
    line(out, depth + 2, "technique:");
    line(out, depth + 3, "type: string");
    names_put(out, depth + 3, policy_technique_names + MODEL_TECHNIQUE_TIME_SLICING);
    line(out, depth + 2, "mode:");
    line(out, depth + 3, "type: string");
    names_put(out, depth + 3, policy_mode_names);
    line(out, depth, "x-kubernetes-validations:");
    rule_put(out, depth, "self.all(x, self.exists_one(y, y.technique == x.technique))",
            "expected each technique once");
}

static void windows_put(struct buf *out, unsigned depth)
{
    struct buf rule = BUF_INIT(4096);
    line(out, depth, "type: array");
    line(out, depth, "maxItems: %d", POLICY_WINDOWS_MAX);
    line(out, depth, "x-kubernetes-list-type: atomic");
    line(out, depth, "items:");
    line(out, depth + 1, "type: object");
    line(out, depth + 1, "required: [cron, duration]");
    line(out, depth + 1, "properties:");
    line(out, depth + 2, "cron:");
    text_put(out, depth + 3, "description",
            "When it opens, UTC: minute hour day-of-month month day-of-week.");
    line(out, depth + 3, "type: string");
    line(out, depth + 3, "maxLength: %d", CRON_BYTES_MAX);
    text_put(out, depth + 3, "pattern", cron_pattern);
    line(out, depth + 2, "duration:");
    line(out, depth + 3, "type: string");
    line(out, depth + 3, "minLength: 2");
    line(out, depth + 3, "maxLength: 24");
    text_put(out, depth + 3, "pattern", duration_pattern);
    line(out, depth + 3, "x-kubernetes-validations:");
    duration_rule(&rule, 60 * NUM_NS_PER_SECOND, 24 * NUM_NS_PER_HOUR, true);
    rule_put(out, depth + 3, rule.ptr, "expected a duration of whole minutes, 1m to 1d");
    buf_clear(&rule);
}

/* ---- the table ---- */

static void value_put(struct buf *out, unsigned depth, const struct policy_field *f)
{
    char low[STR_FIXED_BYTES], high[STR_FIXED_BYTES];
    switch (f->type) {
    case POLICY_TYPE_BOOL:
        line(out, depth, "type: boolean");
        return;
    case POLICY_TYPE_COUNT:
        line(out, depth, "type: integer");
        line(out, depth, "minimum: %" PRId64, f->min);
        line(out, depth, "maximum: %" PRId64, f->max);
        return;
    case POLICY_TYPE_PERCENT:
        percent_put(out, depth, f);
        return;
    case POLICY_TYPE_PPM:
        ppm_put(out, depth, f);
        return;
    case POLICY_TYPE_DURATION:
        duration_put(out, depth, f);
        return;
    case POLICY_TYPE_USD:
        line(out, depth, "type: number");
        line(out, depth, "minimum: %s", str_format_fixed(f->min, 6, low));
        line(out, depth, "maximum: %s", str_format_fixed(f->max, 6, high));
        return;
    case POLICY_TYPE_ENUM:
        line(out, depth, "type: string");
        names_put(out, depth, f->names);
        return;
    case POLICY_TYPE_LABELS:
        labels_put(out, depth);
        return;
    case POLICY_TYPE_TECHNIQUES:
        techniques_put(out, depth);
        return;
    case POLICY_TYPE_WINDOWS:
        windows_put(out, depth);
        return;
    }
}

/* What it means, what is expected, and what each preset has. */
static void description_put(struct buf *out, unsigned depth, const struct policy_field *f)
{
    char expected[TEXT_BYTES];
    struct buf text = BUF_INIT(4096);
    buf_printf(
            &text, "%s Expected %s.", f->help, policy_value_expected(f, expected, sizeof expected));
    for (const char *const *name = policy_preset_names(); *name; name++) {
        buf_printf(&text, "%s%s: ", name == policy_preset_names() ? " Default of " : ", ", *name);
        policy_value_emit(f, policy_preset(str_from(*name)), &text);
    }
    buf_putc(&text, '.');
    text_put(out, depth, "description", text.ptr);
    buf_clear(&text);
}

static void fields_put(struct buf *out)
{
    struct str open = {0};
    for (unsigned i = 0; i < policy_field_count; i++) {
        const struct policy_field *f = &policy_fields[i];
        const char *dot = strchr(f->path, '.');
        struct str section = {f->path, dot ? (size_t)(dot - f->path) : 0};
        unsigned depth = FIELD_DEPTH;
        if (section.len > 0) {
            if (!str_eq(section, open)) {
                line(out, depth, "%.*s:", STR_ARG(section));
                line(out, depth + 1, "type: object");
                line(out, depth + 1, "properties:");
            }
            depth += 2;
        }
        open = section;
        line(out, depth, "%s:", dot ? dot + 1 : f->path);
        description_put(out, depth + 1, f);
        value_put(out, depth + 1, f);
    }
}

/* ---- rules between keys ---- */

static const struct policy_field *field_get(const char *path)
{
    unsigned i = 0;
    while (strcmp(policy_fields[i].path, path) != 0) {
        i++;
        assert(i < policy_field_count);
    }
    return &policy_fields[i];
}

/* CEL for the value at "section.key", or what the chosen preset has. */
static void effective(struct buf *rule, const char *section, const char *key)
{
    static const char quote_of[] = {[POLICY_TYPE_COUNT] = ' ', [POLICY_TYPE_ENUM] = '\''};
    char path[64], text[POLICY_VALUE_BYTES];
    const char *const *names = policy_preset_names();
    (void)snprintf(path, sizeof path, "%s.%s", section, key);
    const struct policy_field *f = field_get(path);
    char quote = quote_of[f->type];
    buf_printf(rule, "(has(self.%s) && has(self.%s) ? self.%s : has(self.preset) && ", section,
            path, path);
    for (unsigned i = 0; names[i]; i++) {
        const struct policy *p = policy_preset(str_from(names[i]));
        if (strcmp(names[i], "balanced") == 0)
            continue;
        buf_printf(rule, "%sself.preset == '%s' ? %c%s%c : ", i == 0 ? "" : "has(self.preset) && ",
                names[i], quote, policy_value_format(f, policy_field_get(f, p), text), quote);
    }
    (void)policy_value_format(f, policy_field_get(f, policy_preset(STR_LIT("balanced"))), text);
    buf_printf(rule, "%c%s%c)", quote, text, quote);
}

static void rules_put(struct buf *out, unsigned depth)
{
    struct buf rule = BUF_INIT(8192);
    line(out, depth, "x-kubernetes-validations:");
    effective(&rule, "timeSlicing", "minReplicas");
    buf_puts(&rule, " <= ");
    effective(&rule, "timeSlicing", "maxReplicas");
    rule_put(out, depth, rule.ptr,
            "timeSlicing.minReplicas is above timeSlicing.maxReplicas (of the preset where not "
            "given)");
    buf_reset(&rule);
    buf_puts(&rule, "[");
    effective(&rule, "latencySensitive", "treatment");
    /* Every preset lists all techniques. */
    buf_puts(&rule, "].all(t, t == 'exclusive' || !has(self.techniques) || "
                    "self.techniques.exists(x, x.technique == t))");
    rule_put(out, depth, rule.ptr,
            "latencySensitive.treatment (of the preset where not given): expected exclusive or one "
            "of techniques");
    buf_clear(&rule);
}

/* ---- the documents ---- */

static void head_put(struct buf *out, const char *kind, const char *plural, const char *singular,
        const char *short_name)
{
    line(out, 0, "apiVersion: apiextensions.k8s.io/v1");
    line(out, 0, "kind: CustomResourceDefinition");
    line(out, 0, "metadata:");
    line(out, 1, "name: %s.sharing.slicewright.io", plural);
    line(out, 0, "spec:");
    line(out, 1, "group: sharing.slicewright.io");
    line(out, 1, "scope: Cluster");
    line(out, 1, "names:");
    line(out, 2, "kind: %s", kind);
    line(out, 2, "listKind: %sList", kind);
    line(out, 2, "plural: %s", plural);
    line(out, 2, "singular: %s", singular);
    line(out, 2, "shortNames: [%s]", short_name);
    line(out, 2, "categories: [slicewright]");
    line(out, 1, "versions:");
    line(out, 1, "- name: v1alpha1");
    line(out, 2, "served: true");
    line(out, 2, "storage: true");
    line(out, 2, "subresources: {status: {}}");
    line(out, 2, "additionalPrinterColumns:");
}

static const char policy_columns[] =
        "    - {name: Preset, type: string, jsonPath: .spec.preset}\n"
        "    - {name: Suspend, type: boolean, jsonPath: .spec.suspend}\n"
        "    - {name: Accepted, type: string, jsonPath: "
        "'.status.conditions[?(@.type==\"Accepted\")].status'}\n"
        "    - {name: Governing, type: string, jsonPath: "
        "'.status.conditions[?(@.type==\"Governing\")].status'}\n"
        "    - {name: Reason, type: string, jsonPath: "
        "'.status.conditions[?(@.type==\"Governing\")].reason'}\n"
        "    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}\n";

/* metav1.Condition; the list is keyed by type. */
static const char conditions_schema[] =
        "              conditions:\n"
        "                type: array\n"
        "                maxItems: 16\n"
        "                x-kubernetes-list-type: map\n"
        "                x-kubernetes-list-map-keys: [type]\n"
        "                items:\n"
        "                  type: object\n"
        "                  required: [type, status, lastTransitionTime, reason, message]\n"
        "                  properties:\n"
        "                    type: {type: string, maxLength: 316}\n"
        "                    status: {type: string, enum: [\"True\", \"False\", Unknown]}\n"
        "                    observedGeneration: {type: integer, format: int64, minimum: 0}\n"
        "                    lastTransitionTime: {type: string, format: date-time}\n"
        "                    reason: {type: string, minLength: 1, maxLength: 1024}\n"
        "                    message: {type: string, maxLength: 32768}\n";

static const char plan_columns[] =
        "    - {name: Phase, type: string, jsonPath: .status.phase}\n"
        "    - {name: Digest, type: string, jsonPath: .status.digest}\n"
        "    - {name: Saving-USD/Day, type: string, jsonPath: .status.savingUSDPerDay}\n"
        "    - {name: Steps, type: integer, jsonPath: .status.stepCount}\n"
        "    - {name: Done, type: integer, jsonPath: .status.doneCount}\n"
        "    - {name: Approved, type: string, jsonPath: "
        "'.status.conditions[?(@.type==\"Approved\")].reason', priority: 1}\n"
        "    - {name: Proposed, type: date, jsonPath: .status.proposedAt}\n";

static const char plan_schema[] =
        "    schema:\n"
        "      openAPIV3Schema:\n"
        "        description: What Slicewright would change on the nodes of one GPU model, and "
        "asks "
        "a person for.\n"
        "        type: object\n"
        "        required: [spec]\n"
        "        properties:\n"
        "          apiVersion: {type: string}\n"
        "          kind: {type: string}\n"
        "          metadata: {type: object}\n"
        "          spec:\n"
        "            type: object\n"
        "            required: [policy]\n"
        "            properties:\n"
        "              policy:\n"
        "                description: The SharingPolicy under which it was made.\n"
        "                type: string\n"
        "                minLength: 1\n"
        "                maxLength: 253\n"
        "                x-kubernetes-validations:\n"
        "                - {rule: self == oldSelf, message: the policy of a plan never changes}\n"
        "              approve:\n"
        "                description: Write status.digest here to approve the plan as it is.\n"
        "                type: string\n"
        "                maxLength: 16\n"
        "                x-kubernetes-validations:\n"
        "                - rule: \"self == '' || self.matches('^[0-9a-f]{16}$')\"\n"
        "                  message: expected the plan's status.digest, 16 hexadecimal digits\n"
        "          status:\n"
        "            type: object\n"
        "            properties:\n"
        "              observedGeneration: {type: integer, format: int64}\n"
        "              phase: {type: string, enum: [Proposed, Approved, Completed, Expired]}\n"
        "              digest:\n"
        "                description: Of the steps that wait for approval; another one with each "
        "change of them.\n"
        "                type: string\n"
        "                maxLength: 16\n"
        "              proposedAt: {type: string, format: date-time}\n"
        "              approvedAt: {type: string, format: date-time}\n"
        "              savingUSDPerDay: {type: string, maxLength: 32}\n"
        "              stepCount: {type: integer, minimum: 0}\n"
        "              doneCount: {type: integer, minimum: 0}\n"
        "              steps:\n"
        "                type: array\n"
        "                x-kubernetes-list-type: atomic\n"
        "                maxItems: %d\n"
        "                items:\n"
        "                  type: object\n"
        "                  required: [digest, change, subject, state]\n"
        "                  properties:\n"
        "                    digest: {type: string, maxLength: 16}\n"
        "                    change: {type: string, maxLength: 64}\n"
        "                    subject:\n"
        "                      type: object\n"
        "                      required: [kind, name]\n"
        "                      properties:\n"
        "                        kind: {type: string, maxLength: 63}\n"
        "                        namespace: {type: string, maxLength: 63}\n"
        "                        name: {type: string, maxLength: 253}\n"
        "                    from: {type: string, maxLength: 256}\n"
        "                    to: {type: string, maxLength: 256}\n"
        "                    reason: {type: string, maxLength: 64}\n"
        "                    text: {type: string, maxLength: 1024}\n"
        "                    savingUSDPerDay: {type: string, maxLength: 32}\n"
        "                    state:\n"
        "                      type: string\n"
        "                      enum: [Proposed, Approved, Begun, OwnerMustAct, Done, Failed, "
        "Withdrawn, Lapsed]\n"
        "                    patch:\n"
        "                      description: For the owner, a strategic merge patch.\n"
        "                      type: string\n"
        "                      maxLength: 16384\n"
        "                    command: {type: string, maxLength: 20480}\n";

void policy_crd_emit(struct buf *out)
{
    buf_puts(out, "# Written by `slicewright policy crd`.\n");
    head_put(out, POLICY_KIND, "sharingpolicies", "sharingpolicy", "spol");
    buf_puts(out, policy_columns);
    line(out, 2, "schema:");
    line(out, 3, "openAPIV3Schema:");
    line(out, 4, "description: What workloads may be given, what to aim for and what never to do.");
    line(out, 4, "type: object");
    line(out, 4, "required: [spec]");
    line(out, 4, "properties:");
    line(out, 5, "apiVersion: {type: string}");
    line(out, 5, "kind: {type: string}");
    line(out, 5, "metadata: {type: object}");
    line(out, 5, "spec:");
    line(out, 6, "type: object");
    rules_put(out, 6);
    line(out, 6, "properties:");
    line(out, 7, "preset:");
    line(out, 8, "description: What the other keys start from; balanced when not given.");
    line(out, 8, "type: string");
    names_put(out, 8, policy_preset_names());
    fields_put(out);
    line(out, 5, "status:");
    line(out, 6, "type: object");
    line(out, 6, "properties:");
    buf_puts(out, conditions_schema);
    line(out, 0, "---");
    head_put(out, "SharingPlan", "sharingplans", "sharingplan", "splan");
    buf_puts(out, plan_columns);
    buf_printf(out, plan_schema, POLICY_PLAN_STEPS_MAX);
    buf_puts(out, conditions_schema);
}
