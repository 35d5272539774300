/* test/unit/dra/test_lint.c - which selectors of the field read what other drivers' devices lack.
 */
#include "dra/device.h"
#include "dra/lint.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

enum { FOUND_BYTES = 4096 };

/* What was found, as "key.field" with spaces between. */
static void on_access(void *context, const struct cel_access *access)
{
    char *found = context;
    size_t len = strlen(found);
    (void)snprintf(found + len, FOUND_BYTES - len, "%s%.*s.%.*s", len > 0 ? " " : "",
            STR_ARG_SHORT(access->key), STR_ARG_SHORT(access->field));
}

static void check(const char *const *expressions, unsigned count, const char *wanted)
{
    struct arena *arena = arena_new(0);
    struct cel_guards guards = {.names = &dra_guard_names};
    char found[FOUND_BYTES] = "";
    for (unsigned i = 0; i < count; i++) {
        const struct cel_program *p = NULL;
        struct err err = {0};
        if (dra_selector_compile(str_from(expressions[i]), arena, &p, &err))
            fail_msg("%s: %s", expressions[i], err.text);
        cel_guard_find(p, &guards, on_access, found);
    }
    if (strcmp(found, wanted) != 0)
        fail_msg("%s: found '%s', expected '%s'", expressions[count - 1], found, wanted);
    (void)arena_free(arena);
}

#define A(domain) "device.attributes['" domain "']"
#define C(domain) "device.capacity['" domain "']"

struct line {
    const char *expression, *wanted;
};

static void check_lines(const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(&lines[i].expression, 1, lines[i].wanted);
}
#define CHECK_LINES(lines) check_lines(lines, sizeof(lines) / sizeof(lines)[0])

/* The classes that NVIDIA's driver ships. */
static void test_nvidia_classes(void **state)
{
    static const struct line lines[] = {
            {"device.driver == 'gpu.nvidia.com' && " A("gpu.nvidia.com") ".type == 'gpu'", ""},
            {"device.driver == 'gpu.nvidia.com' && " A("gpu.nvidia.com") ".type == 'mig'", ""},
            {"device.driver == 'gpu.nvidia.com' && " A("gpu.nvidia.com") ".type == 'vfio'", ""},
            {"device.driver == 'compute-domain.nvidia.com' && " A(
                     "compute-domain.nvidia.com") ".type == 'daemon'",
                    ""},
            {"device.driver == 'compute-domain.nvidia.com' && " A(
                     "compute-domain.nvidia.com") ".type == 'channel' && " A("compute-domain."
                                                                             "nvidia.com") ".id == "
                                                                                           "0",
                    ""},
    };
    (void)state;
    CHECK_LINES(lines);
}

/* Selectors of public material. */
static void test_of_the_field(void **state)
{
    static const struct line lines[] = {
            {"device.driver == \"gpu.example.com\"", ""},
            {A("gpu.nvidia.com") ".profile == '1g.5gb'", "gpu.nvidia.com.profile"},
            {A("gpu.nvidia.com") ".productName.lowerAscii().matches('^.*a100.*$')",
                    "gpu.nvidia.com.productName"},
            {A("gpu.nvidia.com") ".productName.lowerAscii().matches('^.*a100.*$') && (" A(
                     "gpu.nvidia.com") ".index == 0 || " A("gpu.nvidia.com") ".index == 2)",
                    "gpu.nvidia.com.productName"},
            {C("gpu.nvidia.com") ".memory.isGreaterThan(quantity('40Gi'))",
                    "gpu.nvidia.com.memory"},
            {C("driver") ".memory.compareTo(quantity('100Gi')) >= 0", "driver.memory"},
            {A("gpu.nvidia.com") ".driverVersion.compareTo(semver('550.0.0')) >= 0",
                    "gpu.nvidia.com.driverVersion"},
            {A("dra.net") ".rdma == true && " A("dra.net") ".ipv4.startsWith('10.0.0.')",
                    "dra.net.rdma"},
            {"has(" A("dra.net") ".ifName) && " A("dra.net") ".ifName == 'rdma0'", ""},
            {A("dra.net") "['rdmaDevice'] == 'mlx5_0'", "dra.net.rdmaDevice"},
            {A("resource.kubernetes.io") ".numaNode == 0", "resource.kubernetes.io.numaNode"},
            {A("gpu.intel.com") ".pciAddress in ['0000:03:00.0']", "gpu.intel.com.pciAddress"},
            {A("gpu.amd.com") ".type == 'amdgpu-partition' && " A(
                     "resource.kubernetes.io") ".pciBusID == '0'",
                    "gpu.amd.com.type resource.kubernetes.io.pciBusID"},
            {C("tpu.google.com") ".tpus == quantity('8')", "tpu.google.com.tpus"},
            {"cel.bind(dra, " A("dra.example.com") ", dra.oneBool && dra.anotherBool)",
                    "dra.example.com.oneBool"},
            {A("dra.example.com") ".models.includes('x')", "dra.example.com.models"},
            {"!has(" A("gpu.nvidia.com") ".sharingStrategy)", ""},
            {"'dra.example.com' in device.attributes && " A("dra.example.com") ".oneBool", ""},
            {"device.allowMultipleAllocations == true", ""},
            {"device.attributes[?'ns'][?'id'].orValue('') == 'v'", ""},
            {A("ns") ".exists_one(x, x == 'v')", ""},
    };
    (void)state;
    CHECK_LINES(lines);
}

/* Where a guard must stand, and which forms are one. */
static void test_guards(void **state)
{
    static const struct line lines[] = {
            /* CEL drops the error of one side when the other decides, so order does not matter. */
            {A("d") ".x == 1 && device.driver == 'd'", ""},
            {A("d") ".x == 1 || device.driver == 'd'", "d.x"},
            {"device.driver != 'd' || " A("d") ".x == 1", ""},
            {"!('d' in device.attributes) || " A("d") ".x == 1", ""},
            {"'d' in device.attributes || " A("d") ".x == 1", "d.x"},
            {"!('d' in device.attributes) && " A("d") ".x == 1", "d.x"},
            {"'other' in device.attributes && " A("d") ".x == 1", "d.x"},
            {"'d' in device.attributes ? " A("d") ".x == 1 : false", ""},
            {"'d' in device.attributes ? false : " A("d") ".x == 1", "d.x"},
            {"(device.driver == 'a' || device.driver == 'b') && " A("d") ".x == 1", ""},
            {"(device.driver == 'a' || true) && " A("d") ".x == 1", "d.x"},
            {"('d' in device.attributes || 'e' in device.attributes) && " A("d") ".x == 1", "d.x"},
            {"('d' in device.attributes && 'e' in device.attributes) && " A("d") ".x == 1", ""},
            {"!(device.driver != 'd' || " A("d") ".x != 1)", ""},
            {"device.driver in ['a', 'b'] && " A("d") ".x == 1", ""},
            {"device.driver.endsWith('.nvidia.com') && " A("d") ".x == 1", ""},
            {"'x' in " A("d") " && " A("d") ".x == 1", ""},
            {A("d") ".?x.hasValue() && " A("d") ".x == 1", ""},
            {A("d") ".?x.orValue(0) == 1", ""},
            {"'d' in device.capacity && " C("d") ".m.isGreaterThan(quantity('1'))", ""},
            {"cel.bind(mine, device.driver == 'd', mine && " A("d") ".x == 1)", ""},
            {"cel.bind(x, " A("d") ".x, device.driver == 'd' && x == 1)", ""},
            {"cel.bind(x, " A("d") ".x, x == 1)", "d.x"},
            {"[1, 2].exists(i, 'd' in device.attributes && " A("d") ".x == i)", ""},
            {"[1, 2].exists(i, " A("d") ".x == i)", "d.x"},
            {A("d") ".x == 1 && " A("e") ".y == 1 && 'e' in device.attributes", "d.x"},
    };
    (void)state;
    CHECK_LINES(lines);
}

/* What an earlier selector makes sure of, a later one may read. */
static void test_in_order(void **state)
{
    static const char *const of_class[] = {
            "device.driver == 'gpu.nvidia.com' && " A("gpu.nvidia.com") ".type == 'mig'",
            A("gpu.nvidia.com") ".profile == '1g.5gb'",
    };
    static const char *const reversed[] = {
            A("gpu.nvidia.com") ".profile == '1g.5gb'", "device.driver == 'gpu.nvidia.com'"};
    (void)state;
    check(of_class, 2, "");
    check(reversed, 2, "gpu.nvidia.com.profile");
}

/* More keys than there are bits, and names that stand for names, end in silence and in time. */
static void test_limits(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    (void)state;
    for (unsigned i = 0; i < 80; i++)
        buf_printf(&text, "%sdevice.attributes['d%u'].x == 1", i > 0 ? " && " : "", i);
    struct arena *arena = arena_new(0);
    const struct cel_program *p = NULL;
    struct cel_guards guards = {.names = &dra_guard_names};
    struct err err = {0};
    assert_int_equal(dra_selector_compile(buf_str(&text), arena, &p, &err), 0);
    cel_guard_find(p, &guards, NULL, NULL);
    assert_int_equal(guards.key_count, CEL_GUARD_KEYS_MAX);
    buf_reset(&text);
    buf_puts(&text, "cel.bind(v0, true, ");
    for (unsigned i = 0; i < 40; i++)
        buf_printf(&text, "cel.bind(v%u, v%u || v%u, ", i + 1, i, i);
    buf_puts(&text, "v40");
    for (unsigned i = 0; i <= 40; i++)
        buf_putc(&text, ')');
    assert_int_equal(dra_selector_compile(buf_str(&text), arena, &p, &err), 0);
    guards = (struct cel_guards){.names = &dra_guard_names};
    cel_guard_find(p, &guards, NULL, NULL);
    assert_int_equal(guards.key_count, 0);
    (void)arena_free(arena);
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_nvidia_classes),
            cmocka_unit_test(test_of_the_field),
            cmocka_unit_test(test_guards),
            cmocka_unit_test(test_in_order),
            cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
