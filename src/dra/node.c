/* dra/node.c - does a node selector, or a device's own node fields, admit a node?  Pure. */
#include "dra/engine-priv.h"

#include <errno.h>

static const struct dra_label *label_find(const struct dra_node *node, uint32_t key)
{
    for (uint32_t i = 0; i < node->label_count; i++) {
        if (node->labels[i].key == key)
            return &node->labels[i];
    }
    return NULL;
}

static bool list_has(struct dra_name_list list, uint32_t name)
{
    for (uint32_t i = 0; i < list.count; i++) {
        if (list.names[i] == name)
            return true;
    }
    return false;
}

static int refuse(const struct dra_names *names, const struct dra_requirement *q, const char *why,
        struct err *reterr)
{
    return err_set(reterr, -EINVAL, "failed to parse node selector: key \"%.*s\": %s",
            STR_ARG_SHORT(dra_name(names, q->key)), why);
}

/* Gt and Lt: integers on both sides. */
static int compare_integers(const struct dra_names *names, const struct dra_requirement *q,
        const struct dra_label *label, bool greater)
{
    int64_t limit = 0;
    int64_t value = 0;
    if (!label || str_to_i64(dra_name(names, label->value), INT64_MIN, INT64_MAX, &value) != 0)
        return 0;
    (void)str_to_i64(dra_name(names, q->values.names[0]), INT64_MIN, INT64_MAX, &limit);
    return greater ? value > limit : value < limit;
}

static int requirement_check(
        const struct dra_names *names, const struct dra_requirement *q, struct err *reterr)
{
    struct str op = dra_name(names, q->operator_text);
    if (str_eq_c(op, "In") || str_eq_c(op, "NotIn"))
        return q->values.count > 0 ? 0 : refuse(names, q, "in and notin need values", reterr);
    if (str_eq_c(op, "Exists") || str_eq_c(op, "DoesNotExist"))
        return q->values.count == 0 ? 0 : refuse(names, q, "exists takes no values", reterr);
    if (!str_eq_c(op, "Gt") && !str_eq_c(op, "Lt"))
        return refuse(names, q, "unknown operator", reterr);
    int64_t limit = 0;
    if (q->values.count != 1 ||
            str_to_i64(dra_name(names, q->values.names[0]), INT64_MIN, INT64_MAX, &limit) != 0)
        return refuse(names, q, "gt and lt need one integer", reterr);
    return 0;
}

static bool requirement_met(
        const struct dra_names *names, const struct dra_requirement *q, const struct dra_node *node)
{
    struct str op = dra_name(names, q->operator_text);
    const struct dra_label *label = label_find(node, q->key);
    if (str_eq_c(op, "In"))
        return label && list_has(q->values, label->value);
    if (str_eq_c(op, "NotIn"))
        return !label || !list_has(q->values, label->value);
    if (str_eq_c(op, "Exists"))
        return label != NULL;
    if (str_eq_c(op, "DoesNotExist"))
        return label == NULL;
    return compare_integers(names, q, label, str_eq_c(op, "Gt")) != 0;
}

static int field_check(
        const struct dra_names *names, const struct dra_requirement *q, struct err *reterr)
{
    struct str op = dra_name(names, q->operator_text);
    if ((str_eq_c(op, "In") || str_eq_c(op, "NotIn")) && q->values.count == 1)
        return 0;
    return refuse(names, q, "fields take in or notin with one value", reterr);
}

static bool field_met(
        const struct dra_names *names, const struct dra_requirement *q, const struct dra_node *node)
{
    uint32_t value = str_eq_c(dra_name(names, q->key), "metadata.name") ? node->name : 0;
    return (value == q->values.names[0]) == str_eq_c(dra_name(names, q->operator_text), "In");
}

static bool term_met(
        const struct dra_names *names, const struct dra_term *term, const struct dra_node *node)
{
    if (term->expression_count == 0 && term->field_count == 0)
        return false;
    for (uint32_t i = 0; i < term->expression_count; i++) {
        if (!requirement_met(names, &term->expressions[i], node))
            return false;
    }
    for (uint32_t i = 0; i < term->field_count; i++) {
        if (!field_met(names, &term->fields[i], node))
            return false;
    }
    return true;
}

int dra_node_matches(const struct dra_names *names, const struct dra_node *node,
        const struct dra_node_selector *selector, struct err *reterr)
{
    for (uint32_t i = 0; i < selector->term_count; i++) {
        const struct dra_term *term = &selector->terms[i];
        for (uint32_t k = 0; k < term->expression_count; k++) {
            int r = requirement_check(names, &term->expressions[k], reterr);
            if (r)
                return r;
        }
        for (uint32_t k = 0; k < term->field_count; k++) {
            int r = field_check(names, &term->fields[k], reterr);
            if (r)
                return r;
        }
    }
    for (uint32_t i = 0; i < selector->term_count; i++) {
        if (term_met(names, &selector->terms[i], node))
            return 1;
    }
    return 0;
}

int dra_device_on_node(const struct dra_names *names, const struct dra_node *node,
        const struct dra_device *device, struct err *reterr)
{
    const struct dra_device_extra *x = device->extra;
    if (!x)
        return 0;
    if (x->node_name)
        return x->node_name == node->name;
    if (x->all_nodes)
        return 1;
    return x->selector ? dra_node_matches(names, node, x->selector, reterr) : 0;
}
