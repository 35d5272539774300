/* What NVIDIA's real programs did over the fake NVML library (test/fake/record): our readers must
 * take it, our writers and our lint must agree with it. */
#include "test.h"

#include "nvidia/gfd.h"
#include "nvidia/mig_parted.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GPUS = 2 };

/* A recorded file; to be freed. */
static char *recorded(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "test/fake/recorded/%s", name);
    char *full = test_root_path(path);
    char *text = test_file_read(full, NULL);
    free(full);
    return text;
}

/* Reads a recording of GFD's labels as views into `text`. */
static uint32_t labels_read(const char *text, struct nvidia_label labels[NVIDIA_GFD_LABELS_MAX])
{
    struct str rest = str_from(text);
    struct str line = {0};
    uint32_t count = 0;
    while (str_split(&rest, '\n', &line)) {
        struct str key = {0};
        if (line.len == 0)
            continue;
        assert_true(count < NVIDIA_GFD_LABELS_MAX);
        assert_true(str_split(&line, '=', &key));
        labels[count++] = (struct nvidia_label){.key = key, .value = line};
    }
    return count;
}

static const struct {
    const char *file;
    uint32_t count, replicas; /* of nvidia.com/gpu */
    enum nvidia_sharing_strategy strategy;
    const char *product; /* its end */
    uint32_t mig_count;
    bool invalid;
} nodes[] = {
        {"gfd-exclusive.txt", 2, 1, NVIDIA_SHARING_NONE, "40GB", 0, false},
        {"gfd-shared.txt", 2, 3, NVIDIA_SHARING_TIME_SLICING, "40GB-SHARED", 0, false},
        {"gfd-renamed.txt", 2, 3, NVIDIA_SHARING_TIME_SLICING, "40GB", 0, false},
        {"gfd-mig-mixed.txt", 2, 0, NVIDIA_SHARING_NONE, "40GB", 3, false},
        {"gfd-mig-shared.txt", 2, 0, NVIDIA_SHARING_NONE, "40GB", 3, false},
        {"gfd-mig-single.txt", 14, 1, NVIDIA_SHARING_NONE, "40GB-MIG-1g.5gb", 0, false},
        {"gfd-mig-single-invalid.txt", 0, 0, NVIDIA_SHARING_NONE, "40GB-MIG-INVALID", 0, true},
        {"gfd-single-off.txt", 2, 1, NVIDIA_SHARING_NONE, "40GB", 0, false},
};

static void reads_gfd_labels(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        char *text = recorded(nodes[i].file);
        struct nvidia_label labels[NVIDIA_GFD_LABELS_MAX];
        struct nvidia_gfd gfd;
        struct err e = {0};
        uint32_t count = labels_read(text, labels);
        if (nvidia_gfd_parse(labels, count, &gfd, &e) < 0)
            fail_msg("%s: %s", nodes[i].file, e.text);
        assert_int_equal(gfd.gpu.count, nodes[i].count);
        assert_int_equal(gfd.gpu.replicas, nodes[i].replicas);
        assert_int_equal(gfd.gpu.strategy, nodes[i].strategy);
        assert_true(str_ends(gfd.gpu.product, str_from(nodes[i].product)));
        assert_int_equal(gfd.mig_count, nodes[i].mig_count);
        assert_int_equal(gfd.mig_invalid, nodes[i].invalid);
        assert_true(gfd.mig_capable);
        free(text);
    }
}

/* What we write for a simulated node stands in the real labels with the same values. */
static void writes_gfd_labels(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
        char *text = recorded(nodes[i].file);
        struct nvidia_label labels[NVIDIA_GFD_LABELS_MAX];
        struct nvidia_label ours[NVIDIA_GFD_LABELS_MAX];
        struct nvidia_gfd gfd;
        uint32_t count = labels_read(text, labels);
        assert_int_equal(nvidia_gfd_parse(labels, count, &gfd, NULL), 0);
        uint32_t written = nvidia_gfd_emit(&gfd, a, ours);
        assert_true(written >= 6);
        for (uint32_t k = 0; k < written; k++) {
            uint32_t at = 0;
            while (at < count && !str_eq(labels[at].key, ours[k].key))
                at++;
            if (at == count || !str_eq(labels[at].value, ours[k].value)) {
                fail_msg("%s: we write %.*s=%.*s", nodes[i].file, STR_ARG(ours[k].key),
                        STR_ARG(ours[k].value));
            }
        }
        free(text);
    }
}

/* How many ids a resource has in a recording of the device plugin, each <UUID> or, shared,
 * <UUID>::<n> with n below `replicas`. */
static uint32_t ids_count(const char *text, const char *resource, uint32_t replicas)
{
    struct str rest = str_from(text);
    struct str line = {0};
    uint32_t count = 0;
    bool here = false;
    while (str_split(&rest, '\n', &line)) {
        struct str id = {0};
        if (str_starts(line, STR_LIT("resource ")))
            here = str_eq_c((struct str){line.ptr + 9, line.len - 9}, resource);
        if (!here || !str_starts(line, STR_LIT("  id ")))
            continue;
        line = (struct str){line.ptr + 5, line.len - 5};
        assert_true(str_split(&line, ' ', &id));
        assert_true(str_eq_c(line, "Healthy"));
        assert_int_equal(id.len, replicas > 1 ? 43 : 40);
        if (replicas > 1) {
            assert_memory_equal(id.ptr + 40, "::", 2);
            assert_true((uint32_t)(id.ptr[42] - '0') == count % replicas);
        }
        count++;
    }
    return count;
}

static void knows_device_ids(void **state)
{
    (void)state;
    static const struct {
        const char *file, *config;
        struct model_resource asked, offered;
        uint32_t devices;
    } cases[] = {
            {"plugin-exclusive.txt", "exclusive.yaml", {.kind = MODEL_RESOURCE_GPU},
                    {.kind = MODEL_RESOURCE_GPU}, GPUS},
            {"plugin-shared.txt", "shared.yaml", {.kind = MODEL_RESOURCE_GPU},
                    {.kind = MODEL_RESOURCE_GPU}, GPUS},
            {"plugin-renamed.txt", "renamed.yaml", {.kind = MODEL_RESOURCE_GPU},
                    {.kind = MODEL_RESOURCE_GPU_SHARED}, GPUS},
            {"plugin-mig-mixed.txt", "exclusive.yaml",
                    {.kind = MODEL_RESOURCE_MIG, .profile = "2g.10gb"},
                    {.kind = MODEL_RESOURCE_MIG, .profile = "2g.10gb"}, GPUS},
            {"plugin-mig-shared.txt", "mig-shared.yaml",
                    {.kind = MODEL_RESOURCE_MIG, .profile = "1g.5gb"},
                    {.kind = MODEL_RESOURCE_MIG_SHARED, .profile = "1g.5gb"}, 2 * GPUS},
            {"plugin-mig-single.txt", "exclusive.yaml", {.kind = MODEL_RESOURCE_GPU},
                    {.kind = MODEL_RESOURCE_GPU}, 7 * GPUS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = recorded(cases[i].file);
        char *config = recorded(cases[i].config);
        char name[MODEL_RESOURCE_NAME_MAX];
        uint32_t replicas = nvidia_plugin_config_replicas(str_from(config), &cases[i].asked);
        (void)model_resource_format(&cases[i].offered, name);
        assert_int_equal(ids_count(text, name, replicas), cases[i].devices * replicas);
        free(text);
        free(config);
    }
}

/* The plugin ends on what we refuse, and on nothing else; our words and its own agree. */
static void refuses_what_ends_the_plugin(void **state)
{
    (void)state;
    static const struct {
        const char *recording, *config;
        const char *why; /* in both; NULL = the plugin runs */
    } cases[] = {
            {"plugin-article.txt", "article.yaml", "no resources specified"},
            {"plugin-version.txt", "version.yaml", "unknown version: "},
            {"plugin-mps-mixed.txt", "mps-mixed.yaml", "mixed"},
            {"plugin-duplicate.txt", "duplicate.yaml", NULL},
            {"plugin-shared.txt", "shared.yaml", NULL},
            {"plugin-renamed.txt", "renamed.yaml", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
        struct nvidia_plugin_config parsed;
        struct err e = {0};
        char *text = recorded(cases[i].recording);
        char *config = recorded(cases[i].config);
        bool ended = strstr(text, "ended: exit status 1") != NULL;
        int r = nvidia_plugin_config_parse(a, str_from(config), &parsed, NULL, &e);
        if (ended != (r < 0) || ended != (cases[i].why != NULL))
            fail_msg("%s: %s", cases[i].config, e.text);
        if (ended)
            assert_true(strstr(text, cases[i].why) && strstr(e.text, cases[i].why));
        free(text);
        free(config);
    }
}

/* mig-parted asserts a config after applying it exactly when lint has no error for such a node. */
static void lints_what_is_never_asserted(void **state)
{
    (void)state;
    static const char *const names[] = {
            "off", "all-1g.5gb", "mixed", "compute", "zero", "too-many", "some"};
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    char *text = recorded("mig-parted.txt");
    char *config = recorded("mig-parted.yaml");
    const struct nvidia_mig_node node = {mig_model_find("A100-40GB"), GPUS};
    struct nvidia_mig_parted file;
    struct nvidia_lint lint = {0};
    struct doc_go go = {0};
    assert_int_equal(doc_go_parse(a, str_from(config), 1 << 16, &go, NULL), 0);
    nvidia_mig_parted_read(a, go.documents[0].root, &file, &lint);
    nvidia_mig_parted_check(&file, &node, &lint);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char command[64];
        (void)snprintf(command, sizeof command, "$ nvidia-mig-parted assert -c %s\n", names[i]);
        const char *at = strstr(text, command);
        assert_non_null(at);
        bool asserted = strncmp(at + strlen(command), "Selected", 8) == 0;
        bool error = false;
        for (uint32_t k = 0; k < lint.count; k++) {
            const struct nvidia_finding *f = &lint.findings[k];
            bool ours = strncmp(f->text, names[i], strlen(names[i])) == 0 ||
                        strstr(f->text, names[i]) == f->text + strlen("mig-configs.");
            error = error || (ours && nvidia_rule_severity(f->rule) == NVIDIA_ERROR);
        }
        if (asserted == error)
            fail_msg("%s: asserted %d, error %d", names[i], asserted, error);
    }
    free(text);
    free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_gfd_labels),
            cmocka_unit_test(writes_gfd_labels),
            cmocka_unit_test(knows_device_ids),
            cmocka_unit_test(refuses_what_ends_the_plugin),
            cmocka_unit_test(lints_what_is_never_asserted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
