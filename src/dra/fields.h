/* dra/fields.h - fields of an object that the API does not know.
 *
 * Pure.  Source: Kubernetes 1.37.2, whose types fields_data.c is made of.  Paths are those of a
 * strict decoding (sigs.k8s.io/json), as `kubectl apply` shows them: a map's key stands behind a
 * dot, "spec.devices[0].attributes.model.strnig". */
#ifndef DRA_FIELDS_H
#define DRA_FIELDS_H

#include "dra/validate.h"

/* Tells of each field that the type of its object does not have; names are compared letter by
 * letter.  Looks at ResourceSlice, ResourceClaim, ResourceClaimTemplate, DeviceClass and
 * DeviceTaintRule in the versions that dra_store_add takes, and at the items of a List; passes over
 * other kinds and versions, and what is below a field of any content (a driver's parameters).
 *
 * doc: without duplicate keys, as doc_parse_* leaves it.
 * on_problem: its line is that of the field's name. */
void dra_fields_check(const struct doc *doc, dra_problem_fn *on_problem, void *context);

#endif
