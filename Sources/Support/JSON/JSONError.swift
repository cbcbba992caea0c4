/// An error in the syntax of a JSON text, or in its contents.
///
///     do { root = try parser.parse(text) } catch { error.description }          // at byte 24: expected a value, found the end
package enum JSONError: Error, Equatable {
    /// A syntax error at a byte offset.
    case malformed(offset: Int, expected: String, found: String)
    /// A value that is missing or of another type than expected. The key is "" for the document itself.
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
