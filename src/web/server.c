/* web/server.c - see server.h.  Below the purity line.
 *
 * libmicrohttpd's own epoll descriptor is one descriptor of our loop; its timeout is one timer.
 * Time is ours: libmicrohttpd only knows how long nothing moved, which a client that sends a byte
 * now and then stays under for ever. */
#include "web/server.h"

#include "base/arena.h"
#include "base/num.h"
#include "os/log.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ADDRESS_BYTES = 128,
    BACKLOG = 128,
    SPARE_CONNECTIONS = 8,
    KEPT_TIMES = 4, /* request_ns between two requests of a connection */
    POOL_INCREMENT = 4096,
    NS_PER_MS = 1000000,
};

static const int64_t REQUEST_NS = 15 * NUM_NS_PER_SECOND;

/* A connection, from accept to close. */
struct conn {
    struct web_server *server;
    struct conn *next, *previous;
    int fd;
    int64_t deadline_mono_ns;
    uint64_t order; /* of its newest request, or of its beginning */
};

struct web_server {
    struct os_loop *loop;
    struct web_server_options o;
    struct MHD_Daemon *daemon;
    struct os_fd ready;
    struct os_timer timer;
    uint16_t port;
    bool loopback;
    struct conn *conns;
    uint64_t order;
    struct web_server_stats stats;
};

/* -- addresses ----------------------------------------------------------------------------------
 */

/* "ADDRESS:PORT" into its halves; "[ADDRESS]:PORT" for IPv6. */
static int address_split(
        const char *listen, char host[ADDRESS_BYTES], const char **ret_port, struct err *reterr)
{
    const char *colon = strrchr(listen, ':');
    struct str name = {listen, colon ? (size_t)(colon - listen) : 0};
    uint64_t port = 0;
    bool brackets = name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']';
    if (brackets)
        name = (struct str){name.ptr + 1, name.len - 2};
    if (colon == NULL || name.len >= ADDRESS_BYTES ||
            str_to_u64(str_from(colon + 1), 0, UINT16_MAX, &port) < 0 ||
            (!brackets && name.len > 0 && memchr(name.ptr, ':', name.len) != NULL)) {
        return err_set(reterr, -EINVAL,
                "listen address '%.64s': expected ADDRESS:PORT such as 127.0.0.1:8080, [::1]:8080 "
                "or :8080",
                listen);
    }
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    *ret_port = colon + 1;
    return 0;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
    }
    const struct sockaddr_in6 *in6 = (const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static int socket_open(const struct addrinfo *a, int *ret_fd)
{
    int one = 1;
    int zero = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a->ai_family == AF_INET6) /* "[::]" means IPv4 too */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int code = -errno;
        (void)close(fd);
        return code;
    }
    *ret_fd = fd;
    return 0;
}

static int listener_open(struct web_server *s, int *ret_fd, struct err *reterr)
{
    char host[ADDRESS_BYTES];
    const char *port = NULL;
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
            .ai_socktype = SOCK_STREAM,
            .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    int r = address_split(s->o.listen, host, &port, reterr);
    if (r < 0)
        return r;
    /* All addresses: IPv6's, which takes IPv4 too, unless the kernel has none. */
    const char *name = host[0] != '\0' ? host : "::";
    if (strcmp(name, "localhost") == 0)
        name = "127.0.0.1";
    if (getaddrinfo(name, port, &hints, &found) != 0) {
        return err_set(reterr, -EINVAL, "listen address '%.64s': '%s' is no IP address",
                s->o.listen, host);
    }
    r = socket_open(found, ret_fd);
    s->loopback = is_loopback(found->ai_addr);
    freeaddrinfo(found);
    if (r == -EAFNOSUPPORT && host[0] == '\0' &&
            getaddrinfo("0.0.0.0", port, &hints, &found) == 0) {
        r = socket_open(found, ret_fd);
        freeaddrinfo(found);
    }
    if (r < 0)
        return err_set(reterr, r, "listen address '%.64s': %s", s->o.listen, strerror(-r));
    return 0;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, &address.any, &size) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

/* -- connections --------------------------------------------------------------------------------
 */

/* Takes the socket's end away: libmicrohttpd sees it closed and tidies up. */
static void cut(struct conn *c)
{
    (void)shutdown(c->fd, SHUT_RDWR);
    c->deadline_mono_ns = INT64_MAX;
}

static void timer_set(struct web_server *s)
{
    unsigned long long wait_ms = 0;
    int64_t at = INT64_MAX;
    if (MHD_get_timeout(s->daemon, &wait_ms) == MHD_YES && wait_ms < INT32_MAX)
        at = os_loop_now_ns(s->loop) + (int64_t)wait_ms * NS_PER_MS;
    for (const struct conn *c = s->conns; c != NULL; c = c->next)
        at = num_min_i64(at, c->deadline_mono_ns);
    if (at == INT64_MAX) {
        os_loop_timer_clear(s->loop, &s->timer);
    } else {
        os_loop_timer_set(s->loop, &s->timer, at);
    }
}

static void serve(struct web_server *s)
{
    (void)MHD_run(s->daemon);
    timer_set(s);
}

static void on_ready(struct os_fd *w, unsigned events)
{
    (void)events;
    serve((struct web_server *)((char *)w - offsetof(struct web_server, ready)));
}

static void on_timer(struct os_timer *t)
{
    struct web_server *s = (struct web_server *)((char *)t - offsetof(struct web_server, timer));
    int64_t now = os_loop_now_ns(s->loop);
    for (struct conn *c = s->conns; c != NULL; c = c->next) {
        if (c->deadline_mono_ns <= now) {
            s->stats.cut++;
            cut(c);
        }
    }
    serve(s);
}

/* With few places left the connection that has been idle longest makes room. */
static void make_room(struct web_server *s)
{
    struct conn *oldest = NULL;
    uint32_t open = 0;
    for (struct conn *c = s->conns; c != NULL; c = c->next) {
        if (c->deadline_mono_ns == INT64_MAX)
            continue; /* on its way out */
        open++;
        if (oldest == NULL || c->order < oldest->order)
            oldest = c;
    }
    if (oldest != NULL && open > WEB_CONNECTIONS_MAX - SPARE_CONNECTIONS) {
        s->stats.cut++;
        cut(oldest);
    }
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
        enum MHD_ConnectionNotificationCode what)
{
    struct web_server *s = user;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct conn *c = mem_alloc(1, sizeof *c);
        *c = (struct conn){.server = s,
                .next = s->conns,
                .fd = info->connect_fd,
                .deadline_mono_ns = os_loop_now_ns(s->loop) + s->o.request_ns,
                .order = ++s->order};
        if (s->conns != NULL)
            s->conns->previous = c;
        s->conns = c;
        s->stats.connections++;
        *context = c;
        make_room(s);
        return;
    }
    struct conn *c = *context;
    if (c->next != NULL)
        c->next->previous = c->previous;
    if (c->previous != NULL) {
        c->previous->next = c->next;
    } else {
        s->conns = c->next;
    }
    s->stats.connections--;
    *context = NULL;
    mem_free(c);
}

/* The answer has left: the next request of this connection has some time to come. */
static void on_completed(void *user, struct MHD_Connection *connection, void **context,
        enum MHD_RequestTerminationCode how)
{
    struct web_server *s = user;
    (void)how;
    *context = NULL;
    const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct conn *c = info != NULL ? info->socket_context : NULL;
    if (c == NULL || c->deadline_mono_ns == INT64_MAX)
        return;
    c->deadline_mono_ns = os_loop_now_ns(s->loop) + KEPT_TIMES * s->o.request_ns;
    c->order = ++s->order;
}

/* -- requests -----------------------------------------------------------------------------------
 */

struct answer {
    unsigned status;
    const char *type;
    struct buf body;
};

static const struct web_route *route_find(const struct web_server *s, struct str path)
{
    const struct web_route *found = NULL;
    size_t longest = 0;
    for (uint32_t i = 0; i < s->o.route_count; i++) {
        struct str at = str_from(s->o.routes[i].path);
        if (str_eq(path, at))
            return &s->o.routes[i];
        if (at.ptr[at.len - 1] == '/' && str_starts(path, at) && at.len > longest) {
            found = &s->o.routes[i];
            longest = at.len;
        }
    }
    return found;
}

/* "localhost", an IPv4 address or "[...]", each with an optional port. */
static bool host_is_plain(const char *host)
{
    char name[ADDRESS_BYTES];
    struct in_addr ignored;
    if (host[0] == '[')
        return true;
    size_t len = strcspn(host, ":");
    if (len >= sizeof name)
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    return strcmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &ignored) == 1;
}

static void refuse(struct web_server *s, struct answer *a, unsigned status, const char *why)
{
    s->stats.refused++;
    a->status = status;
    buf_printf(&a->body, "%s\n", why);
}

static void answer_make(struct web_server *s, struct MHD_Connection *connection, const char *method,
        const char *url, struct answer *a)
{
    const struct web_request request = {.path = str_from(url), .more = connection};
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        refuse(s, a, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only");
        return;
    }
    if (s->loopback && (host == NULL || !host_is_plain(host))) {
        refuse(s, a, MHD_HTTP_FORBIDDEN, "ask for localhost");
        return;
    }
    const struct web_route *route = route_find(s, request.path);
    if (route == NULL) {
        refuse(s, a, MHD_HTTP_NOT_FOUND, "not found");
        return;
    }
    s->stats.requests++;
    a->status = route->get(s->o.user, &request, &a->body, &a->type);
    if (a->body.overflow) {
        buf_reset(&a->body);
        a->type = "text/plain; charset=utf-8";
        a->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        buf_puts(&a->body, "the answer is too long\n");
    }
}

static enum MHD_Result answer_send(struct MHD_Connection *connection, struct answer *a)
{
    /* Its memory goes with the response. */
    struct MHD_Response *response =
            MHD_create_response_from_buffer_with_free_callback(a->body.len, a->body.ptr, mem_free);
    if (response == NULL) {
        buf_clear(&a->body);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (a->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result r = MHD_queue_response(connection, a->status, response);
    MHD_destroy_response(response);
    return r;
}

/* Called at the head of a request, then with each part of its body (which nobody needs), then with
 * none: then it is whole and is answered. */
static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
        const char *method, const char *unused_version, const char *unused_upload,
        size_t *ret_upload_size, void **ret_context)
{
    static const char seen;
    struct web_server *s = user;
    (void)unused_version;
    (void)unused_upload;
    if (*ret_context == NULL) {
        *ret_context = (void *)(uintptr_t)&seen;
        return MHD_YES;
    }
    if (*ret_upload_size > 0) {
        *ret_upload_size = 0;
        return MHD_YES;
    }
    struct answer a = {
            .type = "text/plain; charset=utf-8", .body = BUF_INIT((size_t)WEB_BODY_BYTES_MAX)};
    answer_make(s, connection, method, url, &a);
    return answer_send(connection, &a);
}

struct str web_query(const struct web_request *request, const char *key)
{
    struct MHD_Connection *connection = (struct MHD_Connection *)(uintptr_t)request->more;
    return str_from(MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, key));
}

/* -- the server ---------------------------------------------------------------------------------
 */

__attribute__((format(printf, 2, 0))) static void on_log(
        void *user, const char *format, va_list arguments)
{
    char line[256];
    (void)user;
    (void)vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\n")] = '\0';
    os_log_debug("web", line);
}

static int daemon_start(struct web_server *s, int listener, struct err *reterr)
{
    const struct MHD_OptionItem options[] = {
            {MHD_OPTION_LISTEN_SOCKET, listener, NULL}, /* closed with the daemon */
            {MHD_OPTION_CONNECTION_LIMIT, WEB_CONNECTIONS_MAX, NULL},
            {MHD_OPTION_CONNECTION_MEMORY_LIMIT, WEB_HEAD_BYTES_MAX, NULL},
            {MHD_OPTION_CONNECTION_MEMORY_INCREMENT, POOL_INCREMENT, NULL},
            {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
            {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, s},
            {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, s},
            {MHD_OPTION_END, 0, NULL},
    };
    s->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, s,
            MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (s->daemon == NULL) {
        (void)close(listener);
        return err_set(reterr, -EIO, "listen address '%.64s': no HTTP server", s->o.listen);
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    assert(info != NULL);
    s->ready.ready = on_ready;
    s->timer.fire = on_timer;
    int r = os_loop_fd_set(s->loop, &s->ready, info->epoll_fd, OS_LOOP_READ, reterr);
    if (r < 0)
        MHD_stop_daemon(s->daemon);
    return r;
}

int web_server_start(struct os_loop *loop, const struct web_server_options *options,
        struct web_server **ret_server, struct err *reterr)
{
    int listener = -1;
    assert(options->route_count <= WEB_ROUTES_MAX);
    for (uint32_t i = 0; i < options->route_count; i++)
        assert(options->routes[i].path[0] == '/');
    struct web_server *s = mem_alloc(1, sizeof *s);
    s->loop = loop;
    s->o = *options;
    if (s->o.request_ns == 0)
        s->o.request_ns = REQUEST_NS;
    int r = listener_open(s, &listener, reterr);
    if (r == 0) {
        s->port = port_of(listener);
        r = daemon_start(s, listener, reterr);
    }
    if (r < 0) {
        mem_free(s);
        return r;
    }
    timer_set(s);
    *ret_server = s;
    return 0;
}

void web_server_stop(struct web_server *s)
{
    if (s == NULL)
        return;
    os_loop_timer_clear(s->loop, &s->timer);
    os_loop_fd_clear(s->loop, &s->ready);
    MHD_stop_daemon(s->daemon);
    assert(s->conns == NULL);
    mem_free(s);
}

uint16_t web_server_port(const struct web_server *s)
{
    return s->port;
}

struct web_server_stats web_server_stats(const struct web_server *s)
{
    return s->stats;
}
