import Glibc

/// Returns the seconds since 1970, UTC.
func unixTime() -> Int { time(nil) }
