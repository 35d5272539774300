/* kube/watch-priv.h - the reflector's ear alone, for fuzzing. */
#ifndef KUBE_WATCH_PRIV_H
#define KUBE_WATCH_PRIV_H

#include "kube/watch.h"

/* Takes the next bytes of the answer under way, as they come from the server.  0, or a negative
 * errno when they end the request. */
int watch_take(struct kube_watch *w, struct str chunk);

#endif
