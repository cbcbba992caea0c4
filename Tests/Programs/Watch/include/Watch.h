/// What a piece of work takes of malloc's memory and of time, for programs that are given files which mean harm.
#pragma once
#include <stddef.h>

/// From here on the peak is counted anew. Whoever computes for longer than so many seconds, or crashes, ends the program with `name` and `round` on standard error.
void watch_begin(const char *name, long round, unsigned seconds);
/// The most bytes beyond those of `watch_begin` that were in use at once.
long watch_end(void);
