import CPQ

/// Where a store is.
///
///     try StoreAddress("sqlite:slm_chat.db")
///     try StoreAddress("postgresql://slm:secret@db.example/chats")
///
/// Its description has no password in it, and neither has an error: what cannot be read may have one in any place, so none of it is shown.
package enum StoreAddress: Sendable {
    case sqlite(path: String)
    case postgresql(url: String, name: String)

    package init(_ text: String) throws(StoreError) {
        guard !text.utf8.contains(0) else { throw .badAddress(reason: "it has a character that is none") }
        if text.hasPrefix("sqlite:") {
            self = .sqlite(path: try Self.path(String(text.dropFirst(7))))
        } else if text.hasPrefix("postgresql://") || text.hasPrefix("postgres://") {
            self = .postgresql(url: text, name: try Self.name(ofServerAt: text))
        } else {
            throw .badAddress(reason: "it begins with neither sqlite: nor postgresql://")
        }
    }

    private static func path(_ path: String) throws(StoreError) -> String {
        guard !path.isEmpty else { throw .badAddress(reason: "there is no file after sqlite:") }
        guard !path.hasPrefix("//") else { throw .badAddress(reason: "sqlite:// has no host to follow; a file at the root is sqlite:/folder/FILE") }
        guard path != ":memory:" else { throw .badAddress(reason: "what is kept in memory is not kept") }
        return path
    }

    /// As the server is called in sentences.
    private static func name(ofServerAt url: String) throws(StoreError) -> String {
        // A password with one of these signs in it may be taken for a host or a port, and a host is shown.
        let rest = url.drop { $0 != "/" }.dropFirst(2), places = rest.indices.filter { rest[$0] == "@" }
        let userEnd = places.first ?? rest.startIndex, hostEnd = rest.firstIndex(of: "/") ?? rest.endIndex
        guard places.count <= 1, userEnd <= hostEnd else { throw .badAddress(reason: "the signs @ and / in a name or a password are written %40 and %2F") }
        guard let options = PQconninfoParse(url, nil) else { throw .badAddress(reason: "libpq cannot read what follows postgresql://") }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:], option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        let isPort = (values["port"] ?? "").utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: ",") }
        guard isPort else { throw .badAddress(reason: "its port is not a number") }
        let host = values["host"] ?? values["hostaddr"] ?? "this machine", port = values["port"].map { ":\($0)" } ?? ""
        return "PostgreSQL at \(host)\(port)" + (values["dbname"].map { ", database \($0)" } ?? "")
    }
}

extension StoreAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .sqlite(let path): path
        case .postgresql(_, let name): name
        }
    }
}
