import Glibc

/// Removes the access of all users but the owner to a file with private data.
///
///     guard restrictToOwner(descriptor) else { … }             // the file belongs to another user
///
/// - Returns: false if other users still have access.
package func restrictToOwner(_ descriptor: Int32) -> Bool {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return false }
    return status.st_mode & 0o077 == 0 || fchmod(descriptor, status.st_mode & 0o700) == 0
}

/// Removes the access of all users but the owner, without opening the file. Does nothing if it does not exist.
///
/// - Returns: false if other users still have access.
package func restrictToOwner(fileAt path: String) -> Bool {
    var status = stat()
    guard lstat(path, &status) == 0 else { return errno == ENOENT }
    return status.st_mode & S_IFMT != S_IFREG || status.st_mode & 0o077 == 0 || chmod(path, status.st_mode & 0o700) == 0
}
