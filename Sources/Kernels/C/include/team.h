// One pool of threads for everything that slm computes.
//
// Between two tasks the members spin for a moment, because the next task of a training step comes within
// microseconds, and then sleep: an idle server uses no processor.
#pragma once

/// Cores that this process may run on: what taskset or a cpuset left of them. At least 1.
int slm_available_cores(void);

typedef struct slm_pool slm_pool;

/// A pool of `threads` ≥ 1, the caller being one of them. NULL when the system gives no thread.
slm_pool *slm_pool_create(int threads);
/// Waits for nothing: no task may be running.
void slm_pool_destroy(slm_pool *);
int slm_pool_size(const slm_pool *);
/// Runs task(context, thread) once for every thread 0 ..< size and returns when all are done. The caller runs thread 0.
/// Not to be called from inside a task.
void slm_pool_run(slm_pool *, void (*task)(void *context, int thread), void *context);

/// The number in *counter, which goes up by one: for threads that share items.
static inline long slm_next(long *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }
