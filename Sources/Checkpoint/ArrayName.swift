/// Validates array names before they reach HDF5 or a file system.
package enum ArrayName {
    /// Returns whether a string can be one component of a path.
    ///
    /// HDF5 uses `/` as the separator and `.` for the group itself. Control characters could reach a terminal through a message.
    package static func isValidComponent(_ component: some StringProtocol) -> Bool {
        guard !component.isEmpty, component != "." else { return false }
        return component.unicodeScalars.allSatisfy { $0 != "/" && $0.properties.generalCategory != .control }
    }

    /// Returns whether every component of a `/`-separated path is valid.
    package static func isValidPath(_ path: String) -> Bool {
        path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { isValidComponent($0) }
    }
}
