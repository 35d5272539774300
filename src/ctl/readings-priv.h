/* ctl/readings-priv.h - what the ways to an exporter share. */
#ifndef CTL_READINGS_PRIV_H
#define CTL_READINGS_PRIV_H

#include "ctl/readings.h"

/* A round over the exporters of the history's snapshot. */
struct ctl_readings_round {
    struct ctl_history *h;
    struct ctl_readings_result result;
    struct err fatal; /* a limit of the history was passed */
};

/* Takes an exporter's answer: its text or, `why` not NULL, none. */
void ctl_readings_take(
        struct ctl_readings_round *r, uint32_t exporter, struct str text, const struct err *why);

/* Where an exporter is asked directly; text in `a`. */
struct str ctl_readings_url(struct arena *a, const struct ctl_exporter *x);

#endif
