/* ctl/snapshot: objects as kubectl prints them, reduced to what is kept. */
#include "cluster.h"

#include <errno.h>

#define NODE(name, uid)                                                                            \
    "{\"kind\":\"Node\",\"metadata\":{\"name\":\"" name "\",\"uid\":\"" uid "\"}}"

static int read_text(struct ctl_snapshot *s, const char *text, uint32_t *ignored, struct err *e)
{
    *e = (struct err){0};
    return ctl_snapshot_read(s, str_from(text), ignored, e);
}

static void forms_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t nodes, ignored;
    } table[] = {
            {NODE("a", "1"), 1, 0},
            {" \n" NODE("a", "1") "\n\n" NODE("b", "2") "\n", 2, 0},
            {NODE("a", "1") NODE("b", "2"), 2, 0},
            {"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[" NODE("a", "1") "," NODE(
                     "b", "2") "]}",
                    2, 0},
            {"{\"apiVersion\":\"v1\",\"items\":[" NODE("a", "1") "],\"kind\":\"List\"}", 1, 0},
            {NODE("a", "1") "{\"kind\":\"Widget\",\"metadata\":{\"name\":\"w\"}}", 1, 1},
            /* a uid that is there already: the list came again */
            {NODE("a", "1") NODE("a", "1") NODE("b", "2"), 2, 0},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct ctl_snapshot *s = ctl_snapshot_new();
        struct err e;
        uint32_t ignored = 99;
        if (read_text(s, table[i].text, &ignored, &e) < 0)
            fail_msg("row %u: %s", i, e.text);
        assert_int_equal(s->node_count, table[i].nodes);
        assert_int_equal(s->taken[CTL_NODES], table[i].nodes);
        assert_int_equal(ignored, table[i].ignored);
        assert_true(str_eq_c(s->nodes[0].name, "a"));
        (void)ctl_snapshot_free(s);
    }
}

static void broken_texts_are_refused(void **state)
{
    (void)state;
    static const char *const table[] = {
            "",
            "   \n",
            "[]",
            "{\"kind\":\"List\",\"items\":[]}",
            "{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\"",
            "{\"kind\":\"Node\",\"metadata\":{}}",
            "{\"kind\":\"List\",\"items\":[" NODE("a", "1") ",",
            NODE("a", "1") "}",
            NODE("a", "1") " nonsense",
            "kind: Node\nmetadata: {name: a}\n",
            "{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\"},}",
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct ctl_snapshot *s = ctl_snapshot_new();
        struct err e;
        uint32_t ignored = 99;
        int rc = read_text(s, table[i], &ignored, &e);
        if (rc >= 0)
            fail_msg("row %u was read: %s", i, table[i]);
        assert_int_equal(rc, e.code);
        assert_true(e.text[0] != '\0' && strchr(e.text, '\n') == NULL);
        assert_int_equal(ignored, 99);
        (void)ctl_snapshot_free(s);
    }
}

/* What a container is started with tells whether it reserves memory, and switches undo that. */
static void preallocation_is_seen(void **state)
{
    (void)state;
    static const struct {
        const char *container, *why; /* NULL: none */
    } table[] = {
            {"\"image\":\"vllm/vllm-openai:v0.11\"", "vLLM"},
            {"\"image\":\"app:1\",\"command\":[\"python\",\"-m\",\"sglang.launch_server\"]",
                    "SGLang"},
            {"\"image\":\"app:1\",\"args\":[\"vllm serve x\"]", "vLLM"},
            {"\"image\":\"nvcr.io/nim/meta/llama:1\"", "NVIDIA NIM"},
            {"\"image\":\"tensorflow/serving:2\"", "TensorFlow"},
            {"\"image\":\"tensorflow/serving:2\",\"env\":[{\"name\":\"TF_FORCE_GPU_ALLOW_GROWTH\","
             "\"value\":\"true\"}]",
                    NULL},
            {"\"image\":\"tensorflow/serving:2\",\"env\":[{\"name\":\"TF_FORCE_GPU_ALLOW_GROWTH\","
             "\"value\":\"false\"}]",
                    "TensorFlow"},
            {"\"image\":\"me/jax:1\",\"env\":[{\"name\":\"XLA_PYTHON_CLIENT_PREALLOCATE\","
             "\"value\":\"false\"}]",
                    NULL},
            {"\"image\":\"pytorch/pytorch:2\"", NULL},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct cluster *c = cluster_new();
        struct err e;
        uint32_t ignored = 0;
        buf_printf(&c->text,
                "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"ml\"},\"spec\":{"
                "\"containers\":[{\"name\":\"c\",%s,\"resources\":{\"limits\":{"
                "\"nvidia.com/gpu\":\"2\"}}}]}}",
                table[i].container);
        if (ctl_snapshot_read(c->s, buf_str(&c->text), &ignored, &e) < 0)
            fail_msg("row %u: %s", i, e.text);
        assert_int_equal(c->s->pod_count, 1);
        const struct ctl_pod_spec *spec = &c->s->pods[0].spec;
        assert_int_equal(spec->gpu_count, 2);
        assert_int_equal(spec->preallocates_seen, table[i].why != NULL);
        if (table[i].why != NULL)
            assert_string_equal(spec->preallocates_why, table[i].why);
        cluster_free(c);
    }
}

/* Pods without GPUs count against their node, those of the exporter are remembered. */
static void other_pods_take_room(void **state)
{
    (void)state;
    struct cluster *c = cluster_new();
    put_node(c, "n", 1, "");
    buf_puts(&c->text,
            "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"uid\":\"w\"},\"spec\":{"
            "\"nodeName\":\"n\",\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{"
            "\"cpu\":\"2\",\"memory\":\"4Gi\"}}}]},\"status\":{\"phase\":\"Running\"}}\n"
            "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"done\",\"uid\":\"d\"},\"spec\":{"
            "\"nodeName\":\"n\",\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{"
            "\"cpu\":\"9\"}}}]},\"status\":{\"phase\":\"Succeeded\"}}\n"
            "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"x\",\"uid\":\"x\",\"labels\":{\"app\":"
            "\"nvidia-dcgm-exporter\"}},\"spec\":{\"nodeName\":\"n\",\"containers\":[]},"
            "\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.9\"}}\n");
    build(c);
    assert_int_equal(c->s->pod_count, 0);
    assert_int_equal(node_get(c, "n")->cpu_milli, 62000);
    assert_int_equal(node_get(c, "n")->memory_mib, 252 << 10);
    assert_int_equal(c->s->exporter_count, 1);
    assert_true(str_eq_c(c->s->exporters[0].ip, "10.0.0.9"));
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(forms_are_read),
            cmocka_unit_test(broken_texts_are_refused),
            cmocka_unit_test(preallocation_is_seen),
            cmocka_unit_test(other_pods_take_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
