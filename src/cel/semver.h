/* cel/semver.h - strict SemVer 2.0.0: parse, compare, print.
 *
 * Pure.  Behaves as github.com/blang/semver/v4's Parse and Compare, which Kubernetes uses for
 * version attributes; the API's own validation regex accepts the same but for numbers over 64 bits.
 */
#ifndef CEL_SEMVER_H
#define CEL_SEMVER_H

#include "base/err.h"
#include "base/str.h"

/* `pre` and `build` are views into the parsed text, without '-' and '+'; empty when absent. */
struct cel_semver {
    uint64_t major, minor, patch;
    struct str pre, build;
};

/* Returns 0, or -EINVAL with upstream's reason; views in *ret_version point into `text`. */
int cel_semver_parse(struct str text, struct cel_semver *ret_version, struct err *reterr);

/* -1, 0 or 1; build metadata does not count. */
int cel_semver_cmp(const struct cel_semver *a, const struct cel_semver *b);

/* A number too long for the longest output of cel_semver_normalize. */
#define CEL_SEMVER_NORMALIZE_EXTRA 8

/* Writes the normalized form that semver(s, true) parses ("v1.02" -> "1.2.0") into `ret_text`,
 * which has room for text.len + CEL_SEMVER_NORMALIZE_EXTRA bytes.  Returns 0, or -EINVAL for a
 * short version with pre-release or build data. */
int cel_semver_normalize(struct str text, char *ret_text, size_t *ret_len, struct err *reterr);

#endif
