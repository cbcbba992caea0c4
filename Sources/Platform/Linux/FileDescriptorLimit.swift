import Glibc

/// The number of files this process may have open (RLIMIT_NOFILE). Each connection is one.
package enum FileDescriptorLimit {
    /// Descriptors for the database, models and other files.
    private static let reserved = 128

    /// Raises the soft limit for `count` connections. Many systems start with 1,024 and allow every process more.
    ///
    /// - Returns: The number of connections that fit.
    package static func raise(forConnections count: Int) -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return count }
        if limit.rlim_cur < rlim_t(count + reserved) {
            limit.rlim_cur = min(rlim_t(count + reserved), limit.rlim_max)
            _ = setrlimit(resource, &limit)
            guard getrlimit(resource, &limit) == 0 else { return count }
        }
        return limit.rlim_cur >= rlim_t(count + reserved) ? count : max(16, Int(limit.rlim_cur) - reserved)
    }
}
