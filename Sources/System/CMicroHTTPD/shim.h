#pragma once
#include <microhttpd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/// The options of MHD_start_daemon, which is variadic; Swift cannot call variadic C functions. `context` is passed to every callback.
struct slm_http_settings {
    int listening;
    unsigned threads, connections, idle_seconds;
    size_t connection_memory;
    void *context;
    MHD_AcceptPolicyCallback admit;
    MHD_AccessHandlerCallback handle;
    void *(*begin)(void *context, const char *target, struct MHD_Connection *connection);
    MHD_RequestCompletedCallback complete;
    MHD_NotifyConnectionCallback notify;
};

static const uint64_t slm_http_unknown_size = MHD_SIZE_UNKNOWN;

// MHD_get_connection_info is variadic as well.
static inline int slm_http_descriptor(struct MHD_Connection *c) {
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}
static inline const struct sockaddr *slm_http_address(struct MHD_Connection *c) {
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
}
static inline void *slm_http_socket_context(struct MHD_Connection *c) {
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}
// Swift's Glibc imports the flags of epoll and eventfd with different types.
static const uint32_t slm_epoll_disconnect = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLONESHOT;
static inline int slm_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }
static inline int slm_eventfd_create(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

/// Disables percent-decoding in the library. The server decodes paths itself; decoding twice would change them.
static inline size_t slm_http_keep_escaped(void *context, struct MHD_Connection *connection, char *text) {
    (void)context;
    (void)connection;
    return strlen(text);
}

static inline struct MHD_Daemon *slm_http_start(const struct slm_http_settings *s) {
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, s->admit, s->context, s->handle, s->context,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket)s->listening, MHD_OPTION_THREAD_POOL_SIZE, s->threads,
        MHD_OPTION_CONNECTION_LIMIT, s->connections,
        MHD_OPTION_CONNECTION_TIMEOUT, s->idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, s->connection_memory,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
        MHD_OPTION_URI_LOG_CALLBACK, s->begin, s->context, MHD_OPTION_UNESCAPE_CALLBACK, slm_http_keep_escaped, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, s->complete, s->context, MHD_OPTION_NOTIFY_CONNECTION, s->notify, s->context, MHD_OPTION_END);
}
