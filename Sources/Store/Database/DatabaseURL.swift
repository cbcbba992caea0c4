import CPQ
import Files
import Glibc

/// The URL of a database.
///
///     try DatabaseURL("sqlite:slm_chat.db")
///     try DatabaseURL("postgresql://slm:secret@db.example/chats")
///     try DatabaseURL("postgresql+asyncpg://slm:secret@db.example/chats")          // as written for SQLAlchemy
///
/// Its description omits the password. Errors quote no part of the text, because a malformed URL may contain the password anywhere.
package enum DatabaseURL: Sendable {
    case sqlite(path: String)
    case postgresql(url: String, name: String)

    package init(_ text: String) throws(StoreError) {
        guard !text.utf8.contains(0) else { throw .invalidURL(reason: "it contains a NUL character") }
        let (scheme, driver, rest) = try Self.parts(of: text)
        switch scheme {
        case "sqlite" where driver == nil && !rest.hasPrefix("///"): self = .sqlite(path: try Self.path(rest))
        case "sqlite": self = .sqlite(path: try Self.sqlAlchemyPath(rest))
        case "postgresql", "postgres":
            guard rest.hasPrefix("//") else { throw .invalidURL(reason: "expected // after \(scheme):") }
            let url = "postgresql:" + (driver == "asyncpg" ? Self.replacingSSL(in: rest) : rest)
            self = .postgresql(url: url, name: try Self.displayName(ofServerAt: url))
        default: throw .invalidURL(reason: "it starts with neither sqlite: nor postgresql://")
        }
    }

    /// Splits `scheme+driver:rest`. The driver, which names a Python package, is for SQLAlchemy only.
    private static func parts(of text: String) throws(StoreError) -> (scheme: String, driver: String?, rest: String) {
        let drivers = ["sqlite": ["aiosqlite", "pysqlite"], "postgresql": ["asyncpg", "psycopg", "psycopg2", "psycopg_async", "pg8000"]]
        guard let colon = text.firstIndex(of: ":") else { return ("", nil, "") }
        let name = text[..<colon].split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let rest = String(text[text.index(after: colon)...])
        guard name.count == 2 else { return (name[0], nil, rest) }
        guard drivers[name[0] == "postgres" ? "postgresql" : name[0]]?.contains(name[1]) == true else { return ("", nil, "") }
        return (name[0], name[1], rest)
    }

    private static func path(_ path: String) throws(StoreError) -> String {
        guard !path.isEmpty else { throw .invalidURL(reason: "expected a file after sqlite:, found nothing") }
        guard !path.hasPrefix("//") else {
            throw .invalidURL(reason: "sqlite: is followed by a path, not a host; write sqlite:/folder/FILE")
        }
        guard path != ":memory:" else { throw .invalidURL(reason: "in-memory databases are not supported") }
        return path
    }

    /// In SQLAlchemy's URLs, three slashes precede a path that is relative to the working directory, and four an absolute one.
    private static func sqlAlchemyPath(_ text: String) throws(StoreError) -> String {
        guard text.hasPrefix("///") else {
            throw .invalidURL(reason: "expected sqlite:/// and a relative path, or sqlite://// and an absolute one")
        }
        guard !text.contains("?") else { throw .invalidURL(reason: "parameters after ? are not supported for SQLite") }
        return try path(String(text.dropFirst(3)))
    }

    /// asyncpg calls the parameter `ssl` that libpq calls `sslmode`.
    private static func replacingSSL(in rest: String) -> String {
        guard let mark = rest.firstIndex(of: "?") else { return rest }
        let parameters = rest[rest.index(after: mark)...].split(separator: "&", omittingEmptySubsequences: false)
        let replaced = parameters.map { parameter in
            if parameter == "ssl=true" { return "sslmode=require" }
            return parameter.hasPrefix("ssl=") ? "sslmode=" + parameter.dropFirst(4) : String(parameter)
        }
        return rest[...mark] + replaced.joined(separator: "&")
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
        guard let values = try connectionOptions(in: url) else {
            throw .invalidURL(reason: "libpq cannot parse the text after postgresql://")
        }
        let isPort = (values["port"] ?? "").utf8.allSatisfy { $0.isDigit || $0 == UInt8(ascii: ",") }
        guard isPort else { throw .invalidURL(reason: "the port is not a number") }
        let host = values["host"] ?? values["hostaddr"] ?? "this machine"
        let port = values["port"].map { ":\($0)" } ?? ""
        return "PostgreSQL at \(host)\(port)" + (values["dbname"].map { ", database \($0)" } ?? "")
    }

    /// The options that a URL sets, by libpq's names; nil if libpq cannot parse it.
    private static func connectionOptions(in url: String) throws(StoreError) -> [String: String]? {
        let pq = try PostgresLibrary.functions
        guard let options = pq.conninfoParse(url, nil) else { return nil }
        defer { pq.conninfoFree(options) }
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        return values
    }
}

/// TLS with PostgreSQL.
extension DatabaseURL {
    /// The TLS options of libpq that slm adds to a URL: a connection that leaves this machine is encrypted and the server's certificate is
    /// verified, unless the URL or libpq's environment variables set `sslmode`.
    ///
    /// - Parameter environment: The value of an environment variable.
    package static func tlsOptions(
        for url: String, environment: (String) -> String? = { getenv($0).map { String(cString: $0) } }
    ) -> [(name: String, value: String)] {
        // Without libpq there is no connection either.
        let values = (try? connectionOptions(in: url)).flatMap(\.self) ?? [:]
        // `hostaddr` is the address that libpq connects to; `host` is then the name in the certificate.
        let hosts = values["hostaddr"] ?? environment("PGHOSTADDR") ?? values["host"] ?? environment("PGHOST") ?? ""
        let isRemote = hosts.split(separator: ",").contains { !isLocal($0) }
        let isChosen = [values["sslmode"], environment("PGSSLMODE")].contains { $0?.isEmpty == false }
        guard isRemote, !isChosen else { return [] }
        let hasRoot = [values["sslrootcert"], environment("PGSSLROOTCERT")].contains { $0?.isEmpty == false }
        return [("sslmode", "verify-full")] + (hasRoot ? [] : systemRoots.map { [("sslrootcert", $0)] } ?? [])
    }

    /// Whether a host is a folder with a Unix socket or an address of this machine.
    private static func isLocal(_ host: Substring) -> Bool {
        let isLoopback = host.hasPrefix("127.") && host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || $0.isDigit }
        return host.hasPrefix("/") || host.hasPrefix("@") || isLoopback || ["localhost", "::1"].contains(host.lowercased())
    }

    /// The certificates that the system trusts. libpq only looks for `~/.postgresql/root.crt`, which takes precedence here, too.
    private static var systemRoots: String? {
        if let home = getenv("HOME"), access(String(cString: home) + "/.postgresql/root.crt", R_OK) == 0 { return nil }
        let bundles = [
            "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
        ]
        return bundles.first { access($0, R_OK) == 0 }
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
