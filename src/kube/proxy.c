/* kube/proxy.c - which proxy leads to the server: HTTPS_PROXY, HTTP_PROXY and NO_PROXY as Go's
 * net/http reads them.  Not pure: inet_pton. */
#define _GNU_SOURCE /* memmem, memrchr */
#include "kube/config-priv.h"

#include <arpa/inet.h>
#include <string.h>

enum { ADDRESS_BYTES = 16 };

/* An IPv4 or IPv6 address: its length in bytes, 0 when it is none. */
static unsigned parse_address(struct str text, unsigned char *ret_bytes)
{
    char copy[INET6_ADDRSTRLEN + 1];
    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = (struct str){text.ptr + 1, text.len - 2};
    if (text.len == 0 || text.len >= sizeof copy)
        return 0;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, ret_bytes) == 1)
        return 4;
    return inet_pton(AF_INET6, copy, ret_bytes) == 1 ? ADDRESS_BYTES : 0;
}

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((unsigned)(a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool matches_network(struct str entry, struct str host)
{
    unsigned char net[ADDRESS_BYTES], address[ADDRESS_BYTES];
    struct str base = {0}, bits_text = entry;
    (void)str_split(&bits_text, '/', &base);
    unsigned base_len = parse_address(base, net);
    unsigned host_len = parse_address(host, address);
    uint64_t bits = 0;
    if (base_len == 0 || base_len != host_len)
        return false;
    if (bits_text.ptr == NULL) {
        bits = base_len * 8u;
    } else if (str_to_u64(bits_text, 0, base_len * 8u, &bits) < 0) {
        return false;
    }
    return same_bits(net, address, (unsigned)bits);
}

static bool eq_nocase(struct str a, struct str b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
        x = x >= 'A' && x <= 'Z' ? (unsigned char)(x + 32) : x;
        y = y >= 'A' && y <= 'Z' ? (unsigned char)(y + 32) : y;
        if (x != y)
            return false;
    }
    return a.len == b.len;
}

/* "example.com" covers itself and what is below it, ".example.com" only what is below. */
static bool matches_name(struct str entry, struct str host)
{
    bool only_below = entry.ptr[0] == '.';
    if (only_below)
        entry = (struct str){entry.ptr + 1, entry.len - 1};
    if (entry.len == 0 || host.len < entry.len)
        return false;
    struct str tail = {host.ptr + (host.len - entry.len), entry.len};
    if (!eq_nocase(tail, entry))
        return false;
    if (host.len == entry.len)
        return !only_below;
    return host.ptr[host.len - entry.len - 1] == '.';
}

bool kube_config_no_proxy(struct str no_proxy, struct str host)
{
    struct str entry, rest = no_proxy;
    while (str_split(&rest, ',', &entry)) {
        entry = str_trim(entry);
        if (str_eq_c(entry, "*"))
            return true;
        if (str_starts(entry, STR_LIT("*.")))
            entry = (struct str){entry.ptr + 1, entry.len - 1};
        if (entry.len > 0 && (matches_network(entry, host) || matches_name(entry, host)))
            return true;
    }
    return false;
}

/* The host of an URL, without brackets, user and port. */
static struct str host_of(struct str url)
{
    const char *scheme = memmem(url.ptr, url.len, "://", 3);
    struct str rest = url, authority = {0};
    if (scheme != NULL)
        rest = (struct str){scheme + 3, url.len - (size_t)(scheme + 3 - url.ptr)};
    if (rest.len == 0 || !str_split(&rest, '/', &authority))
        return (struct str){0};
    const char *at = memrchr(authority.ptr, '@', authority.len);
    if (at != NULL)
        authority = (struct str){at + 1, authority.len - (size_t)(at + 1 - authority.ptr)};
    if (authority.len > 0 && authority.ptr[0] == '[') {
        const char *end = memchr(authority.ptr, ']', authority.len);
        if (end == NULL)
            return (struct str){0};
        return (struct str){authority.ptr + 1, (size_t)(end - authority.ptr) - 1};
    }
    struct str host = authority;
    (void)str_split(&authority, ':', &host);
    return host;
}

static bool is_loopback(struct str host)
{
    unsigned char address[ADDRESS_BYTES];
    static const unsigned char one[ADDRESS_BYTES] = {[ADDRESS_BYTES - 1] = 1};
    unsigned len = parse_address(host, address);
    if (len == 4)
        return address[0] == 127;
    if (len == ADDRESS_BYTES)
        return memcmp(address, one, sizeof one) == 0;
    return eq_nocase(host, STR_LIT("localhost"));
}

void config_choose_proxy(const struct kube_config_spec *spec, struct kube_config *c)
{
    if (c->proxy_url.len > 0)
        return;
    bool is_tls = str_starts(c->server, STR_LIT("https://"));
    const char *proxy = is_tls ? spec->https_proxy : spec->http_proxy;
    struct str host = host_of(c->server);
    if (proxy == NULL || proxy[0] == '\0' || is_loopback(host) ||
            kube_config_no_proxy(str_from(spec->no_proxy), host))
        return;
    c->proxy_url = str_from(proxy);
}
