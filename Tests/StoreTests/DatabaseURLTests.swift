import Glibc
import Store
import TestSupport
import Testing

@Suite struct DatabaseURLTests {
    private func failure(of url: String) -> StoreError? {
        do throws(StoreError) { _ = try DatabaseURL(url) } catch { return error }
        return nil
    }

    @Test(arguments: [
        "", "chat.db", "sqlite", "sqlite:", "sqlite://chat.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite::memory:",
        "sqlite:a\0b", "sqlite+aiosqlite:chat.db", "sqlite+aiosqlite://", "sqlite+aiosqlite:///a.db?mode=ro", "sqlite+asyncpg:///a.db",
        "postgresql+hunter2://a/b", "postgresql+asyncpg:a", "postgresql+asyncpg://u:hunter2@h:port/d", "+://hunter2",
        "mysql://a:hunter2@b/c", "postgresql:a", "postgresql://u:hunter2@h:port/d", "postgresql://u:hun@ter2@h/d",
        "postgresql://u:hun/ter2@h/d", "postgresql://u:hunter2/d", "postgresql://u:hunter2%40h/d", "postgresql://u:hunter2@h/d?nothing=1",
        "postgresql://u:hunter2%ZZ@h/d", "postgresql://u:hunter2@[h/d",
    ])
    func `an invalid URL is rejected without showing its password`(_ url: String) throws {
        let error = try #require(failure(of: url))
        guard case .invalidURL = error else { Issue.record("\(error)"); return }
        #expect(error.description.hasSuffix("Write sqlite:FILE or postgresql://user:password@host/database"))
        for part in ["hunter2", "ter2", "hun"] { #expect(!error.description.contains(part)) }
    }

    @Test func `the description of a URL omits the password`() throws {
        let names = [
            "sqlite:a/chat.db": "a/chat.db",
            "postgresql://u:hunter2@db.example:5433/chats": "PostgreSQL at db.example:5433, database chats",
            "postgres://u:hunter2@db.example/chats?sslmode=require": "PostgreSQL at db.example, database chats",
            "postgresql://u@h/d?password=hunter2": "PostgreSQL at h, database d",
            "postgresql://": "PostgreSQL at this machine",
            "postgresql://u:hunter%402@%2Ftmp/d": "PostgreSQL at /tmp, database d",
            "postgresql://u:hun?t#e:r2@h/d": "PostgreSQL at h, database d",
            "sqlite+aiosqlite:///./chat.db": "./chat.db", "sqlite+aiosqlite:////data/chat.db": "/data/chat.db",
            "sqlite:///a/b.db": "a/b.db",
            "postgresql+asyncpg://u:hunter2@db:5432/chats?ssl=require": "PostgreSQL at db:5432, database chats",
            "postgres+psycopg2://u:hunter2@db/chats": "PostgreSQL at db, database chats",
        ]
        for (url, name) in names { #expect(try DatabaseURL(url).description == name) }
    }

    @Test(arguments: [
        ("postgresql+asyncpg://u:p@h/d?ssl=require&dbname=ssl%3D1", "postgresql://u:p@h/d?sslmode=require&dbname=ssl%3D1"),
        ("postgresql+asyncpg://u:p@h/d?ssl=true", "postgresql://u:p@h/d?sslmode=require"),
        ("postgresql+psycopg://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgres://u:p@h/d?sslmode=require", "postgresql://u:p@h/d?sslmode=require"),
    ])
    func `a URL written for SQLAlchemy becomes one of libpq`(_ given: String, _ expected: String) throws {
        guard case .postgresql(let url, _) = try DatabaseURL(given) else { Issue.record("\(given)"); return }
        #expect(url == expected)
    }

    @Test func `URLs written for SQLAlchemy open the same databases`() throws {
        let folder = TemporaryFolder(in: TemporaryFolder.inMemory)
        _ = try Store("sqlite+aiosqlite:///" + folder("chat.db")).addTestUser("ada")
        #expect(try Store("sqlite:" + folder("chat.db")).user(named: "ada") != nil)
        let url = try PostgresServer.shared.get().freshSchemaURL()
        _ = try Store(url.replacing("postgresql:", with: "postgresql+asyncpg:")).addTestUser("ada")
        #expect(try Store(url).user(named: "ada") != nil)
    }

    /// Connections to other hosts are encrypted and verified unless the operator chooses otherwise.
    @Test func `the certificate of a server on another host is verified by default`() {
        func mode(_ url: String, _ environment: [String: String] = [:]) -> String? {
            DatabaseURL.tlsOptions(for: url) { environment[$0] }.first { $0.name == "sslmode" }?.value
        }
        for remote in ["db.example", "10.0.0.7", "127.0.0.1.example", "127.evil", "localhost,db.example", "[2001:db8::1]", "localhosts"] {
            #expect(mode("postgresql://u:p@\(remote)/d") == "verify-full", "\(remote)")
            for chosen in ["disable", "require", "verify-ca"] { #expect(mode("postgresql://u:p@\(remote)/d?sslmode=\(chosen)") == nil) }
            #expect(mode("postgresql://u:p@\(remote)/d", ["PGSSLMODE": "require"]) == nil)
        }
        let localHosts = [
            "", "localhost", "127.0.0.1", "127.1.2.3:5433", "127.98.76.54", "[::1]", "%2Frun%2Fpostgresql", "localhost,127.0.0.1",
        ]
        for local in localHosts {
            #expect(mode("postgresql://u:p@\(local)/d") == nil, "\(local)")
        }
        #expect(mode("postgresql://u:p@/d", ["PGHOST": "db.example"]) == "verify-full")
        #expect(mode("postgresql://u:p@localhost/d?hostaddr=10.0.0.7") == "verify-full")
        #expect(mode("postgresql://u:p@db.example/d?hostaddr=127.0.0.1") == nil)
        let given = DatabaseURL.tlsOptions(for: "postgresql://h/d?sslrootcert=ca.pem") { _ in nil }
        #expect(given.map(\.name) == ["sslmode"])
    }

    @Test func `the certificates of the system are the default`() {
        let root = DatabaseURL.tlsOptions(for: "postgresql://db.example/d") { _ in nil }.first { $0.name == "sslrootcert" }?.value
        #expect(root.map { access($0, R_OK) == 0 } ?? true, "\(root ?? "")")
        let home = getenv("HOME").map { String(cString: $0) } ?? ""
        let ofUser = home + "/.postgresql/root.crt", ofDebian = "/etc/ssl/certs/ca-certificates.crt"
        if access(ofUser, R_OK) != 0, access(ofDebian, R_OK) == 0 { #expect(root == ofDebian) }
    }

    /// Neither parse errors nor connection errors of a malformed URL show a part of its password.
    @Test func `fuzz: no error contains a password`() throws {
        var random = TestRandom(5)
        let signs = Array("@:/?#%&=[]\\ \t'\"$ü\u{0}")
        for _ in 0..<fuzzRounds(default: 2_000) {
            var password = "", url = Array("postgresql://user:")
            for part in ["Kx7q", "Wz9v", "Jd3m"] {
                password += part
                if random.below(3) == 0 { password.append(signs[random.below(signs.count)]) }
            }
            url += Array(password) + Array("@127.0.0.1:1/d")
            if random.below(2) == 0 { url.insert(signs[random.below(signs.count)], at: random.below(url.count)) }
            var options = StoreOptions()
            options.timeout = .zero
            do throws(StoreError) {
                let parsed = try DatabaseURL(String(url)), name = parsed.description
                for part in ["Kx7q", "Wz9v", "Jd3m"] where name.contains(part) { Issue.record("\(name)") }
                if name.hasPrefix("PostgreSQL at 127.0.0.1:1,") { _ = try Store(parsed, options) }
            } catch {
                for part in ["Kx7q", "Wz9v", "Jd3m"] where error.description.contains(part) { Issue.record("\(String(url)): \(error)") }
            }
        }
    }

    @Test func `a wrong password is not shown`() throws {
        let url = try PostgresServer.shared.get().freshSchemaURL().replacing("not-for-logs", with: "hunter2")
        let error = #expect(throws: StoreError.self) { try Store(url) }
        guard case .unusable(_, let reason)? = error else { Issue.record("\(String(describing: error))"); return }
        #expect(reason.contains("password authentication failed") && !"\(String(describing: error))".contains("hunter2"))
    }

    @Test func `identifiers are unique and use all 128 bits`() {
        let ids = (0..<1_000).map { _ in ConversationID() }
        #expect(Set(ids).count == 1_000 && ids.allSatisfy { ConversationID($0.description) == $0 && $0.description.utf8.count == 26 })
        // The first digit holds three of the 128 bits, the others five.
        for i in 0..<26 { #expect(Set(ids.map { Array($0.description)[i] }).count == (i == 0 ? 8 : 32)) }
        for (sign, count) in [("", 0), ("0", 1), ("0", 25), ("0", 27), ("i", 26), ("A", 26), ("é", 13), ("'", 26)] {
            #expect(ConversationID(String(repeating: sign, count: count)) == nil)
        }
    }

    @Test func `timestamps are written as ISO 8601`() {
        #expect(Timestamp(milliseconds: 0).description == "1970-01-01T00:00:00.000Z")
        #expect(Timestamp(milliseconds: 1_709_210_096_789).description == "2024-02-29T12:34:56.789Z")
        #expect(Timestamp(milliseconds: -1).description == "1969-12-31T23:59:59.999Z")
        let now = Timestamp.now(), seconds = Int64(time(nil))
        #expect(abs(now.milliseconds / 1_000 - seconds) <= 60)
    }

    @Test func `timestamps are moved by durations, and have whole seconds`() {
        let time = Timestamp(milliseconds: 10_000)
        #expect(time.advanced(by: .milliseconds(1_500)).milliseconds == 11_500)
        #expect(time.advanced(by: .zero - .milliseconds(2_250)).milliseconds == 7_750)
        #expect(time.advanced(by: .microseconds(1_999)).milliseconds == 10_001 && Timestamp(milliseconds: 1_999).seconds == 1)
        #expect(time < time.advanced(by: .milliseconds(1)) && !(time < time))
    }

    @Test func `dates and times are read with or without milliseconds`() {
        let day = Timestamp(milliseconds: 1_709_164_800_000), noon = day.advanced(by: .seconds(43_200))
        #expect(Timestamp(dateOrTime: "2024-02-29") == day && Timestamp(dateOrTime: "2024-02-29T00:00:00.000Z") == day)
        #expect(Timestamp(dateOrTime: "2024-02-29T12:00:00Z") == noon && Timestamp(dateOrTime: "2024-02-29T12:00:00") == noon)
        for text in ["", "Z", "2024-02-30", "2024-02-29Z", "2024-02-29 12:00:00"] { #expect(Timestamp(dateOrTime: text) == nil, "\(text)") }
    }

    @Test func `timestamps are read as they are written`() {
        for milliseconds in [0, 1_709_210_096_789, -1] as [Int64] {
            let time = Timestamp(milliseconds: milliseconds)
            #expect(Timestamp(iso: time.description) == time)
        }
        for text in [
            "", "now", "2024-02-29", "2024-02-29T12:34:56Z", "2024-02-29 12:34:56.789Z", "2024-02-29T12:34:56.789",
            "2024-02-30T12:34:56.789Z", "2024-02-29T12:34:56.789+01:00", "2024-02-29T25:34:56.789Z", "٢٠٢٤-02-29T12:34:56.789Z",
            "2024-2-29T12:34:56.789Z",
        ] {
            #expect(Timestamp(iso: text) == nil, "\(text)")
        }
    }
}
