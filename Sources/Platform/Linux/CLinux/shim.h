#pragma once
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

// Swift's Glibc imports the flags of epoll, eventfd and sockets with different types.
static const uint32_t slm_epoll_input = EPOLLIN;
static const uint32_t slm_epoll_output = EPOLLOUT;
static const uint32_t slm_epoll_half_closed = EPOLLRDHUP;
static const uint32_t slm_epoll_closed = EPOLLHUP | EPOLLERR;

static inline int slm_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }
static inline int slm_eventfd_create(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

/// Adds a descriptor with `operation` EPOLL_CTL_ADD, or changes its events with EPOLL_CTL_MOD. Returns 0 or -1.
static inline int slm_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t id) {
    struct epoll_event event = {.events = events, .data = {.u64 = id}};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}
static inline int slm_epoll_change(int epoll, int descriptor, uint32_t events, uint64_t id) {
    struct epoll_event event = {.events = events, .data = {.u64 = id}};
    return epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event);
}
static inline int slm_epoll_remove(int epoll, int descriptor) { return epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, 0); }

/// Bytes that malloc has given to the program and that were not freed, in all arenas.
static inline size_t slm_heap_bytes(void) {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/// Accepts a connection whose descriptor does not block and is closed on exec. Returns -1 if there is none.
static inline int slm_accept(int listening, struct sockaddr_storage *address) {
    socklen_t length = sizeof *address;
    return accept4(listening, (struct sockaddr *)address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
