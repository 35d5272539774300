/* cli/version.c - the verb `slicewright version`. */
#include "base/json.h"
#include "cli/option.h"
#include "cli/verbs.h"

#ifndef SLICEWRIGHT_VERSION
#define SLICEWRIGHT_VERSION "unversioned"
#endif

struct options {
    uint32_t output;
};

static const struct cli_option options[] = {CLI_OPTION_OUTPUT(struct options, output), {0}};

static int run(const struct cli_call *call, struct err *reterr)
{
    const struct options *o = call->options;
    struct buf text = BUF_INIT(1 << 12);
    if (o->output == CLI_OUTPUT_JSON) {
        struct json_writer w = JSON_WRITER(&text, 2);
        jw_object(&w);
        jw_kv_cstr(&w, "version", SLICEWRIGHT_VERSION);
        jw_kv_cstr(&w, "compiler", __VERSION__);
        jw_object_end(&w);
        buf_putc(&text, '\n');
    } else {
        buf_puts(&text, "slicewright " SLICEWRIGHT_VERSION "\n");
    }
    int rc = cli_print(&text, reterr);
    buf_clear(&text);
    return rc;
}

const struct cli_verb cli_verb_version = {
        .name = "version",
        .brief = "which slicewright this is",
        .summary = "Prints the version.",
        .options = options,
        .options_size = sizeof(struct options),
        .run = run,
};
