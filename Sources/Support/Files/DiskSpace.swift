import Glibc

/// Space on disks.
package enum DiskSpace {
    /// What a user without privileges can write to the file system of a folder, in bytes. A folder that does not exist yet will be on that
    /// of the nearest one above it. nil if the system does not tell.
    package static func free(at folder: String) -> Int? {
        var folder = folder.isEmpty ? "." : folder, status = statvfs()
        while statvfs(folder, &status) != 0 {
            let parent = RelativePath.folder(ofFileAt: folder)
            guard errno == ENOENT, parent != folder else { return nil }
            folder = parent
        }
        return Int(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
    }
}
