/* kube/lease.h - leader election by a Lease object.
 *
 * As client-go does it: a candidate takes over when the holder's renewal has not changed, by the
 * local monotonic clock, for the holder's leaseDurationSeconds; the holder renews each retry_ns and
 * gives up when it could not for renew_deadline_ns.  Every write carries resourceVersion. */
#ifndef KUBE_LEASE_H
#define KUBE_LEASE_H

#include "kube/client.h"

struct kube_elector;

enum kube_lead {
    KUBE_LEAD_NO, /* somebody else leads, or nobody is known to */
    KUBE_LEAD_YES,
    KUBE_LEAD_LOST, /* we led and could not renew in time: stop acting at once */
};

struct kube_elector_options {
    const char *namespace, *name;
    const char *identity; /* unique of this process, e.g. "<pod>_<random>" */
    int64_t lease_ns, renew_deadline_ns, retry_ns; /* 0 = 15 s, 10 s, 2 s */
    void (*changed)(void *user, enum kube_lead lead, struct str holder);
    /* A note to the next holder, kept in the Lease under the annotation note_key (NULL = none):
     * `note` writes it anew for each renewal, `noted` tells that one is written which was begun
     * after the last kube_elector_renew(). */
    const char *note_key;
    void (*note)(void *user, struct buf *out); /* at most KUBE_NOTE_MAX bytes */
    void (*noted)(void *user);
    void *user;
};

enum { KUBE_NOTE_MAX = 4096 };

int kube_elector_start(struct kube_client *client, const struct kube_elector_options *options,
        struct kube_elector **ret_elector, struct err *reterr);

/* True while acting is safe: we hold the lease and renewed it within renew_deadline_ns. */
bool kube_elector_leads(const struct kube_elector *e);

/* The note of the holder before us, and for how long it has been there by our clock; "" = none.
 * Stays as it was when we took the lease.  The view is valid until the elector goes. */
struct str kube_elector_note(const struct kube_elector *e, int64_t *ret_age_ns);

/* Renews at once, if we lead: `noted` follows, unless the lease is lost. */
void kube_elector_renew(struct kube_elector *e);

/* Gives the lease back (holder "", duration 1 s), so that the next one starts at once; `done` when
 * the answer is there or after 2 s.  Does nothing but call `done` when we do not lead. */
void kube_elector_release(struct kube_elector *e, void (*done)(void *user), void *user);

void kube_elector_free(struct kube_elector *e); /* NULL is accepted; calls nothing */

#endif
