import CPQ

/// The URL of a database.
///
///     try DatabaseURL("sqlite:slm_chat.db")
///     try DatabaseURL("postgresql://slm:secret@db.example/chats")
///
/// Its description omits the password. Errors quote no part of the text, because a malformed URL may contain the password anywhere.
package enum DatabaseURL: Sendable {
    case sqlite(path: String)
    case postgresql(url: String, name: String)

    package init(_ text: String) throws(StoreError) {
        guard !text.utf8.contains(0) else { throw .invalidURL(reason: "it contains a NUL character") }
        if text.hasPrefix("sqlite:") {
            self = .sqlite(path: try Self.path(String(text.dropFirst(7))))
        } else if text.hasPrefix("postgresql://") || text.hasPrefix("postgres://") {
            self = .postgresql(url: text, name: try Self.displayName(ofServerAt: text))
        } else {
            throw .invalidURL(reason: "it starts with neither sqlite: nor postgresql://")
        }
    }

    private static func path(_ path: String) throws(StoreError) -> String {
        guard !path.isEmpty else { throw .invalidURL(reason: "expected a file after sqlite:, found nothing") }
        guard !path.hasPrefix("//") else {
            throw .invalidURL(reason: "sqlite: is followed by a path, not a host; write sqlite:/folder/FILE")
        }
        guard path != ":memory:" else { throw .invalidURL(reason: "in-memory databases are not supported") }
        return path
    }

    /// The server's name in messages.
    private static func displayName(ofServerAt url: String) throws(StoreError) -> String {
        // libpq may parse a part of a password that contains @ or / as the host, which messages show.
        let authority = url.drop { $0 != "/" }.dropFirst(2)
        let ats = authority.indices.filter { authority[$0] == "@" }
        let userEnd = ats.first ?? authority.startIndex
        let hostEnd = authority.firstIndex(of: "/") ?? authority.endIndex
        guard ats.count <= 1, userEnd <= hostEnd else {
            throw .invalidURL(reason: "write @ and / in the user name or password as %40 and %2F")
        }
        guard let options = PQconninfoParse(url, nil) else { throw .invalidURL(reason: "libpq cannot parse the text after postgresql://") }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        let isPort = (values["port"] ?? "").utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: ",") }
        guard isPort else { throw .invalidURL(reason: "the port is not a number") }
        let host = values["host"] ?? values["hostaddr"] ?? "this machine"
        let port = values["port"].map { ":\($0)" } ?? ""
        return "PostgreSQL at \(host)\(port)" + (values["dbname"].map { ", database \($0)" } ?? "")
    }
}

extension DatabaseURL: CustomStringConvertible {
    package var description: String {
        switch self {
        case .sqlite(let path): path
        case .postgresql(_, let name): name
        }
    }
}
