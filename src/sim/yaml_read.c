/* sim/yaml_read.c - one value of a scenario document by its field's type.  Pure. */
#include "sim/yaml-priv.h"

#include "base/civil.h"
#include "base/num.h"
#include "model/gpu.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN = 60, FIELDS_MAX = 40 };

int sim_yaml_fail(
        const struct doc *value, const char *path, const char *expected, struct err *reterr)
{
    struct str text = value->text;
    bool scalar = value->kind != DOC_OBJECT && value->kind != DOC_ARRAY;
    if (text.len > SHOWN)
        text.len = str_utf8_prefix((struct str){text.ptr, SHOWN});
    const char *dot = value->key.len > 0 ? "." : "";
    struct str key = value->key;
    if (key.len > SHOWN)
        key.len = str_utf8_prefix((struct str){key.ptr, SHOWN});
    if (!scalar) {
        return err_set(reterr, -EINVAL, "line %u: %s%s%.*s: %s: expected %s", value->line, path,
                dot, STR_ARG(key), doc_kind_name(value->kind), expected);
    }
    return err_set(reterr, -EINVAL, "line %u: %s%s%.*s: '%.*s': expected %s", value->line, path,
            dot, STR_ARG(key), STR_ARG(text), expected);
}

/* A number of any unit as what is stored. */
static int number(const struct doc *v, enum sim_yaml_type type, const struct sim_yaml_field *f,
        int64_t *ret_value)
{
    int64_t value = 0;
    int rc = -EINVAL;
    if (v->kind != DOC_INT && v->kind != DOC_REAL)
        return -EINVAL;
    switch (type) {
    case YAML_COUNT:
    case YAML_HOURS_COUNT:
        rc = str_to_i64(v->text, f->min, f->max, ret_value);
        return rc;
    case YAML_PERCENT:
    case YAML_HOURS_PERCENT:
        return str_to_fixed(v->text, 1, f->min, f->max, ret_value);
    case YAML_MILLI:
    case YAML_HOURS_MILLI:
        return str_to_fixed(v->text, 3, f->min, f->max, ret_value);
    case YAML_GIB:
        rc = str_to_fixed(v->text, 3, 0, INT64_C(1) << 40, &value);
        *ret_value = value * 1024 / 1000;
        break;
    case YAML_USD:
        return str_to_fixed(v->text, 6, f->min, f->max, ret_value);
    case YAML_DURATION:
    case YAML_TIME:
    case YAML_BOOL:
    case YAML_ENUM:
    case YAML_NAME:
    case YAML_GPU:
    case YAML_GPUS:
    case YAML_OTHER:
        break;
    }
    if (rc == 0 && (*ret_value < f->min || *ret_value > f->max))
        rc = -ERANGE;
    return rc;
}

static const char *expectation(
        const struct sim_yaml_field *f, enum sim_yaml_type type, char *text, size_t size)
{
    long long min = (long long)f->min, max = (long long)f->max;
    switch (type) {
    case YAML_PERCENT:
    case YAML_HOURS_PERCENT:
        (void)snprintf(text, size, "percent, %lld to %lld", min / 10, max / 10);
        break;
    case YAML_MILLI:
    case YAML_HOURS_MILLI:
        (void)snprintf(text, size, "a number of %lld to %lld", min / 1000, max / 1000);
        break;
    case YAML_GIB:
        (void)snprintf(text, size, "GiB, %lld to %lld", min / 1024, max / 1024);
        break;
    case YAML_USD:
        (void)snprintf(text, size, "USD, %lld to %lld", min / 1000000, max / 1000000);
        break;
    case YAML_COUNT:
    case YAML_HOURS_COUNT:
    case YAML_DURATION:
    case YAML_TIME:
    case YAML_BOOL:
    case YAML_ENUM:
    case YAML_NAME:
    case YAML_GPU:
    case YAML_GPUS:
    case YAML_OTHER:
        (void)snprintf(text, size, "a whole number, %lld to %lld", min, max);
        break;
    }
    return text;
}

static int read_hours(const struct doc *v, const char *path, const struct sim_yaml_field *f,
        uint32_t *ret_hours, struct err *reterr)
{
    char text[80];
    int64_t value = 0;
    const char *expected = expectation(f, f->type, text, sizeof text);
    if (v->kind != DOC_ARRAY) {
        if (number(v, f->type, f, &value) != 0)
            return sim_yaml_fail(v, path, expected, reterr);
        for (unsigned h = 0; h < SIM_HOURS; h++)
            ret_hours[h] = (uint32_t)value;
        return 0;
    }
    if (v->count != 24 && v->count != SIM_HOURS) {
        return sim_yaml_fail(
                v, path, "one number, 24 (each hour) or 48 (weekdays, weekends)", reterr);
    }
    for (uint32_t h = 0; h < v->count; h++) {
        if (number(&v->first[h], f->type, f, &value) != 0)
            return sim_yaml_fail(&v->first[h], path, expected, reterr);
        ret_hours[h] = (uint32_t)value;
        if (v->count == 24)
            ret_hours[24 + h] = (uint32_t)value;
    }
    return 0;
}

static int read_gpu(const struct doc *v, const char *path, uint16_t *ret_gpu, struct err *reterr)
{
    const struct model_gpu *gpu = NULL;
    struct err e = {0};
    if (v->kind != DOC_STRING)
        return sim_yaml_fail(v, path, "a GPU model such as A100-80GB", reterr);
    int rc = model_gpu_find(v->text, &gpu, &e);
    if (rc != 0)
        return err_set(reterr, -EINVAL, "line %u: %s: %s", v->line, path, e.text);
    *ret_gpu = (uint16_t)model_gpu_index(gpu);
    return 0;
}

static int read_gpus(const struct doc *v, const char *path, uint64_t *ret_mask, struct err *reterr)
{
    bool list = v->kind == DOC_ARRAY;
    uint64_t mask = 0;
    if (list && v->count == 0)
        return sim_yaml_fail(v, path, "a GPU model or a list of them", reterr);
    for (uint32_t i = 0; i < (list ? v->count : 1); i++) {
        uint16_t gpu = 0;
        int rc = read_gpu(list ? &v->first[i] : v, path, &gpu, reterr);
        if (rc != 0)
            return rc;
        assert(gpu < 64);
        mask |= UINT64_C(1) << gpu;
    }
    *ret_mask = mask;
    return 0;
}

static int read_enum(const struct doc *v, const char *path, const struct sim_yaml_field *f,
        int32_t *ret_value, struct err *reterr)
{
    char text[160] = "one of";
    size_t used = strlen(text);
    for (int32_t i = 0; f->names[i] != NULL; i++) {
        if (v->kind == DOC_STRING && str_eq_c(v->text, f->names[i])) {
            *ret_value = i;
            return 0;
        }
        if (used < sizeof text) {
            used += (size_t)snprintf(
                    text + used, sizeof text - used, "%s %s", i > 0 ? "," : "", f->names[i]);
        }
    }
    return sim_yaml_fail(v, path, text, reterr);
}

static int read_time(const struct doc *v, const char *path, const struct sim_yaml_field *f,
        int64_t *ret_ns, struct err *reterr)
{
    struct err e = {0};
    bool duration = f->type == YAML_DURATION;
    int64_t ns = 0;
    int rc = duration ? civil_parse_duration(v->text, &ns, &e) : civil_parse(v->text, &ns, &e);
    if (v->kind == DOC_ARRAY || v->kind == DOC_OBJECT || rc != 0 || ns < f->min || ns > f->max) {
        return sim_yaml_fail(v, path,
                duration ? "a duration such as 30m or 1d12h, within its limits"
                         : "a time such as 2026-03-02T00:00:00Z",
                reterr);
    }
    *ret_ns = ns;
    return 0;
}

static int read_number(const struct doc *v, const char *path, const struct sim_yaml_field *f,
        void *at, struct err *reterr)
{
    char text[80];
    int64_t value = 0;
    if (number(v, f->type, f, &value) != 0)
        return sim_yaml_fail(v, path, expectation(f, f->type, text, sizeof text), reterr);
    if (f->type == YAML_USD) {
        *(int64_t *)at = value;
    } else {
        *(uint32_t *)at = (uint32_t)value;
    }
    return 0;
}

static int read_value(const struct doc *v, const char *path, const struct sim_yaml_field *f,
        void *base, struct err *reterr)
{
    void *at = (char *)base + f->offset;
    switch (f->type) {
    case YAML_COUNT:
    case YAML_PERCENT:
    case YAML_MILLI:
    case YAML_GIB:
    case YAML_USD:
        return read_number(v, path, f, at, reterr);
    case YAML_DURATION:
    case YAML_TIME:
        return read_time(v, path, f, at, reterr);
    case YAML_BOOL:
        if (v->kind != DOC_BOOL)
            return sim_yaml_fail(v, path, "true or false", reterr);
        *(bool *)at = v->boolean;
        return 0;
    case YAML_ENUM:
        return read_enum(v, path, f, at, reterr);
    case YAML_NAME:
        if (v->kind != DOC_STRING || v->text.len == 0 || v->text.len > 253)
            return sim_yaml_fail(v, path, "a name of 1 to 253 bytes", reterr);
        *(struct str *)at = v->text;
        return 0;
    case YAML_GPU:
        return read_gpu(v, path, at, reterr);
    case YAML_GPUS:
        return read_gpus(v, path, at, reterr);
    case YAML_HOURS_COUNT:
    case YAML_HOURS_MILLI:
    case YAML_HOURS_PERCENT:
        return read_hours(v, path, f, at, reterr);
    case YAML_OTHER:
        return 0;
    }
    return -EINVAL;
}

static int unknown_key(const struct doc *member, const char *path,
        const struct sim_yaml_field *fields, struct err *reterr)
{
    const char *names[FIELDS_MAX + 1];
    unsigned count = 0;
    for (; count < FIELDS_MAX && fields[count].key != NULL; count++)
        names[count] = fields[count].key;
    names[count] = NULL;
    const char *nearest = str_nearest(member->key, names);
    struct str key = member->key;
    if (key.len > SHOWN)
        key.len = str_utf8_prefix((struct str){key.ptr, SHOWN});
    return err_set(reterr, -EINVAL, "line %u: %s: '%.*s': unknown key%s%s%s", member->key_line,
            path[0] != '\0' ? path : "scenario", STR_ARG(key), nearest ? ": did you mean '" : "",
            nearest ? nearest : "", nearest ? "'?" : "");
}

int sim_yaml_read(const struct doc *object, const char *path, const struct sim_yaml_field *fields,
        void *base, struct err *reterr)
{
    if (object->kind != DOC_OBJECT)
        return sim_yaml_fail(object, path, "a map", reterr);
    for (uint32_t i = 0; i < object->count; i++) {
        const struct doc *member = &object->first[i];
        const struct sim_yaml_field *f = fields;
        while (f->key != NULL && !str_eq_c(member->key, f->key))
            f++;
        if (f->key == NULL)
            return unknown_key(member, path, fields, reterr);
        int rc = read_value(member, path, f, base, reterr);
        if (rc != 0)
            return rc;
    }
    for (const struct sim_yaml_field *f = fields; f->key != NULL; f++) {
        if (f->required && doc_get(object, f->key) == NULL) {
            return err_set(reterr, -EINVAL, "line %u: %s: '%s' is missing", object->line,
                    path[0] != '\0' ? path : "scenario", f->key);
        }
    }
    return 0;
}
