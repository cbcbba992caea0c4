/// Measures the memory and time of a piece of work, for programs that read damaged files.
#pragma once
#include <stddef.h>

/// Starts a measurement. If the work crashes or uses more than `seconds` of CPU time, the program exits with status 3 after printing
/// `name` and `round` to standard error.
void resource_watch_begin(const char *name, long round, unsigned seconds);
/// Ends the measurement. Returns the peak of malloc's memory in bytes since `resource_watch_begin`.
long resource_watch_end(void);
