// One team of threads for everything that slm computes.
//
// Between two tasks the members spin for a moment, because the next task of a training step comes within
// microseconds, and then sleep: an idle server uses no processor.
#pragma once

/// Cores that this process may run on: what taskset or a cpuset left of them. At least 1.
int slm_available_cores(void);

typedef struct slm_team slm_team;

/// A team of `threads` ≥ 1, the caller being one of them. NULL when the system gives no thread.
slm_team *slm_team_create(int threads);
/// Waits for nothing: no task may be running.
void slm_team_destroy(slm_team *);
int slm_team_size(const slm_team *);
/// Runs task(context, thread) once for every thread 0 ..< size and returns when all are done. The caller runs thread 0.
/// Not to be called from inside a task.
void slm_team_run(slm_team *, void (*task)(void *context, int thread), void *context);

/// The number in *counter, which goes up by one: for threads that share items.
static inline long slm_next(long *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }
