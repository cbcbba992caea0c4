/// What can be the name of an array.
enum ArrayName {
    /// One part of a path: HDF5 takes `/` for the border of two, `.` for the group itself, and a zero byte for the end.
    static func isPart(_ part: some StringProtocol) -> Bool { !part.isEmpty && part != "." && !part.utf8.contains { $0 == 0 || $0 == UInt8(ascii: "/") } }

    static func isPath(_ path: String) -> Bool { path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { isPart($0) } }
}
