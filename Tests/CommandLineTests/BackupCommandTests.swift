import Foundation
import JSON
import Store
import TestSupport
import Testing

@Suite struct BackupCommandTests {
    private let folder = TemporaryFolder()

    private func database(_ name: String, user: String) throws -> String {
        let url = "sqlite:" + folder(name)
        let store = try Store(url)
        let id = try store.addUser(user, passwordHash: "$2b$12$hash").id
        try store.append(NewMessage(.user, "why?"), to: store.createConversation("Rain", for: id).id, of: id)
        store.close()
        return url
    }

    @Test func `a backup is written, verified and restored`() throws {
        let url = try database("a.db", user: "ada"), backup = folder("chat.tar"), other = "sqlite:" + folder("b.db")
        folder.write("weights", to: "best.h5")
        let written = try slm("admin", "backup", "--database", url, "--out", backup, "--checkpoint", folder("best.h5"), "--quiet")
        #expect(written.status == 0 && written.errors.isEmpty, "\(written.errors)")
        #expect(written.output.hasPrefix("\(backup): 1 user, 1 message and 1 other row, 1 checkpoint; 0.0"), "\(written.output)")
        let verified = try slm("admin", "backup", "--verify", backup)
        #expect(verified.status == 0 && verified.output.hasPrefix("\(backup) is intact: 1 user"), "\(verified.errors)")
        let dry = try slm("admin", "restore", backup, "--database", other, "--dry-run")
        #expect(dry.status == 0 && dry.output.contains(" is intact and can be restored into \(folder("b.db")): "))
        #expect(!folder.names.contains("b.db"))
        let restored = try slm("admin", "restore", "--from", backup, "--database", other, "--checkpoints", folder("models"), "--json")
        #expect(restored.status == 0, "\(restored.errors)")
        let json = try JSONElement(parsing: restored.output)
        #expect(try json.object("rows").integer("messages") == 1 && json.integer("schema_version") == Store.schemaVersion)
        #expect(try json.string("database") == "sqlite" && json.array("checkpoints").map(\.string).count == 1)
        #expect(try Store(other).user(named: "ada") != nil)
        let run = folder.path.split(separator: "/").last ?? ""
        #expect(try String(contentsOfFile: folder("models") + "/\(run)/best.h5", encoding: .utf8) == "weights")
    }

    @Test func `a database with rows is refused without --replace`() throws {
        let url = try database("a.db", user: "ada"), other = try database("b.db", user: "bob"), backup = folder("chat.tar")
        #expect(try slm("admin", "backup", "--database", url, "-o", backup).status == 0)
        let refused = try slm("admin", "restore", backup, "--database", other)
        #expect(refused.status == 1)
        let sentence = "is not empty: it has 1 row in users, 1 in conversations, 1 in messages."
        #expect(refused.errors.hasPrefix("slm: \(folder("b.db")) \(sentence)"), "\(refused.errors)")
        #expect(try slm("admin", "restore", backup, "--database", other, "--replace").status == 0)
        #expect(try Store(other).user(named: "ada") != nil && Store(other).user(named: "bob") == nil)
    }

    @Test func `a folder keeps the newest backups`() throws {
        let url = try database("a.db", user: "ada"), backups = folder("backups")
        for _ in 0..<3 {
            let written = try slm("admin", "backup", "--database", url, "--out", backups + "/", "--keep", "1", "--json")
            #expect(written.status == 0 && written.output.contains("\"deleted\":["), "\(written.errors)")
        }
        let names = TemporaryFolder.names(in: backups)
        #expect(names.count == 1 && names[0].hasPrefix("slm-20") && names[0].hasSuffix("Z.tar"))
        let file = try slm("admin", "backup", "--database", url, "--out", folder("x.tar"), "--keep", "3")
        #expect(file.status == 2 && file.errors.contains("--keep: expected a folder"))
    }

    @Test func `what is missing or wrong is one sentence`() throws {
        #expect(try slm("admin", "backup").errors == "slm admin backup: expected a file to write: --out FILE\n")
        #expect(try slm("admin", "restore").errors == "slm admin restore: expected a backup: --from FILE\n")
        let missing = try slm("admin", "backup", "--database", "sqlite:" + folder("none.db"), "--out", folder("chat.tar"))
        #expect(missing.status == 1 && missing.errors == "slm: \(folder("none.db")) cannot be used: there is no such file.\n")
        folder.write(String(repeating: "x", count: 2_000), to: "text")
        let text = try slm("admin", "backup", "--verify", folder("text"))
        #expect(text.status == 1 && text.errors.hasPrefix("slm: \(folder("text")) is not a backup of slm: "))
    }
}
