/* Kubeconfigs: any bytes give one line, or a configuration whose parts hold together. */
#include "kube/config.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    struct kube_config_text file = {"/etc/kube/config", {(const char *)data, size}};
    struct kube_config_spec spec = {
            .https_proxy = "http://proxy:3128", .no_proxy = "10.0.0.0/8,.x"};
    struct kube_config c;
    struct err e = {0};
    if (kube_config_parse(a, &file, 1, &spec, &c, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n'));
    } else {
        assert(str_starts(c.server, STR_LIT("http")));
        assert(c.exec.command == NULL || c.exec.args != NULL);
        assert(!c.insecure || c.warning_count > 0);
    }
    arena_free(a);
    return 0;
}
