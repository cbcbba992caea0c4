// Uses the worker pool in every way: with -fsanitize=thread, an access that the pool does not order stops the program.
//
//     make test-sanitizers
#include "pool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ITEMS = 200, ROUNDS = 2000 };

// Plain numbers: the pool has to order what its threads write and what the caller reads.
typedef struct { long items[ITEMS], threads[16]; } numbers;

static void add_item(void *context, long item, int thread) {
    numbers *n = context;
    n->items[item] += item + 1;
    n->threads[thread]++;
}
static void add_thread(void *context, int thread) { ((numbers *)context)->threads[thread] += 1000; }

static void rest(long microseconds) {
    const struct timespec time = {0, microseconds * 1000};
    nanosleep(&time, NULL);
}

// An item that keeps its thread from the CPU for so long that the pool takes it for stopped.
static void sleep_in_item(void *context, long item, int thread) {
    if (thread > 0 && item % 2 == 0) rest(3000);
    add_item(context, item, thread);
}

static int check(int threads, int cores) {
    slm_pool *pool = slm_pool_create(threads, cores);
    if (!pool) return printf("no pool of %d threads\n", threads), 1;
    numbers n;
    memset(&n, 0, sizeof n);
    long rounds = 0, runs = 0;
    for (; rounds < ROUNDS; rounds++) {
        slm_pool_for(pool, ITEMS, add_item, &n);
        for (int i = 0; i < ITEMS; i++)
            if (n.items[i] != (rounds + 1) * (i + 1)) return printf("item %d: %ld after %ld rounds\n", i, n.items[i], rounds + 1), 1;
        if (rounds % 100 == 0) slm_pool_run(pool, add_thread, &n), runs++;
        if (rounds % 400 == 0) rest(2000);                  // the workers sleep
    }
    for (int i = 0; i < 20; i++, rounds++) slm_pool_for(pool, ITEMS, i % 4 ? add_item : sleep_in_item, &n);
    slm_pool_run(pool, add_thread, &n), runs++;             // also ends pauses
    slm_pool_destroy(pool);
    long sum = 0;
    for (int i = 0; i < 16; i++) sum += n.threads[i];
    const long expected = rounds * ITEMS + runs * threads * 1000;
    return sum == expected ? 0 : (printf("%d threads: expected %ld calls, found %ld\n", threads, expected, sum), 1);
}

int main(void) {
    for (int threads = 1; threads <= 8; threads = 2 * threads - (threads > 2)) if (check(threads, 2)) return 1;
    for (int i = 0; i < 50; i++) slm_pool_destroy(slm_pool_create(1 + i % 5, 2));
    printf("worker pool passed\n");
    return 0;
}
