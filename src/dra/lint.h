/* dra/lint.h - practice beyond the API's rules: what is legal and will hurt.  Pure. */
#ifndef DRA_LINT_H
#define DRA_LINT_H

#include "cel/guard.h"
#include "dra/allocate.h"

/* One warning: the object ("ResourceClaim ns/name, request r") and what is wrong. */
typedef void dra_warning_fn(void *context, const char *object, const char *text);

/* Looks at classes, claims and templates against the devices of the store.  An engine over the same
 * store; its state does not matter.  Tells of:
 *   - a selector that fails on a published device
 *   - one that would fail on a device of another driver: it reads an attribute or capacity, and
 *     neither it nor a selector that is asked before it (the class comes first) makes sure of it
 *   - a selector, with its class, that no published device satisfies
 *   - a claim that may ask for more than 32 devices
 *   - mode All where a pool is incomplete or invalid on some node */
void dra_lint(struct dra_engine *e, dra_warning_fn *on_warning, void *context);

/* What cel/guard.h is to look for in selectors. */
extern const struct cel_guard_names dra_guard_names;

#endif
