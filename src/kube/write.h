/* kube/write.h - changing objects: server-side apply, patches, evictions, Events.
 *
 * Each is one request with one answer (kube/client.h), copied before return; `done` comes from the
 * loop.  Nothing retries behind the caller's back but 429 and 503 that carry Retry-After, at most
 * `retry_max` times (evictions: never, their 429 is an answer).  UNKNOWN means look again. */
#ifndef KUBE_WRITE_H
#define KUBE_WRITE_H

#include "kube/client.h"

enum kube_patch {
    KUBE_PATCH_APPLY, /* server-side apply: the body is the whole intent of `manager`, JSON or YAML
                       */
    KUBE_PATCH_MERGE, /* RFC 7386: lists are replaced; put metadata.resourceVersion for a
                         precondition */
    KUBE_PATCH_JSON,  /* RFC 6902, with `test` operations for preconditions */
    KUBE_PATCH_STRATEGIC, /* built-in kinds only */
};

struct kube_write {
    const char *path; /* the object, "/api/v1/nodes/a", with a subresource if meant ("/status") */
    struct str body;
    const char *manager; /* field manager; required for APPLY */
    bool force;          /* APPLY: take fields over from other managers */
    bool dry_run;
    bool strict; /* fieldValidation=Strict: unknown fields are refused */
    unsigned retry_max;
    void (*done)(void *user, const struct kube_answer *answer);
    void *user;
};

int kube_write_patch(struct kube_client *client, enum kube_patch kind,
        const struct kube_write *write, struct kube_request **ret_request, struct err *reterr);

/* POST to a collection; 409 AlreadyExists is REJECTED with that reason. */
int kube_write_create(struct kube_client *client, const struct kube_write *write,
        struct kube_request **ret_request, struct err *reterr);

/* PUT of a whole object; its metadata.resourceVersion is the precondition. */
int kube_write_replace(struct kube_client *client, const struct kube_write *write,
        struct kube_request **ret_request, struct err *reterr);

/* DELETE with uid precondition ("" = none); 409 when another object has the name now. */
int kube_write_delete(struct kube_client *client, const struct kube_write *write, struct str uid,
        struct kube_request **ret_request, struct err *reterr);

/* Evicts a pod: DONE = its deletion began.  REJECTED 429 with cause DisruptionBudget = not now
 * (retry_after_ns if the server said); 404 = gone; 409 = another uid.  UNKNOWN 500 = several
 * budgets match, among others. */
struct kube_eviction {
    struct str namespace, name, uid; /* uid "" = whatever has the name */
    int64_t grace_seconds;           /* -1 = the pod's own */
    bool dry_run;
    void (*done)(void *user, const struct kube_answer *answer);
    void *user;
};
int kube_write_evict(struct kube_client *client, const struct kube_eviction *eviction,
        struct kube_request **ret_request, struct err *reterr);

/* Says who else writes a field: appends to `out` the managers of metadata.managedFields, other than
 * `manager`, that own `path`, with commas between.  path: its parts as fieldsV1 has them, without
 * "f:",
 * '\n' between ("metadata\nlabels\nnvidia.com/mig.config"). */
struct kube_item;
struct buf;
void kube_write_field_managers(
        const struct kube_item *item, struct str path, struct str manager, struct buf *out);

#endif
