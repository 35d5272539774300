/* test/unit/net/http_script.h - an HTTP/1.1 server on the loop that does as the test says.
 *
 * For tests of net and kube: one loop, one thread, no port that is fixed. */
#ifndef TEST_HTTP_SCRIPT_H
#define TEST_HTTP_SCRIPT_H

#include "os/loop.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, REQUEST_MAX = 1 << 16 };

/* What a connection does with each request: sends `answer`, then goes on or closes. */
enum after { AFTER_KEEP, AFTER_CLOSE, AFTER_SILENCE };

struct server;

struct connection {
    struct server *server;
    struct os_fd fd;
    char request[REQUEST_MAX];
    size_t len;
};

struct server {
    struct os_loop *loop;
    struct os_fd listener;
    char url[64];
    const char *answer;
    enum after after;
    void (*route)(struct server *s); /* sees `last`, sets answer and after; may be NULL */
    void *user;
    unsigned requests; /* whole requests seen */
    char last[4096];   /* the last one */
    struct connection *connections[CONNECTIONS_MAX];
    unsigned connection_count;
};

static void drop_connection(struct connection *c)
{
    if (c->fd.events == 0)
        return;
    int fd = c->fd.fd;
    os_loop_fd_clear(c->server->loop, &c->fd);
    (void)close(fd);
}

/* The length of the first whole request in the buffer; 0 when more must come. */
static size_t whole_request(const struct connection *c)
{
    const char *end = memmem(c->request, c->len, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t size = (size_t)(end - c->request) + 4;
    const char *key = memmem(c->request, size, "Content-Length: ", 16);
    return size + (key == NULL ? 0 : strtoul(key + 16, NULL, 10));
}

static void on_readable(struct os_fd *w, unsigned events)
{
    (void)events;
    struct connection *c = (struct connection *)((char *)w - offsetof(struct connection, fd));
    struct server *s = c->server;
    ssize_t got = read(w->fd, c->request + c->len, sizeof c->request - c->len);
    if (got <= 0) {
        drop_connection(c);
        return;
    }
    c->len += (size_t)got;
    size_t size = whole_request(c);
    if (size == 0 || c->len < size)
        return;
    s->requests++;
    (void)snprintf(s->last, sizeof s->last, "%.*s", (int)size, c->request);
    c->len = 0;
    if (s->route != NULL)
        s->route(s);
    if (s->answer != NULL)
        assert_int_equal(write(w->fd, s->answer, strlen(s->answer)), (ssize_t)strlen(s->answer));
    if (s->after == AFTER_CLOSE)
        drop_connection(c);
}

static void on_accept(struct os_fd *w, unsigned events)
{
    (void)events;
    struct server *s = (struct server *)((char *)w - offsetof(struct server, listener));
    int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(s->connection_count < CONNECTIONS_MAX);
    struct connection *c = calloc(1, sizeof *c);
    c->server = s;
    c->fd.ready = on_readable;
    s->connections[s->connection_count++] = c;
    assert_int_equal(os_loop_fd_set(s->loop, &c->fd, fd, OS_LOOP_READ, NULL), 0);
}

static void server_start(struct server *s, struct os_loop *loop)
{
    *s = (struct server){.loop = loop, .listener.ready = on_accept};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u/x", ntohs(address.sin_port));
    assert_int_equal(os_loop_fd_set(loop, &s->listener, fd, OS_LOOP_READ, NULL), 0);
}

static void server_stop(struct server *s)
{
    for (unsigned i = 0; i < s->connection_count; i++) {
        drop_connection(s->connections[i]);
        free(s->connections[i]);
    }
    s->connection_count = 0;
    if (s->listener.events == 0)
        return;
    int fd = s->listener.fd;
    os_loop_fd_clear(s->loop, &s->listener);
    (void)close(fd);
}

#endif
