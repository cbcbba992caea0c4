import Foundation
import Glibc
import JSON
import Serve
import Store
import TestSupport
import Testing

/// Comparisons of candidates with the active model. A script takes the place of `slm gate`.
@Suite struct ComparisonRouteTests {
    private let folder = TemporaryFolder()
    private let key = ["X-Admin-Key": "the owner's key"]
    private let owner = AdminRequest(actor: "ada", address: "127.0.0.1")

    /// A program that writes its arguments to `arguments`, copies the questions, and prints `output`.
    private func program(_ output: String, status: Int = 0) -> String {
        folder.write(output, to: "result")
        let path = folder.write("""
            #!/bin/sh
            echo "$@" > \(folder("arguments"))
            for word in "$@"; do
                case "$word" in
                    */questions.jsonl) cp -p "$word" \(folder("questions"));;
                    */held-out.jsonl) cp -p "$word" \(folder("held-out"));;
                esac
            done
            cat \(folder("result"))
            exit \(status)
            """, to: "program")
        chmod(path, 0o755)
        return path
    }

    private func server(_ program: String) throws -> (server: TestServer, candidate: ModelID) {
        let server = try TestServer(store: .with { $0.showsTrainingNotice = true }) {
            $0.adminKey = "the owner's key"
            $0.trainingDirectory = folder("training")
            $0.trainingProgram = program
        }
        let active = try server.store.registerModel(NewModel(name: "first", path: "/first.h5", digest: "1", sizeBytes: 1), by: owner)
        try server.store.promote(active, forcedBecause: "a test", by: owner)
        let new = NewModel(name: "second", path: "/second.h5", digest: "2", sizeBytes: 1)
        return (server, try server.store.registerModel(new, by: owner))
    }

    private func ask(_ server: TestServer, _ method: String, _ path: String, _ body: String = "") throws -> RawHTTPConnection.Answer {
        try server.ask(method, path, body, key)
    }

    /// Waits until a comparison has ended.
    private func ended(_ id: String, on server: TestServer) throws -> JSONElement {
        for _ in 0..<30_000 {
            let found = try ask(server, "GET", "/api/training/comparisons/\(id)").json()
            if found["state"]?.string != "running" { return found }
            usleep(10_000)
        }
        throw TimedOut()
    }

    private struct TimedOut: Error {}

    private let result = """
        {"candidate": "/second.h5", "active": "/first.h5", "verdict": "better", "passed": true, "reasons": ["Held-out chats: fewer bits."],
        "held_out": {"chats": 12, "difference": -0.5}, "replay": null, "speed": {"candidate_tokens_per_s": 10}, "size": {},
        "questions": [{"id": "q1", "text": "What color is snow?", "expected": "white", "candidate": "White.", "active": "Blue.",
        "candidate_right": true, "active_right": false}, {"id": "q2", "text": "Why?", "expected": null, "candidate": "a", "active": "b",
        "candidate_right": null, "active_right": null}]}
        """.replacing("\n", with: " ") + "\n"

    @Test func `a candidate is compared, the answers are voted on blindly, and the verdict lets it be promoted`() throws {
        let (server, candidate) = try server(program("reading…\n" + result))
        let added = try ask(server, "POST", "/api/training/questions", #"{"text": "What color is snow?", "expected": "white"}"#)
        #expect(try added.status == 201 && described(added.json()) == "{id: id, text: What color is snow?, expected: white}")
        let gate = try ask(server, "PUT", "/api/training/gate", #"{"min_right_answers": 0.8, "general": ["\#(folder.path)"]}"#)
        #expect(try gate.status == 200 && gate.json()["max_replay_loss_rise"]?.number == 0.01)
        let begun = try ask(server, "POST", "/api/training/models/\(candidate)/compare")
        #expect(begun.status == 202)
        let found = try ended(try #require(begun.json()["id"]?.string), on: server), id = try #require(found["id"]?.string)
        #expect(found["state"]?.string == "finished" && found["verdict"]?.string == "better" && found["passed"]?.boolean == true)
        #expect(found["reasons"]?.elements?.compactMap(\.string) == ["Held-out chats: fewer bits."])
        #expect(found["held_out"]?["chats"]?.integer == 12 && found["gate"]?["min_right_answers"]?.number == 0.8)
        let limits = "max_replay_loss_rise: 0.01, min_held_out_gain: 0.0, min_right_answers: 0.8, significance: 0.05"
        #expect(described(found).hasPrefix("""
            {id: id, candidate: id, active: id, state: finished, verdict: better, passed: true, message: null, created_at: time, \
            created_by: admin, finished_at: time, gate: {\(limits), requires_better: false, general: […]}, \
            reasons: [Held-out chats: fewer bits.], missing: [], held_out: {chats: 12, difference: -0.5}, replay: null, own_text: null, \
            speed: {candidate_tokens_per_s: 10}, size: {}, questions: [{id: q1,
            """), "\(described(found))")
        let arguments = try String(contentsOfFile: folder("arguments"), encoding: .utf8)
        #expect(arguments.hasPrefix("gate /second.h5 --against /first.h5 --json --quiet --background --max-replay-loss-rise 0.01"))
        #expect(
            arguments.contains("--min-right-answers 0.8") && arguments.contains("--replay \(folder.path)") && !arguments.contains("--data"))
        #expect(try String(contentsOfFile: folder("questions"), encoding: .utf8).contains("What color is snow?"))
        // Texts of users do not stay on the disk.
        try eventually { TemporaryFolder.names(in: folder("training/comparisons")).isEmpty }

        // The order of the answers says nothing about who gave them.
        let questions = try #require(found["questions"]?.list)
        #expect(questions.count == 2)
        for question in questions {
            let members = Set(question.members?.compactMap(\.key.string) ?? [])
            #expect(members == ["id", "text", "expected", "left", "right", "vote", "candidate_side"])
            #expect(question["candidate_side"]?.isNull == true && question["vote"]?.isNull == true)
        }
        let left = try #require(questions[0]["left"]?.string)
        let votes = "/api/training/comparisons/\(id)/votes"
        let voted = try ask(server, "POST", votes, #"{"question": "q1", "choice": "left"}"#).json()
        #expect(voted["votes"]?[left == "White." ? "candidate" : "active"]?.integer == 1)
        let first = try #require(voted["questions"]?.list?.first)
        #expect(first["vote"]?.string == "left" && first["candidate_side"]?.string == (left == "White." ? "left" : "right"))
        #expect(first["candidate_right"]?.boolean == true)
        let tie = try ask(server, "POST", votes, #"{"question": "q1", "choice": "tie"}"#).json()
        #expect(tie["votes"]?["ties"]?.integer == 1 && tie["votes"]?["candidate"]?.integer == 0)
        #expect(try ask(server, "POST", votes, #"{"question": "q3", "choice": "tie"}"#).status == 404)
        #expect(try ask(server, "POST", votes, #"{"question": "q1", "choice": "both"}"#).status == 422)
        #expect(try server.store.promote(candidate, by: owner).state == .active)
        #expect(try ask(server, "POST", "/api/training/models/\(candidate)/compare").status == 409)
    }

    @Test func `held-out chats and questions are read from files that others cannot read, and thresholds become options`() throws {
        let (server, candidate) = try server(program(result)), store = server.store
        let ada = try store.addUser("ada", passwordHash: "!").id
        for i in 0..<3 {
            let id = try store.createConversation("chat", for: ada).id
            try store.append(NewMessage(.user, "What is thing \(i)?"), to: id, of: ada)
            try store.append(NewMessage(.assistant, "Thing \(i) is red."), to: id, of: ada)
        }
        var review = Store.Review()
        review.state = .included
        try store.review(.filter(TrainingFilter()), review, by: owner)
        try store.database.write("UPDATE training_chats SET held_out = 1")
        _ = try ask(server, "POST", "/api/training/questions", #"{"text": "Why?"}"#)
        let gate = #"{"max_replay_loss_rise":0.5,"min_held_out_gain":2,"min_right_answers":1,"significance":0.25,"requires_better":true}"#
        #expect(try ask(server, "PUT", "/api/training/gate", gate).status == 200)
        let id = try #require(try ask(server, "POST", "/api/training/models/\(candidate)/compare").json()["id"]?.string)
        #expect(try ended(id, on: server)["state"]?.string == "finished")
        let files = folder("training/comparisons/\(id)")
        #expect(try String(contentsOfFile: folder("arguments"), encoding: .utf8) == """
            gate /second.h5 --against /first.h5 --json --quiet --background --max-replay-loss-rise 0.5 --min-held-out-gain 2.0 \
            --min-right-answers 1.0 --significance 0.25 --require-better --data \(files)/held-out.jsonl --questions \(files)/questions.jsonl

            """)
        for (name, count, text) in [("held-out", 3, "Thing 1 is red."), ("questions", 1, "Why?")] {
            let found = try String(contentsOfFile: folder(name), encoding: .utf8)
            #expect(found.split(separator: "\n").count == count && found.contains(text), "\(found)")
            var info = stat()
            #expect(stat(folder(name), &info) == 0 && info.st_mode & 0o777 == 0o600, "\(name)")
        }
    }

    @Test func `what slm gate reports is the message of a failed comparison`() throws {
        let (server, candidate) = try server(program("slm: cannot read /second.h5: no such file.\n", status: 1))
        _ = try ask(server, "POST", "/api/training/questions", #"{"text": "Why?"}"#)
        let id = try #require(try ask(server, "POST", "/api/training/models/\(candidate)/compare").json()["id"]?.string)
        let found = try ended(id, on: server)
        #expect(found["state"]?.string == "failed" && found["message"]?.string == "Cannot read /second.h5: no such file.")
        #expect(found["verdict"]?.isNull == true && found["passed"]?.isNull == true)
        for list in ["reasons", "missing"] { #expect(found[list]?.list?.count == 0) }
        for part in ["held_out", "replay", "own_text", "speed", "size"] { #expect(found[part]?.isNull == true) }
    }

    @Test func `without enough to judge, a candidate is promoted only by force`() throws {
        let found = #"{"verdict": "not_enough", "passed": false, "missing": ["held_out_chats", "questions"], "own_text": {}}"# + "\n"
        let (server, candidate) = try server(program(found, status: 1))
        let id = try #require(try ask(server, "POST", "/api/training/models/\(candidate)/compare").json()["id"]?.string)
        let comparison = try ended(id, on: server)
        #expect(comparison["state"]?.string == "finished" && comparison["verdict"]?.string == "not_enough")
        #expect(comparison["passed"]?.boolean == false && comparison["own_text"]?.isNull == false)
        #expect(comparison["missing"]?.elements?.compactMap(\.string) == ["held_out_chats", "questions"])
        let arguments = try String(contentsOfFile: folder("arguments"), encoding: .utf8)
        #expect(!arguments.contains("--data") && !arguments.contains("--questions") && !arguments.contains("--replay"))
        #expect(try server.store.model(candidate).verdict == .notEnough)
        #expect(throws: StoreError.model(.gateNotPassed(.notEnough))) { try server.store.promote(candidate, by: owner) }
        #expect(try server.store.promote(candidate, forcedBecause: "it answers my questions", by: owner).state == .active)
        #expect(try server.store.admin.auditLog().items.first?.reason == "it answers my questions")
    }

    @Test(arguments: ["{}", #"{"verdict": "good", "passed": true}"#, "{", ""])
    func `a result without a verdict is none`(output: String) throws {
        let (server, candidate) = try server(program(output + "\n"))
        let id = try #require(try ask(server, "POST", "/api/training/models/\(candidate)/compare").json()["id"]?.string)
        let found = try ended(id, on: server)
        #expect(found["state"]?.string == "failed" && found["message"]?.string == "The comparison has ended without a result.")
    }

    @Test func `a result that does not say so has not passed the gate`() throws {
        let (server, candidate) = try server(program(#"{"verdict": "better"}"# + "\n"))
        let id = try #require(try ask(server, "POST", "/api/training/models/\(candidate)/compare").json()["id"]?.string)
        let found = try ended(id, on: server)
        #expect(found["verdict"]?.string == "better" && found["passed"]?.boolean == false)
    }

    @Test func `texts that a killed server has left are removed`() throws {
        let (server, candidate) = try server(program(result))
        _ = try ask(server, "POST", "/api/training/questions", #"{"text": "What color is snow?", "expected": "white"}"#)
        let answer = try ask(server, "POST", "/api/training/models/\(candidate)/compare", "{}")
        let id = try #require(answer.json()["id"]?.string)
        _ = try ended(id, on: server)
        let left = folder("training/comparisons/\(id)")
        try FileManager.default.createDirectory(atPath: left, withIntermediateDirectories: true)
        folder.write("what a user has said", to: "training/comparisons/\(id)/held-out.jsonl")
        for _ in 0..<3_000 where FileManager.default.fileExists(atPath: left) { usleep(10_000) }
        #expect(!FileManager.default.fileExists(atPath: left))
    }

    @Test func `questions and thresholds are checked`() throws {
        let (server, _) = try server(program(result))
        for body in [#"{"text": " "}"#, "{}", #"{"text": "a", "answer": "b"}"#] {
            #expect(try ask(server, "POST", "/api/training/questions", body).status == 422, "\(body)")
        }
        let question = try ask(server, "POST", "/api/training/questions", #"{"text": "Why?"}"#).json()
        #expect(try described(ask(server, "GET", "/api/training/questions").json())
            == "{items: [{id: id, text: Why?, expected: null}], next: null, total: 1}")
        #expect(try ask(server, "DELETE", "/api/training/questions/\(question["id"]?.string ?? "")").status == 204)
        #expect(try ask(server, "GET", "/api/training/questions").json()["total"]?.integer == 0)
        for (number, lowest, below, highest, above) in [
            ("max_replay_loss_rise", 0, -0.1, 10, 10.1), ("min_held_out_gain", 0, -0.1, 100, 100.1),
            ("min_right_answers", 0, -0.1, 1, 1.1), ("significance", 0.0001, 0.00009, 0.5, 0.51),
        ] {
            for (value, status) in [(lowest, 200), (below, 422), (highest, 200), (above, 422)] {
                let answer = try ask(server, "PUT", "/api/training/gate", "{\"\(number)\": \(value)}")
                #expect(answer.status == status, "\(number) \(value)")
            }
        }
        for body in [#"{"significance": 1}"#, #"{"general": "a"}"#, #"{"general": ["/nowhere"]}"#, #"{"loss": 1}"#] {
            #expect(try ask(server, "PUT", "/api/training/gate", body).status == 422, "\(body)")
        }
        #expect(try ask(server, "PUT", "/api/training/gate", #"{"requires_better": true}"#).status == 200)
        #expect(try ask(server, "GET", "/api/training/gate").json()["requires_better"]?.boolean == true)
        #expect(try server.connect().ask("GET", "/api/training/gate", try server.account("ada"))?.status == 403)
        #expect(try server.connect().ask("GET", "/api/training/gate")?.status == 401)
    }
}
