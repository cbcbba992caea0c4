import HTTPClient

/// The address of a server and the admin key, checked before anything is sent.
///
///     let address = try AdminAddress("https://chat.example.org", key: key)
///     address.url("stats", [])                                 // https://chat.example.org/api/admin/stats
package struct AdminAddress: Sendable, Equatable {
    /// Without a slash at the end.
    package let base: String
    let key: String

    /// - Parameter allowsPlainHTTP: Whether the key may be sent unencrypted to another machine.
    package init(_ text: String, key: String, allowsPlainHTTP: Bool = false) throws(AdminError) {
        func invalid(_ reason: String) -> AdminError { .invalidAddress(text, reason: reason) }
        let address = try ServerAddress(text, invalid: invalid)
        guard !key.isEmpty, key.utf8.allSatisfy({ 32...126 ~= $0 }), key.first != " ", key.last != " " else {
            throw invalid("the admin key is empty, or contains a line break or a character outside ASCII")
        }
        base = address.base
        self.key = key
        if address.scheme == "http://", !allowsPlainHTTP, !Self.isLoopback(address.rest) { throw .insecure(address: base) }
    }

    /// Whether the host names this machine only.
    private static func isLoopback(_ rest: Substring) -> Bool {
        let authority = rest.prefix { $0 != "/" }
        if authority.hasPrefix("[") { return authority.prefix { $0 != "]" } == "[::1" }
        let host = authority.prefix { $0 != ":" }.lowercased()
        let numbers = host.split(separator: ".", omittingEmptySubsequences: false)
        let isAddress = numbers.count == 4 && numbers.allSatisfy { UInt8($0) != nil }
        return host == "localhost" || isAddress && numbers[0] == "127"
    }

    /// The host, and the port unless it is the scheme's own.
    package var host: String {
        let rest = base.drop { $0 != "/" }.dropFirst(2)
        return String(rest)
    }

    /// - Parameter area: `admin` or `training`.
    package func url(_ path: String, _ query: [(name: String, value: String)], area: String = "admin") -> String {
        let items = query.map { "\($0.name)=\($0.value.percentEncoded)" }
        return "\(base)/api/\(area)/\(path)" + (items.isEmpty ? "" : "?" + items.joined(separator: "&"))
    }
}
