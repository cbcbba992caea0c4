/// What can be the name of an array.
package enum ArrayName {
    /// One part of a path. HDF5 takes `/` for the border of two and `.` for the group itself; a control character would go to whoever is shown the name.
    package static func isPart(_ part: some StringProtocol) -> Bool {
        !part.isEmpty && part != "." && part.unicodeScalars.allSatisfy { $0 != "/" && $0.properties.generalCategory != .control }
    }

    package static func isPath(_ path: String) -> Bool { path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { isPart($0) } }
}
