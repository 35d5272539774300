/* What an exec plugin prints: any bytes give one line, or credentials that can be used. */
#include "kube/auth.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    struct kube_exec_credential c;
    struct err e = {0};
    if (kube_auth_parse_credential(
                a, (struct str){(const char *)data, size}, STR_LIT("v1"), &c, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n'));
    } else {
        assert(c.token.len > 0 || (c.cert_pem.len > 0 && c.key_pem.len > 0));
    }
    arena_free(a);
    return 0;
}
