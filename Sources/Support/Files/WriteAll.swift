import Glibc

/// Calls `write` until all bytes are written. Returns false if it fails, with the reason in `errno`.
///
///     writeAll(line) { Glibc.write(descriptor, $0, $1) }
package func writeAll(_ bytes: [UInt8], by write: (_ rest: UnsafeRawPointer?, _ count: Int) -> Int) -> Bool {
    var start = 0
    while start < bytes.count {
        let written = bytes.withUnsafeBytes { write($0.baseAddress.map { $0 + start }, $0.count - start) }
        if written < 0, errno == EINTR { continue }
        if written <= 0 { return false }
        start += written
    }
    return true
}
