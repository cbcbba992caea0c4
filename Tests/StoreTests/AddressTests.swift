import Store
import TestSupport
import Testing

@Suite struct AddressTests {
    private func failure(of address: String) -> StoreError? {
        do throws(StoreError) { _ = try StoreAddress(address) } catch { return error }
        return nil
    }

    @Test(arguments: ["", "chat.db", "sqlite", "sqlite:", "sqlite://chat.db", "sqlite:///chat.db", "sqlite::memory:", "sqlite:a\0b", "mysql://a:hunter2@b/c",
                      "postgresql:a", "postgresql://u:hunter2@h:port/d", "postgresql://u:hun@ter2@h/d", "postgresql://u:hun/ter2@h/d", "postgresql://u:hunter2/d",
                      "postgresql://u:hunter2%40h/d",
                      "postgresql://u:hunter2@h/d?nothing=1", "postgresql://u:hunter2%ZZ@h/d", "postgresql://u:hunter2@[h/d"])
    func `what is no address is refused, and its password not shown`(_ address: String) throws {
        let error = try #require(failure(of: address))
        guard case .badAddress = error else { Issue.record("\(error)"); return }
        #expect(error.description.hasSuffix("Write sqlite:FILE or postgresql://user:password@host/database"))
        for part in ["hunter2", "ter2", "hun"] { #expect(!error.description.contains(part)) }
    }

    @Test func `an address is named without its password`() throws {
        let names = ["sqlite:a/chat.db": "a/chat.db", "postgresql://u:hunter2@db.example:5433/chats": "PostgreSQL at db.example:5433, database chats",
                     "postgres://u:hunter2@db.example/chats?sslmode=require": "PostgreSQL at db.example, database chats",
                     "postgresql://u@h/d?password=hunter2": "PostgreSQL at h, database d", "postgresql://": "PostgreSQL at this machine",
                     "postgresql://u:hunter%402@%2Ftmp/d": "PostgreSQL at /tmp, database d",
                     "postgresql://u:hun?t#e:r2@h/d": "PostgreSQL at h, database d"]
        for (address, name) in names { #expect(try StoreAddress(address).description == name) }
    }

    /// Whatever somebody makes of an address: none of its secret is said, neither when it is read nor when it cannot be reached.
    @Test func `fuzz: no error holds a password`() throws {
        var random = Noise(5)
        let signs = Array("@:/?#%&=[]\\ \t'\"$ü\u{0}")
        for _ in 0..<fuzzRounds(else: 2_000) {
            var secret = "", address = Array("postgresql://user:")
            for part in ["Kx7q", "Wz9v", "Jd3m"] {
                secret += part
                if random.below(3) == 0 { secret.append(signs[random.below(signs.count)]) }
            }
            address += Array(secret) + Array("@127.0.0.1:1/d")
            if random.below(2) == 0 { address.insert(signs[random.below(signs.count)], at: random.below(address.count)) }
            var options = StoreOptions()
            options.patience = .zero
            do throws(StoreError) {
                let address = try StoreAddress(String(address)), name = address.description
                for part in ["Kx7q", "Wz9v", "Jd3m"] where name.contains(part) { Issue.record("\(name)") }
                if name.hasPrefix("PostgreSQL at 127.0.0.1:1,") { _ = try Store(address, options) }
            } catch {
                for part in ["Kx7q", "Wz9v", "Jd3m"] where error.description.contains(part) { Issue.record("\(String(address)): \(error)") }
            }
        }
    }

    @Test func `a password that is wrong is not shown`() throws {
        let address = try PostgresServer.shared.get().freshAddress().replacing("not-for-logs", with: "hunter2")
        let error = #expect(throws: StoreError.self) { try Store(address) }
        guard case .refused(_, let reason)? = error else { Issue.record("\(String(describing: error))"); return }
        #expect(reason.contains("password authentication failed") && !"\(String(describing: error))".contains("hunter2"))
    }

    @Test func `identifiers are 128 bits that no two share`() {
        let ids = (0..<1_000).map { _ in ConversationID() }
        #expect(Set(ids).count == 1_000 && ids.allSatisfy { ConversationID($0.description) == $0 && $0.description.utf8.count == 26 })
        // Each of the 128 bits is drawn: the first digit has three of them, the others all five.
        for place in 0..<26 { #expect(Set(ids.map { Array($0.description)[place] }).count == (place == 0 ? 8 : 32)) }
        for (sign, count) in [("", 0), ("0", 1), ("0", 25), ("0", 27), ("i", 26), ("A", 26), ("é", 13), ("'", 26)] {
            #expect(ConversationID(String(repeating: sign, count: count)) == nil)
        }
    }

    @Test func `a moment is written as ISO 8601`() {
        #expect(Moment(milliseconds: 0).description == "1970-01-01T00:00:00.000Z")
        #expect(Moment(milliseconds: 1_709_210_096_789).description == "2024-02-29T12:34:56.789Z")
        #expect(Moment(milliseconds: -1).description == "1969-12-31T23:59:59.999Z")
        #expect(Moment.now() > Moment(milliseconds: 1_700_000_000_000))
    }
}
