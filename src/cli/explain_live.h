/* cli/explain_live.h - what a running controller decided, asked over its JSON API. */
#ifndef CLI_EXPLAIN_LIVE_H
#define CLI_EXPLAIN_LIVE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* True for what is no file: "http://HOST:PORT". */
bool cli_explain_is_live(const char *recording);

/* Prints the last decisions about "node/NAME", "workload/NAMESPACE/NAME", "pod/NAMESPACE/NAME" or
 * "all".  0; -ENODATA when there is none; -EINVAL for another subject; what the connection said. */
int cli_explain_live(
        const char *url, const char *subject, uint64_t last, bool json, struct err *reterr);

#endif
