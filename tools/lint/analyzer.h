/* tools/lint/analyzer.h - what clang's analyzer cannot see from one file: functions that make an
 * error return a negative code.  Included first in each file that clang-tidy looks at
 * (tools/check), so that "if (r < 0) return r;" ends the paths on which outputs were not written.
 */
#ifndef TOOLS_LINT_ANALYZER_H
#define TOOLS_LINT_ANALYZER_H

#include "base/err.h"

#define err_set(e, code, ...)         ((void)(err_set)((e), (code), __VA_ARGS__), (code))
#define err_set_at(e, code, pos, ...) ((void)(err_set_at)((e), (code), (pos), __VA_ARGS__), (code))
#define err_wrap(e, ...)              ((void)(err_wrap)((e), __VA_ARGS__), -1)

#endif
