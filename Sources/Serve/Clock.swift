import Glibc

/// Seconds since 1970, UTC.
func unixTime() -> Int { time(nil) }

/// Seconds of a clock that nobody sets back.
func monotonicSeconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}
