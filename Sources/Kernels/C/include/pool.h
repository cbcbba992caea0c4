// The worker pool that runs all of slm's arithmetic.
//
// Between two tasks, workers spin for a moment, because the next task of a training step follows within microseconds. Then they
// sleep, so that an idle server uses no CPU time.
#pragma once

/// Cores that this process may run on, as limited by taskset or a cpuset. At least 1.
int slm_available_cores(void);

typedef struct slm_pool slm_pool;

/// A pool of `threads` ≥ 1 threads, including the caller. NULL when the system cannot create them.
slm_pool *slm_pool_create(int threads);
/// Ends the threads. No task may be running.
void slm_pool_destroy(slm_pool *);
/// Runs task(context, thread) once for every thread 0 ..< size and returns when all have finished. The caller runs thread 0.
/// Must not be called from inside a task.
void slm_pool_run(slm_pool *, void (*task)(void *context, int thread), void *context);

/// Returns *counter and increments it atomically: gives each thread its next item.
static inline long slm_next(long *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }
