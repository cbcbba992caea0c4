#include "ResourceWatch.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

// glibc's functions under their internal names. All code in the program, including Swift's runtime, then allocates through the functions
// below.
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static _Atomic long used, peak;

static void add(long bytes) {
    long now = atomic_fetch_add(&used, bytes) + bytes, old = atomic_load(&peak);
    while (now > old && !atomic_compare_exchange_weak(&peak, &old, now)) {}
}

static void *counted(void *p) {
    if (p) add((long)malloc_usable_size(p));
    return p;
}

void *malloc(size_t size) { return counted(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return counted(__libc_calloc(count, size)); }
void *memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size) {
    void *p = memalign(alignment, size);
    if (!p) return ENOMEM;
    *result = p;
    return 0;
}

void free(void *p) {
    if (p) atomic_fetch_sub(&used, (long)malloc_usable_size(p));
    __libc_free(p);
}

void *realloc(void *p, size_t size) {
    long old = p ? (long)malloc_usable_size(p) : 0;
    void *q = __libc_realloc(p, size);
    if (!q) {
        if (size == 0) atomic_fetch_sub(&used, old);
        return q;
    }
    // If the block moves, both copies exist for a moment.
    if (q != p) add((long)malloc_usable_size(q)), atomic_fetch_sub(&used, old);
    else add((long)malloc_usable_size(q) - old);
    return q;
}

static long start;
static char message[200];

static void die(int signal) {
    (void)signal;
    (void)!write(STDERR_FILENO, message, strlen(message));
    _exit(3);
}

void resource_watch_begin(const char *name, long round, unsigned seconds) {
    static const int signals[] = {SIGPROF, SIGALRM, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], die);
    snprintf(message, sizeof message, "%s: round %ld crashed, or did not finish within %u seconds\n", name, round, seconds);
    // CPU time, which does not depend on other processes. Waiting is limited to sixty times as long.
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = seconds}, NULL);
    alarm(60 * seconds);
    start = atomic_load(&used);
    atomic_store(&peak, start);
}

long resource_watch_end(void) {
    alarm(0);
    setitimer(ITIMER_PROF, &(struct itimerval){0}, NULL);
    return atomic_load(&peak) - start;
}
