#pragma once
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/// Gives the calling thread the CPU and the disk only when no other thread wants them. Threads that it creates inherit that.
static inline void slm_use_idle_priority(void) {
    enum { idle_scheduling = 5 /* SCHED_IDLE, which needs _GNU_SOURCE */, of_process = 1, idle_io = 3 << 13 };
    const struct sched_param parameters = {0};
    sched_setscheduler(0, idle_scheduling, &parameters);
    syscall(SYS_ioprio_set, of_process, 0, idle_io);
}

/// Limits the memory that a process can write to: heap, stacks and private mappings. Returns 0 or -1.
static inline int slm_limit_memory(pid_t process, uint64_t bytes) {
    enum { data_limit = 2 /* RLIMIT_DATA, whose header Swift's Glibc imports */ };
    const struct { uint64_t current, maximum; } limit = {bytes, bytes};
    return (int)syscall(SYS_prlimit64, process, data_limit, &limit, NULL);
}

// Declared by glibc 2.34 and later, with _GNU_SOURCE.
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
/// Closes all descriptors from `first` on in the new process.
static inline int slm_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}
