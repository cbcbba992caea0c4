import Glibc

/// How many files this process may have open, each connection being one.
enum OpenFiles {
    /// What databases, models and pages need besides connections.
    private static let others = 128

    /// Asks for as many as that many connections need. (Many systems begin with 1,024, which a thousand idle connections use up, and let
    /// everybody have more.)
    ///
    /// - Returns: How many connections there may be.
    static func room(forConnections count: Int) -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return count }
        if limit.rlim_cur < rlim_t(count + others) {
            limit.rlim_cur = min(rlim_t(count + others), limit.rlim_max)
            _ = setrlimit(resource, &limit)
            guard getrlimit(resource, &limit) == 0 else { return count }
        }
        return limit.rlim_cur >= rlim_t(count + others) ? count : max(16, Int(limit.rlim_cur) - others)
    }
}
