#define _GNU_SOURCE   // sched_getaffinity
#include "pool.h"
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

enum { SPINS = 16000 };   // some 200–400 µs: longer than the gap between two operations of a step, or between two steps of generation

struct slm_pool {
    int size;
    void (*task)(void *, int);
    void *context;
    atomic_uint generation;  // incremented for every task; workers wait for it to change
    atomic_uint busy;        // workers that have not finished the task
    atomic_int sleepers;     // threads in a condition wait: workers, and possibly the caller
    atomic_bool stopping;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t *workers;
};

typedef struct { slm_pool *pool; int thread; } worker_arguments;

static void wake(slm_pool *p) {
    if (atomic_load(&p->sleepers) == 0) return;
    pthread_mutex_lock(&p->mutex);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
}

// Spins, then sleeps, while *word == value. No wake-up is lost: a sleeper increments `sleepers` before it reads *word again, and the
// thread that changes *word reads `sleepers` afterwards, so at least one of them sees the other's write.
static void wait_while(slm_pool *p, atomic_uint *word, unsigned value) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != value) return;
        PAUSE();
    }
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(word) == value) pthread_cond_wait(&p->changed, &p->mutex);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->mutex);
}

static void *worker_main(void *argument) {
    const worker_arguments arguments = *(worker_arguments *)argument;
    free(argument);
    slm_pool *p = arguments.pool;
    for (unsigned seen = 0;; seen++) {
        wait_while(p, &p->generation, seen);
        if (atomic_load(&p->stopping)) return NULL;
        p->task(p->context, arguments.thread);
        if (atomic_fetch_sub(&p->busy, 1) == 1) wake(p);
    }
}

slm_pool *slm_pool_create(int threads) {
    slm_pool *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->workers = calloc((size_t)threads, sizeof *p->workers);
    if (!p->workers) { free(p); return NULL; }
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->changed, NULL);
    p->size = 1;
    for (int i = 1; i < threads; i++) {
        worker_arguments *arguments = malloc(sizeof *arguments);
        if (arguments) *arguments = (worker_arguments){p, i};
        if (!arguments || pthread_create(&p->workers[i], NULL, worker_main, arguments) != 0) {
            free(arguments);
            slm_pool_destroy(p);
            return NULL;
        }
        p->size++;
    }
    return p;
}

void slm_pool_destroy(slm_pool *p) {
    atomic_store(&p->stopping, true);
    atomic_fetch_add(&p->generation, 1);
    wake(p);
    for (int i = 1; i < p->size; i++) pthread_join(p->workers[i], NULL);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->mutex);
    free(p->workers);
    free(p);
}

void slm_pool_run(slm_pool *p, void (*task)(void *, int), void *context) {
    if (p->size > 1) {
        p->task = task;
        p->context = context;
        atomic_store(&p->busy, (unsigned)p->size - 1);
        atomic_fetch_add(&p->generation, 1);
        wake(p);
    }
    task(context, 0);
    for (unsigned left; p->size > 1 && (left = atomic_load_explicit(&p->busy, memory_order_acquire)) > 0;)
        wait_while(p, &p->busy, left);
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
