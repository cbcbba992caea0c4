/// What can be wrong with a text that should be JSON, or with what it says.
///
///     do { root = try parser.parse(text) } catch { error.description }          // at byte 24: expected a value, found the end
package enum JSONError: Error, Equatable {
    /// Not JSON, from this byte on.
    case malformed(offset: Int, expected: String, found: String)
    /// JSON, but not what was asked for. The key is "" for a document as a whole.
    case mismatch(key: String, expected: String, found: String)
}

extension JSONError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed(let offset, let expected, let found): "at byte \(offset): expected \(expected), found \(found)"
        case .mismatch("", let expected, let found): "expected \(expected), found \(found)"
        case .mismatch(let key, let expected, let found): "\"\(key)\": expected \(expected), found \(found)"
        }
    }
}
