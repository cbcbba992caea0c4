/// The address of a server, as a person writes it, in parts.
///
///     let address = try ServerAddress("https://h/api/") { AdminError.invalidAddress("https://h/api/", reason: $0) }
///     address.base                                             // https://h/api
package struct ServerAddress {
    /// Without slashes at the end.
    package let base: String
    /// `http://` or `https://`
    package let scheme: String
    /// The host, with the port and the path.
    package let rest: Substring

    /// - Parameters:
    ///   - passwordAdvice: What to do instead of writing a password into the address.
    ///   - invalid: Makes the error that is thrown.
    package init<Failure: Error>(
        _ text: String, passwordAdvice: String = "", invalid: (_ reason: String) -> Failure
    ) throws(Failure) {
        var base = text
        while base.hasSuffix("/") { base.removeLast() }
        guard let scheme = ["http://", "https://"].first(where: { base.lowercased().hasPrefix($0) }) else {
            throw invalid("expected http:// or https:// at the start")
        }
        let rest = base.dropFirst(scheme.count)
        guard let first = rest.first, !"/?#:".contains(first), !base.utf8.contains(where: { $0 <= 32 || $0 == 127 }) else {
            throw invalid("expected a host name")
        }
        if rest.contains("@") { throw invalid("it must not contain a password" + passwordAdvice) }
        if rest.contains("?") || rest.contains("#") { throw invalid("it must not contain a query or a fragment") }
        self.base = base
        self.scheme = scheme
        self.rest = rest
    }
}

extension String {
    /// With `%XX` for the bytes of all but ASCII letters, digits and `-._~`, as in a query, or in a header that names a file.
    package var percentEncoded: String {
        utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                String(Unicode.Scalar(byte))
            default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }.joined()
    }
}
