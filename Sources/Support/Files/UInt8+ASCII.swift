/// ASCII characters.
extension UInt8 {
    @inlinable
    package var isSpace: Bool { self == 32 || 9...13 ~= self }

    @inlinable
    package var isDigit: Bool { 48...57 ~= self }

    @inlinable
    package var isLetterOrDigit: Bool { isDigit || 97...122 ~= self | 32 }
}
