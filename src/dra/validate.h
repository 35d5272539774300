/* dra/validate.h - the API server's rules for objects of resource.k8s.io/v1.
 *
 * Pure.  Works on documents, so that every problem has its path and line.  Wording follows the API
 * server's field errors: "spec.devices[0].name: Invalid value: "A": ...".  CEL selectors are
 * compiled and their cost is estimated, as at admission. */
#ifndef DRA_VALIDATE_H
#define DRA_VALIDATE_H

#include "base/doc.h"
#include "base/err.h"

/* One problem: its line (0 = not known), path and reason. */
typedef void dra_problem_fn(void *context, uint32_t line, const char *path, const char *reason);

/* Checks one object, or every item of a List.  Kinds that are not of resource.k8s.io are fine.
 * on_problem: told of every problem; NULL: the first one is the error.
 * Returns 0; -EINVAL (only without on_problem). */
int dra_validate(
        const struct doc *doc, dra_problem_fn *on_problem, void *context, struct err *reterr);

#endif
