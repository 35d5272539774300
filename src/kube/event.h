/* kube/event.h - Events (events.k8s.io/v1) about objects, aggregated and rate-limited.
 *
 * The same (object, reason, note) within 10 minutes becomes a series: one patch at most each 30 s,
 * not an object each.  At most 25 events an object at once and one each 5 minutes after; what is
 * dropped is counted.  Best effort: an Event that the server refuses is counted, never retried. */
#ifndef KUBE_EVENT_H
#define KUBE_EVENT_H

#include "kube/client.h"

struct kube_recorder;

enum { KUBE_EVENT_NOTE_MAX = 1024, KUBE_EVENT_REASON_MAX = 128 };

struct kube_event {
    struct str api_version, kind, namespace, name, uid; /* of the object it is about */
    bool warning;
    const char *reason; /* CamelCase */
    const char *action; /* what was done or tried */
    struct str note;    /* cut at KUBE_EVENT_NOTE_MAX bytes, at a character's border */
};

struct kube_recorder *kube_recorder_new(
        struct kube_client *client, const char *controller, const char *instance);
void kube_recorder_free(
        struct kube_recorder *r); /* NULL is accepted; what is under way is dropped */

void kube_recorder_emit(struct kube_recorder *r, const struct kube_event *event);

struct kube_recorder_stats {
    uint64_t created, patched, dropped, refused;
};
struct kube_recorder_stats kube_recorder_stats(const struct kube_recorder *r);

#endif
