/* cli/dra.h - what the verbs of `slicewright dra` share: options, files, the world they make. */
#ifndef CLI_DRA_H
#define CLI_DRA_H

#include "cli/option.h"
#include "dra/allocate.h"
#include "dra/device.h"

/* The values of every sub-verb's options. */
struct cli_dra_options {
    const char *file, *kubeconfig, *context, *claim, *pod, *node, *expr;
    bool all_nodes, batch;
    uint32_t variant, output;
    uint64_t steps, top;
};

extern const char *const cli_dra_variant_choices[];

#define CLI_DRA_FILE(type, member)                                                                 \
    {                                                                                              \
        .name = "file", .letter = 'f', .kind = CLI_OPTION_FILE, CLI_AT(type, member),              \
        .value_name = "FILE",                                                                      \
        .help = "objects, YAML or JSON, many documents, lists;\n"                                  \
                "- reads standard input; without it the cluster is read"                           \
    }
#define CLI_DRA_KUBECONFIG(type, member)                                                           \
    {                                                                                              \
        .name = "kubeconfig", .kind = CLI_OPTION_FILE, CLI_AT(type, member), .value_name = "FILE", \
        .help = "how to reach the cluster; else $KUBECONFIG, the pod's own\n"                      \
                "service account, ~/.kube/config"                                                  \
    }
#define CLI_DRA_CONTEXT(type, member)                                                              \
    {                                                                                              \
        .name = "context", .kind = CLI_OPTION_TEXT, CLI_AT(type, member), .value_name = "NAME",    \
        .help = "which context of the kubeconfig"                                                  \
    }
#define CLI_DRA_CLAIM(type, member)                                                                \
    {                                                                                              \
        .name = "claim", .letter = 'c', .kind = CLI_OPTION_TEXT, CLI_AT(type, member),             \
        .value_name = "NS/NAME", .help = "this claim (or template) only"                           \
    }
#define CLI_DRA_POD(type, member)                                                                  \
    {                                                                                              \
        .name = "pod", .letter = 'p', .kind = CLI_OPTION_TEXT, CLI_AT(type, member),               \
        .value_name = "NS/NAME",                                                                   \
        .help = "the unallocated claims of this pod, together, in its order"                       \
    }
#define CLI_DRA_STEPS(type, member)                                                                \
    {                                                                                              \
        .name = "steps", .kind = CLI_OPTION_NUMBER, CLI_AT(type, member), .value_name = "N",       \
        .default_text = "4000000", .min = 1, .max = UINT64_C(1) << 40,                             \
        .help = "give up a search after so many steps; after the default the\n"                    \
                "scheduler, which takes more of them, has timed out (10 s)"                        \
    }
#define CLI_DRA_NODE(type, member)                                                                 \
    {                                                                                              \
        .name = "node", .letter = 'n', .kind = CLI_OPTION_TEXT, CLI_AT(type, member),              \
        .value_name = "NODE", .help = "this node only"                                             \
    }
#define CLI_DRA_VARIANT(type, member)                                                              \
    {                                                                                              \
        .name = "variant", .kind = CLI_OPTION_CHOICE, CLI_AT(type, member),                        \
        .value_name = "VARIANT", .default_text = "incubating", .choices = cli_dra_variant_choices, \
        .help = "upstream's allocator: incubating runs in a default cluster,\n"                    \
                "experimental with alpha gates"                                                    \
    }
#define CLI_DRA_BATCH(type, member)                                                                \
    {                                                                                              \
        .name = "batch", .kind = CLI_OPTION_FLAG, CLI_AT(type, member),                            \
        .help = "answer one JSON object a line on standard input"                                  \
    }

/* The objects of a file or cluster, and what of them was asked for. */
struct cli_dra_world {
    struct dra_store *store;
    const char *from;                /* "objects.yaml", "cluster prod", for messages */
    const struct dra_pod *pod;       /* the one that was named; NULL */
    const struct dra_claim **claims; /* unallocated ones, or those of what was named */
    const struct dra_node **nodes;   /* the one that was named, or all */
    uint32_t claim_count, node_count;
};

/* Reads one document. */
int cli_dra_read_one(
        const char *path, struct arena *arena, const struct doc **ret_doc, struct err *reterr);

/* What is done with every document of a file; `line` = lines before it. */
typedef int cli_dra_visit(void *context, const struct doc *doc, struct err *reterr);
int cli_dra_read(const char *path, cli_dra_visit *visit, void *context, struct err *reterr);

/* Lists all that matters of a cluster into the store.  ret_from: in its arena.  -EACCES and the
 * like when one list cannot be read: without it no answer is right. */
int cli_dra_read_live(const struct cli_dra_options *o, struct dra_store *store,
        const char **ret_from, struct err *reterr);

/* Adds nodes that slices or devices name, where the store has no Node of that name. */
void cli_dra_nodes_make_up(struct dra_store *s);

/* Reads o->file, or the cluster, and finds what was asked for.  Objects of files are validated, and
 * nodes that only slices name are made up.  Clear in any case. */
int cli_dra_load(
        const struct cli_dra_options *o, struct cli_dra_world *ret_world, struct err *reterr);
void cli_dra_clear(struct cli_dra_world *world);

/* An engine that knows what allocated claims hold; NULL with an error. */
struct dra_engine *cli_dra_engine(
        const struct cli_dra_options *o, const struct cli_dra_world *world, struct err *reterr);

extern const struct cli_verb cli_dra_explain_verb, cli_dra_lint_verb, cli_dra_slices_verb;

#endif
