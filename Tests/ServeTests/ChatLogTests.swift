import Corpus
import Files
import Foundation
import Glibc
import JSON
import Serve
import Store
import TestSupport
import Testing
import Tokenize

@Suite struct ChatLogTests {
    private static let program = builtProgram("ServeParts")
    let folder = TemporaryFolder()

    private func text(_ name: String) throws -> String { String(decoding: try InputFile.contents(of: folder(name)), as: UTF8.self) }

    /// Reads the files as `slm finetune --data` does.
    private func chats(_ paths: [String]) throws -> [[String]] {
        var reader = try ConversationReader(paths), chats: [[String]] = []
        try reader.forEach { conversation, _, _ in chats.append(conversation.messages.map { String(decoding: $0.text, as: UTF8.self) }) }
        return chats
    }

    @Test func `a chat is one line of a file that only the owner may read`() throws {
        let log = try ChatLog(folder("chat_history.jsonl"))
        try log.append(user: "Hi", assistant: "Hello \"you\"")
        #expect(
            try text("chat_history.jsonl") == #"{"timestamp":"2026-11-20T17:36:00.123Z","user":"Hi","assistant":"Hello \"you\""}"# + "\n")
        var status = stat()
        #expect(stat(folder("chat_history.jsonl"), &status) == 0 && status.st_mode & 0o777 == 0o600)
    }

    @Test func `a file that other users could read is readable by its owner only`() throws {
        for name in ["chats.jsonl", "chats.1.jsonl"] { chmod(folder.write(#"{"user":"a","assistant":"b"}"# + "\n", to: name), 0o644) }
        _ = try ChatLog(folder("chats.jsonl"))
        for name in ["chats.jsonl", "chats.1.jsonl"] {
            var status = stat()
            #expect(stat(folder(name), &status) == 0 && status.st_mode & 0o777 == 0o600, "\(name)")
        }
    }

    @Test func `any text is stored in one line and reads back unchanged`() throws {
        let log = try ChatLog(folder("a.jsonl"))
        let texts = [
            "a\nb\r\nc\u{B}\u{C}d", "x\u{85}y\u{2028}z\u{2029}", "\u{1}\u{1B}[31m\u{7F}", "\\u0000 \"quoted\" {\"user\":1}",
            "日本 😀 \u{202E}", "Â\u{85}â\u{80}\u{A8}",
        ]
        for text in texts { try log.append(user: text, assistant: "< \(text) >") }
        try log.append(user: "a\0b", assistant: "\0")
        #expect(try chats([folder("a.jsonl")]) == texts.map { [$0, "< \($0) >"] } + [["a\u{FFFD}b", "\u{FFFD}"]])
        // Counts every line separator of Unicode, as Python's splitlines does.
        let file = try text("a.jsonl")
        let ends = file.unicodeScalars.count {
            $0.properties.generalCategory == .lineSeparator || $0.properties.generalCategory == .paragraphSeparator || $0 == "\u{85}"
                || $0.value < 32
        }
        #expect(ends == 7)
    }

    @Test func `what came before an exchange is stored as context, its oldest messages dropped`() throws {
        let log = try ChatLog(folder("a.jsonl"))
        let history = (0..<20).map { Conversation.Message($0 % 2 == 0 ? .user : .assistant, "message \($0)\0") }
        try log.append(user: "q", assistant: "a", after: Array(history.prefix(2)))
        try log.append(user: "q", assistant: "a", after: history)
        try log.append(user: "q", assistant: "a", after: [.init(.user, String(repeating: "x", count: 20_000))])
        var found: [[Conversation.Message]] = []
        var reader = try ConversationReader([folder("a.jsonl")])
        try reader.forEach { conversation, _, _ in found.append(conversation.messages) }
        #expect(found.map(\.count) == [4, 14, 2])
        #expect(found[0].map(\.isContext) == [true, true, false, false] && found[0].map(\.role) == [.user, .assistant, .user, .assistant])
        #expect(found[1].first?.text == Array("message 8\u{FFFD}".utf8))
    }

    @Test func `chats with a blank message or answer are not stored`() throws {
        let log = try ChatLog(folder("a.jsonl"))
        for (user, assistant) in [("", "x"), ("x", ""), (" \n\t", "x"), ("x", "\r\n")] {
            try log.append(user: user, assistant: assistant)
        }
        #expect(try text("a.jsonl") == "")
    }

    @Test func `a line torn by a crash is removed, wherever it was torn`() throws {
        let whole = #"{"timestamp":"2026-11-20T17:36:00.123Z","user":"One {a}","assistant":"b"}"# + "\n"
        let last = #"{"timestamp":"2026-11-20T17:36:00.123Z","user":"Two}","assistant":"ü"}"#
        for cut in 0...last.utf8.count {
            folder.write(Array(whole.utf8) + Array(last.utf8.prefix(cut)), to: "a.jsonl")
            let log = try ChatLog(folder("a.jsonl")), isWhole = cut == last.utf8.count
            try log.append(user: "Three", assistant: "c")
            #expect(try chats([folder("a.jsonl")]).map { $0[0] } == ["One {a}"] + (isWhole ? ["Two}"] : []) + ["Three"], "cut at \(cut)")
        }
        // Some file systems leave zeros after a power cut.
        folder.write(Array(whole.utf8) + [UInt8](repeating: 0, count: 5_000), to: "a.jsonl")
        _ = try ChatLog(folder("a.jsonl"))
        #expect(try text("a.jsonl") == whole)
    }

    @Test func `a torn line is removed from a large file, too`() throws {
        let large = #"{"user":"q","assistant":""# + String(repeating: "x", count: 34 << 20) + "\"}\n"
        folder.write(large + #"{"timestamp":"2026-11-20T17:36:00.123Z","user":"Tw"#, to: "a.jsonl")
        _ = try ChatLog(folder("a.jsonl"))
        var status = stat()
        #expect(stat(folder("a.jsonl"), &status) == 0 && status.st_size == large.utf8.count)
    }

    @Test func `another program's last line gets its newline`() throws {
        let mine = #"{"user":"Mine","assistant":"Written by hand"}"#
        folder.write(mine, to: "a.jsonl")
        try ChatLog(folder("a.jsonl")).append(user: "q", assistant: "a")
        #expect(try text("a.jsonl").hasPrefix(mine + "\n{") && chats([folder("a.jsonl")]).count == 2)
        folder.write("no JSON, and more than a block of it: " + String(repeating: "x", count: 200_000), to: "b.jsonl")
        _ = try ChatLog(folder("b.jsonl"))
        #expect(try text("b.jsonl").utf8.count == 200_039)
    }

    @Test func `a file at its size limit becomes the previous one`() throws {
        let log = try ChatLog(folder("chat_history.jsonl"), limit: 300)                                    // three lines
        for i in 1...8 { try log.append(user: "question \(i)", assistant: "answer \(i)") }
        #expect(folder.names == ["chat_history.1.jsonl", "chat_history.jsonl"])
        #expect(try chats([folder("chat_history.1.jsonl")]).map { $0[0] } == (4...6).map { "question \($0)" })
        #expect(try chats([folder("chat_history.jsonl")]).map { $0[0] } == (7...8).map { "question \($0)" })
    }

    @Test func `a line that is longer than the limit is stored, and makes no empty file`() throws {
        let log = try ChatLog(folder("a.jsonl"), limit: 50)
        try log.append(user: "question", assistant: "answer")
        #expect(folder.names == ["a.jsonl"])
        try log.append(user: "question", assistant: "answer")
        #expect(folder.names == ["a.1.jsonl", "a.jsonl"])
    }

    @Test func `a new log continues the file of the one before`() throws {
        for i in 1...5 { try ChatLog(folder("chats"), limit: 300).append(user: "question \(i)", assistant: "answer \(i)") }
        #expect(try folder.names == ["chats", "chats.1"] && text("chats").contains("question 4") && text("chats.1").contains("question 3"))
    }

    @Test func `a file that is moved away is replaced by a new one`() throws {
        let log = try ChatLog(folder("a.jsonl"))
        for _ in 0..<3 { try log.append(user: "old", assistant: "a") }
        #expect(rename(folder("a.jsonl"), folder("taken.jsonl")) == 0)
        try log.append(user: "new", assistant: "a")
        #expect(try chats([folder("taken.jsonl")]).count == 3 && chats([folder("a.jsonl")]) == [["new", "a"]])
    }

    @Test func `only one process can open a log`() throws {
        let log = try ChatLog(folder("a.jsonl"))
        #expect(throws: FileError.notWritten(path: folder("a.jsonl"), reason: "another program has locked it")) {
            try ChatLog(folder("a.jsonl"))
        }
        try log.append(user: "q", assistant: "a")
        #expect(throws: FileError.notWritten(path: folder.path, reason: "Is a directory")) { try ChatLog(folder.path) }
        #expect(throws: FileError.notWritten(path: "/dev/null", reason: "it is not a regular file")) { try ChatLog("/dev/null") }
        #expect(throws: FileError.notWritten(path: folder("no/a.jsonl"), reason: "No such file or directory")) {
            try ChatLog(folder("no/a.jsonl"))
        }
    }

    @Test func `lines from many threads are whole`() async throws {
        let log = try ChatLog(folder("a.jsonl")), long = String(repeating: "long ", count: 2_000)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for thread in 0..<8 {
                group.addTask { for i in 0..<50 { try log.append(user: "\(thread * 50 + i)", assistant: long) } }
            }
            try await group.waitForAll()
        }
        let numbers = try chats([folder("a.jsonl")]).compactMap { Int($0[0]) }
        #expect(numbers.sorted() == Array(0..<400))
    }

    @Test func `a partial line on a full disk is removed`() throws {
        let lines = try runProgram(Self.program, ["limited", folder("a.jsonl"), "1000"]).output.split(separator: "\n")
        #expect(lines.count == 1 && lines[0].hasPrefix("10 no space left for \(folder("a.jsonl"))"))
        let found = try chats([folder("a.jsonl")])
        #expect(
            found.count == 11 && found.last == ["afterwards", "there is room"]
                && found.dropLast().allSatisfy { $0 == ["question", "an answer of some length"] })
        // A disk that is full at the end of a line fails the next write as a whole.
        let text = try InputFile.contents(of: folder("a.jsonl")), length = try #require(text.firstIndex(of: 0x0A)) + 1
        let rest = try runProgram(Self.program, ["limited", folder("b.jsonl"), "\(3 * length)"]).output.split(separator: "\n")
        #expect(rest.count == 1 && rest[0].hasPrefix("3 no space left for \(folder("b.jsonl"))"))
        #expect(try chats([folder("b.jsonl")]).count == 4)
    }

    @Test func `after a kill, every acknowledged chat is stored once`() throws {
        var next = 0, random = TestRandom(21)
        for _ in 0..<12 {
            let (process, _, output) = try startProgram(Self.program, ["chats", folder("a.jsonl"), "\(next)"])
            _ = output.availableData
            usleep(UInt32(random.below(20_000)))
            kill(process.processIdentifier, SIGKILL)
            let rest = String(decoding: output.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            _ = try ChatLog(folder("a.jsonl"), limit: 20_000)
            let files = ["a.1.jsonl", "a.jsonl"].filter { (try? text($0))?.isEmpty == false }
            let numbers = try chats(files.map { folder($0) }).compactMap { Int($0[0].dropFirst("question ".count)) }
            let last = try #require(numbers.last)
            #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $1 == $0 + 1 })
            if let printed = rest.split(separator: "\n").dropLast(rest.hasSuffix("\n") ? 0 : 1).last.flatMap({ Int($0) }) {
                #expect(last >= printed)
            }
            next = last + 1
        }
        #expect(next > 100)
    }
}

extension ChatLog {
    /// Appends a chat as `ChatCollector` does.
    fileprivate func append(user: String, assistant: String, after history: [Conversation.Message] = []) throws(FileError) {
        let time = Timestamp(milliseconds: 1_795_196_160_123)
        if let chat = Self.chat(user: user, assistant: assistant, at: time, after: history) { try append(chat) }
    }
}
