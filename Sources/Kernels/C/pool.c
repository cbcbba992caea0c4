#define _GNU_SOURCE   // sched_getaffinity, sched_getcpu
#include "pool.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

// Times in nanoseconds.
#define MICROSECONDS 1000LL
#define MILLISECONDS 1000000LL

static const int64_t spin_time = 250 * MICROSECONDS;   // longer than the gap between two operations of a step, or two steps of generation
static const int64_t crowded_spin_time = 20 * MICROSECONDS;   // of the caller: while it sleeps, its core can run the worker it waits for
static const int64_t crowded_time = 500 * MILLISECONDS;       // for how long a machine counts as crowded after it stopped a worker
static const int64_t sample_time = 100 * MICROSECONDS;        // how often a worker reads its CPU time, which is a system call
static const int64_t late_time = 200 * MICROSECONDS;          // for how long a stopped worker may keep the caller waiting
static const int64_t shortest_burst = 300 * MICROSECONDS, longest_burst = 50 * MILLISECONDS;
static const int64_t shortest_pause = 1 * MILLISECONDS, longest_pause = 200 * MILLISECONDS;

// The state of a pool is one number: the number of the task, whether workers can still join it, and how many have joined.
enum { TASK = 1 << 16, OPEN = 1 << 15, STOP = 1 << 14, JOINED = STOP - 1 };

// The items of a task that belong to one thread. Every thread takes its own first, and then those that others have not begun: so the data
// of neighboring items tends to stay in the cache of one core from one task to the next.
typedef struct {
    _Alignas(64) atomic_long next;
    long end;
} share;

struct slm_pool {
    int size;
    int active;                 // threads that do items, at most one per core; the others only run tasks for every thread
    // The task. Written by the caller while no worker has joined; a worker reads it after it has joined.
    void (*for_thread)(void *, int);        // for every thread, or NULL
    void (*for_item)(void *, long, int);
    void *context;
    share *shares;              // of all threads
    atomic_int missing;         // workers that have not joined a task for every thread
    atomic_llong closed_at;     // when the caller had nothing left to do but wait; 0 before
    atomic_llong crowded_until;
    atomic_int caller_core;     // the core that the caller ran on when it opened the task
    atomic_int sleepers;        // workers that sleep until a task opens
    atomic_bool caller_sleeps;
    atomic_bool needs_all;      // ends pauses, and the sleep of threads that do no items
    _Alignas(64) _Atomic uint64_t state;    // in a cache line of its own: all threads read and write it
    _Alignas(64) pthread_mutex_t mutex;
    pthread_cond_t opened, finished, resumed;
    pthread_t *workers;
};

// What a worker knows of itself.
typedef struct {
    slm_pool *pool;
    int thread;
    int64_t woke;               // when its burst began
    int64_t burst, pause;       // the longest burst, INT64_MAX on a quiet machine, and the pause after it
    int64_t sampled, cpu;       // a moment and the CPU time of the thread then
} worker;

static int64_t read_clock(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * 1000 * MILLISECONDS + t.tv_nsec;
}
static int64_t now(void) { return read_clock(CLOCK_MONOTONIC); }

static void sample(worker *w, int64_t time) {
    w->sampled = time;
    w->cpu = read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static int current_core(void) {
#if defined(__linux__)
    return sched_getcpu();
#else
    return -1;
#endif
}

static bool is_open(uint64_t state) { return state & OPEN; }
static uint64_t task_number(uint64_t state) { return state / TASK; }

// Joins the task that is open, unless it is the task `seen`.
static bool join(slm_pool *p, uint64_t *seen) {
    uint64_t state = atomic_load_explicit(&p->state, memory_order_relaxed);
    while (is_open(state) && task_number(state) != *seen)
        if (atomic_compare_exchange_weak(&p->state, &state, state + 1)) {
            *seen = task_number(state);
            return true;
        }
    return false;
}

// Waits for the next task: spins, then sleeps. No wake-up is lost: a sleeper increments `sleepers` before it reads the state again, and
// the caller writes the state before it reads `sleepers`. Returns false when the pool ends.
static bool wait_for_task(worker *w, uint64_t *seen) {
    slm_pool *p = w->pool;
    int64_t end = 0;
    for (uint64_t last = *seen;;) {
        for (int i = 0; i < 64; i++) {
            if (join(p, seen)) return true;
            PAUSE();
        }
        const uint64_t state = atomic_load_explicit(&p->state, memory_order_relaxed);
        if (state & STOP) return false;
        const int64_t time = now();
        if (end == 0 || task_number(state) != last) {         // after a task that it has missed, the next one is near
            end = time + spin_time;
            last = task_number(state);
        } else if (time >= end) {
            break;
        }
    }
    const int64_t slept = now();
    bool joined = false;
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_add(&p->sleepers, 1);
    while (!(atomic_load(&p->state) & STOP) && !(joined = join(p, seen))) pthread_cond_wait(&p->opened, &p->mutex);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->mutex);
    const int64_t time = now();
    if (time - slept > MILLISECONDS) w->woke = time;
    sample(w, time);
    return joined;
}

// Sleeps until a task needs all threads. Returns false when the pool ends.
static bool wait_for_task_of_all(slm_pool *p, uint64_t *seen) {
    bool joined = false;
    pthread_mutex_lock(&p->mutex);
    while (!(atomic_load(&p->state) & STOP) && !(atomic_load(&p->needs_all) && (joined = join(p, seen))))
        pthread_cond_wait(&p->resumed, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
    return joined;
}

// Sleeps for the worker's pause, or until a task needs all threads.
static void pause_worker(worker *w) {
    slm_pool *p = w->pool;
    const int64_t end = now() + w->pause;
    const struct timespec until = {end / (1000 * MILLISECONDS), end % (1000 * MILLISECONDS)};
    pthread_mutex_lock(&p->mutex);
    while (!atomic_load(&p->needs_all) && !(atomic_load(&p->state) & STOP))
        if (pthread_cond_timedwait(&p->resumed, &p->mutex, &until) != 0) break;
    pthread_mutex_unlock(&p->mutex);
    w->woke = now();
    sample(w, w->woke);
}

static void lengthen_pause(worker *w) { w->pause = w->pause * 2 < longest_pause ? w->pause * 2 : longest_pause; }

// Moves the calling thread to another core that it may run on, from which the system may move it anywhere again. False if there is none.
static bool leave_core(void) {
#if defined(__linux__)
    cpu_set_t allowed, others;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
    others = allowed;
    CPU_CLR(sched_getcpu(), &others);
    if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return false;
    sched_setaffinity(0, sizeof allowed, &allowed);
    return true;
#else
    return false;
#endif
}

static void take_items(slm_pool *p, int thread) {
    for (int i = 0; i < p->active; i++) {
        share *q = &p->shares[thread + i < p->active ? thread + i : thread + i - p->active];
        while (atomic_load_explicit(&q->next, memory_order_relaxed) < q->end) {
            const long item = atomic_fetch_add_explicit(&q->next, 1, memory_order_relaxed);
            if (item < q->end) p->for_item(p->context, item, thread);
        }
    }
}

// For how long the worker kept the caller waiting, which had nothing left to do since `closed`, because the system stopped it in the
// middle of its work; 0 if it was not stopped.
static int64_t delay(const worker *w, int64_t closed, int64_t time) {
    if (closed == 0 || time - closed < late_time) return 0;
    const int64_t stopped = time - w->sampled - (read_clock(CLOCK_THREAD_CPUTIME_ID) - w->cpu);
    return stopped < late_time ? 0 : stopped < time - closed ? stopped : time - closed;
}

static void wake_caller(slm_pool *p) {
    if (!atomic_load(&p->caller_sleeps)) return;
    pthread_mutex_lock(&p->mutex);
    pthread_cond_signal(&p->finished);
    pthread_mutex_unlock(&p->mutex);
}

static void leave(slm_pool *p) {
    const uint64_t before = atomic_fetch_sub(&p->state, 1);
    if (!is_open(before) && (before & JOINED) == 1) wake_caller(p);
}

static void *worker_main(void *argument) {
    worker w = *(worker *)argument;
    free(argument);
    slm_pool *p = w.pool;
    w.woke = now();
    sample(&w, w.woke);
    for (uint64_t seen = 0; w.thread < p->active ? wait_for_task(&w, &seen) : wait_for_task_of_all(p, &seen);) {
        if (p->for_thread) {
            if (atomic_fetch_sub(&p->missing, 1) == 1) wake_caller(p);
            p->for_thread(p->context, w.thread);
            leave(p);
            continue;
        }
        take_items(p, w.thread);
        const int64_t closed = atomic_load_explicit(&p->closed_at, memory_order_relaxed);
        leave(p);
        const int64_t time = now(), lost = delay(&w, closed, time), run = time - w.woke - lost;
        if (time - w.sampled > sample_time) sample(&w, time);
        if (lost > 0) {
            atomic_store_explicit(&p->crowded_until, time + crowded_time, memory_order_relaxed);
            w.woke = time;
            if (run > 2 * lost) continue;      // it helps more than it delays
            if (w.burst == INT64_MAX) w.pause = shortest_pause;
            w.burst = run / 2 < shortest_burst ? shortest_burst : run / 2;
            lengthen_pause(&w);
            pause_worker(&w);
        } else if (atomic_load_explicit(&p->caller_core, memory_order_relaxed) == current_core()) {
            // The two take turns on one core, which is no gain.
            atomic_store_explicit(&p->crowded_until, time + crowded_time, memory_order_relaxed);
            if (leave_core()) continue;
            lengthen_pause(&w);
            pause_worker(&w);
        } else if (run > w.burst) {
            w.burst = w.burst < longest_burst ? w.burst + w.burst / 8 : INT64_MAX;
            pause_worker(&w);
            w.pause -= (w.pause - shortest_pause) / 8;
        }
    }
    return NULL;
}

slm_pool *slm_pool_create(int threads, int cores) {
    slm_pool *p = aligned_alloc(_Alignof(slm_pool), sizeof *p);
    if (!p) return NULL;
    memset(p, 0, sizeof *p);
    p->workers = calloc((size_t)threads, sizeof *p->workers);
    p->shares = aligned_alloc(_Alignof(share), (size_t)threads * sizeof *p->shares);
    if (!p->workers || !p->shares) {
        free(p->workers);
        free(p->shares);
        free(p);
        return NULL;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->opened, NULL);
    pthread_cond_init(&p->finished, NULL);
    pthread_cond_init(&p->resumed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    p->active = threads < cores ? threads : cores;
    p->size = 1;
    for (int i = 1; i < threads; i++) {
        worker *w = malloc(sizeof *w);
        if (w) *w = (worker){.pool = p, .thread = i, .burst = INT64_MAX, .pause = shortest_pause};
        if (!w || pthread_create(&p->workers[i], NULL, worker_main, w) != 0) {
            free(w);
            slm_pool_destroy(p);
            return NULL;
        }
        p->size++;
    }
    return p;
}

void slm_pool_destroy(slm_pool *p) {
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_or(&p->state, STOP);
    pthread_cond_broadcast(&p->opened);
    pthread_cond_broadcast(&p->resumed);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 1; i < p->size; i++) pthread_join(p->workers[i], NULL);
    pthread_cond_destroy(&p->opened);
    pthread_cond_destroy(&p->finished);
    pthread_cond_destroy(&p->resumed);
    pthread_mutex_destroy(&p->mutex);
    free(p->workers);
    free(p->shares);
    free(p);
}

static void open_task(slm_pool *p) {
    atomic_store_explicit(&p->closed_at, 0, memory_order_relaxed);
    atomic_store_explicit(&p->caller_core, current_core(), memory_order_relaxed);
    atomic_store(&p->state, (task_number(atomic_load_explicit(&p->state, memory_order_relaxed)) + 1) * TASK | OPEN);
    if (atomic_load(&p->sleepers) == 0) return;
    pthread_mutex_lock(&p->mutex);
    pthread_cond_broadcast(&p->opened);
    pthread_mutex_unlock(&p->mutex);
}

static bool have_all_joined(slm_pool *p) { return atomic_load(&p->missing) == 0; }
static bool have_all_left(slm_pool *p) { return (atomic_load(&p->state) & JOINED) == 0; }

// The caller's wait: spins, then sleeps. A worker that makes the condition true reads `caller_sleeps` afterwards.
static void wait_until(slm_pool *p, bool (*is_true)(slm_pool *)) {
    const int64_t begin = now();
    const int64_t spin = begin < atomic_load_explicit(&p->crowded_until, memory_order_relaxed) ? crowded_spin_time : spin_time;
    do {
        for (int i = 0; i < 64; i++) {
            if (is_true(p)) return;
            PAUSE();
        }
    } while (now() - begin < spin);
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->caller_sleeps, true);
    while (!is_true(p)) pthread_cond_wait(&p->finished, &p->mutex);
    atomic_store(&p->caller_sleeps, false);
    pthread_mutex_unlock(&p->mutex);
}

static void close_task(slm_pool *p) {
    if ((atomic_fetch_and(&p->state, ~(uint64_t)OPEN) & JOINED) == 0) return;
    if (have_all_left(p)) return;
    atomic_store_explicit(&p->closed_at, now(), memory_order_relaxed);
    wait_until(p, have_all_left);
}

void slm_pool_for(slm_pool *p, long count, void (*task)(void *, long, int), void *context) {
    if (p->active == 1 || count <= 1) {
        for (long item = 0; item < count; item++) task(context, item, 0);
        return;
    }
    p->for_thread = NULL;
    p->for_item = task;
    p->context = context;
    for (int i = 0; i < p->active; i++) {
        atomic_store_explicit(&p->shares[i].next, count * i / p->active, memory_order_relaxed);
        p->shares[i].end = count * (i + 1) / p->active;
    }
    open_task(p);
    take_items(p, 0);
    close_task(p);
}

void slm_pool_run(slm_pool *p, void (*task)(void *, int), void *context) {
    if (p->size == 1) return task(context, 0);
    p->for_thread = task;
    p->context = context;
    atomic_store(&p->missing, p->size - 1);
    open_task(p);
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->needs_all, true);
    pthread_cond_broadcast(&p->resumed);
    pthread_mutex_unlock(&p->mutex);
    task(context, 0);
    wait_until(p, have_all_joined);
    atomic_store(&p->needs_all, false);
    close_task(p);
}

int slm_hardware_threads(int *numbers, int capacity) {
    int count = 0;
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
    for (int i = 0; i < CPU_SETSIZE && count < capacity; i++)
        if (CPU_ISSET(i, &set)) numbers[count++] = i;
#endif
    return count;
}
