// The worker pool that runs all of slm's arithmetic.
//
// Between two tasks, workers spin for a moment, because the next task of a training step follows within microseconds. Then they
// sleep, so that an idle server uses no CPU time.
//
// On a machine that is busy with other programs, the system stops a thread for milliseconds at any point. So threads take small items
// of work: a worker that does not run takes none, and the caller does its work instead. Only a worker that is stopped in the middle of
// an item keeps the caller waiting. A worker to which that happens pauses for a while, then works in short bursts: it leaves the core
// between two items, before the system takes the core away in the middle of one.
#pragma once

/// Writes the numbers of the hardware threads that this process may run on, as limited by taskset or a cpuset, and returns how many: 0 if
/// they are not known, at most `capacity`.
int slm_hardware_threads(int *numbers, int capacity);

typedef struct slm_pool slm_pool;

/// A pool of `threads` ≥ 1 threads, including the caller. NULL when the system cannot create them. At most `cores` of them do items: more
/// would take turns on the cores and lose what is in the caches.
slm_pool *slm_pool_create(int threads, int cores);
/// Ends the threads. No task may be running.
void slm_pool_destroy(slm_pool *);
/// Runs task(context, thread) once for every thread 0 ..< size and returns when all have finished. The caller runs thread 0.
/// Must not be called from inside a task.
void slm_pool_run(slm_pool *, void (*task)(void *context, int thread), void *context);
/// Runs task(context, item, thread) for every item 0 ..< count and returns when all have finished. A thread begins with its own part of
/// the items, and then takes those that other threads have not begun, so some threads may run none. Must not be called from inside a task.
void slm_pool_for(slm_pool *, long count, void (*task)(void *context, long item, int thread), void *context);
