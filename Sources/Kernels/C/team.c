#define _GNU_SOURCE   // sched_getaffinity
#include "team.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

enum { SPINS = 16000 };   // some 200–400 µs: longer than the gap between two operations of a step, and than what is done between two steps of answering

struct slm_pool {
    int size;
    void (*task)(void *, int);
    void *context;
    atomic_uint call;        // goes up by one with every task; what members wait for
    atomic_uint busy;        // members that have not finished the task
    atomic_int sleepers;     // members, and perhaps the caller, inside a condition wait
    atomic_bool leaving;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t *members;
};

typedef struct { slm_pool *pool; int thread; } membership;

static void wake(slm_pool *t) {
    if (atomic_load(&t->sleepers) == 0) return;
    pthread_mutex_lock(&t->mutex);
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->mutex);
}

// Spins, then sleeps, while *word == value. A sleeper announces itself before it looks again, and whoever
// changes the word looks for sleepers after: one of the two sees the other.
static void wait_while(slm_pool *t, atomic_uint *word, unsigned value) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != value) return;
        PAUSE();
    }
    pthread_mutex_lock(&t->mutex);
    atomic_fetch_add(&t->sleepers, 1);
    while (atomic_load(word) == value) pthread_cond_wait(&t->changed, &t->mutex);
    atomic_fetch_sub(&t->sleepers, 1);
    pthread_mutex_unlock(&t->mutex);
}

static void *member(void *argument) {
    const membership me = *(membership *)argument;
    free(argument);
    slm_pool *t = me.pool;
    for (unsigned seen = 0;; seen++) {
        wait_while(t, &t->call, seen);
        if (atomic_load(&t->leaving)) return NULL;
        t->task(t->context, me.thread);
        if (atomic_fetch_sub(&t->busy, 1) == 1) wake(t);
    }
}

slm_pool *slm_pool_create(int threads) {
    slm_pool *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->members = calloc((size_t)threads, sizeof *t->members);
    if (!t->members) { free(t); return NULL; }
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->changed, NULL);
    t->size = 1;
    for (int i = 1; i < threads; i++) {
        membership *m = malloc(sizeof *m);
        if (m) *m = (membership){t, i};
        if (!m || pthread_create(&t->members[i], NULL, member, m) != 0) {
            free(m);
            slm_pool_destroy(t);
            return NULL;
        }
        t->size++;
    }
    return t;
}

void slm_pool_destroy(slm_pool *t) {
    atomic_store(&t->leaving, true);
    atomic_fetch_add(&t->call, 1);
    wake(t);
    for (int i = 1; i < t->size; i++) pthread_join(t->members[i], NULL);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mutex);
    free(t->members);
    free(t);
}

int slm_pool_size(const slm_pool *t) { return t->size; }

void slm_pool_run(slm_pool *t, void (*task)(void *, int), void *context) {
    if (t->size > 1) {
        t->task = task;
        t->context = context;
        atomic_store(&t->busy, (unsigned)t->size - 1);
        atomic_fetch_add(&t->call, 1);
        wake(t);
    }
    task(context, 0);
    for (unsigned left; t->size > 1 && (left = atomic_load_explicit(&t->busy, memory_order_acquire)) > 0;)
        wait_while(t, &t->busy, left);
}

int slm_available_cores(void) {
    long count = 0;
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
    if (count < 1) count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (int)count;
}
