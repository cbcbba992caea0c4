import AdminAPI
import Dashboard
import Files
import Glibc
import JSON
import Store
import Terminal

extension Command {
    static var trainingReview: Command {
        Command(
            "training review", "Read the new chats of a server one after the other, and include or exclude each with a key.",
            AdminOptions(), [AdminOptions.filterOptions, AdminOptions.connectionOptions],
            examples: ["slm training review", "slm training review --rating corrected"]
        ) { options in
            guard TerminalMode.isTerminal(0), TerminalMode.isTerminal(1) else {
                throw UsageError("slm training review: expected a terminal. In a script: slm training chats, slm training include, "
                    + "slm training exclude.")
            }
            var filter = options.filter
            filter.state = filter.state ?? .new
            let review = AreaReview(client: try options.client(), style: ANSIStyle(for: 1, SLM.environmentVariables()))
            var after: String?, left: Int?
            repeat {
                let page = try AreaChatPage(review.client, filter.parameters + [("sort", "oldest")], limit: 50, after: after)
                var remaining = page.isExact ? left ?? page.total : max(left ?? 0, page.total)
                if page.total == 0, left == nil { return printLine("there are no \(filter.state?.rawValue ?? "") chats to review") }
                for chat in page.chats {
                    guard try review.decide(chat.id, remaining: remaining) else { return }
                    remaining -= 1
                }
                left = remaining
                after = page.next
            } while after != nil
            printLine("all chats are reviewed")
        }
    }
}

/// The screen of a review: a chat, and the keys.
private struct AreaReview {
    let client: AdminClient
    let style: ANSIStyle

    /// Shows a chat until it is decided about.
    ///
    /// - Returns: false to end the review.
    func decide(_ id: String, remaining: Int) throws -> Bool {
        var chat = try self.chat("GET", id)
        show(chat, remaining: remaining)
        while true {
            printError("[i]nclude  [e]xclude  [s]kip  [c]orrect  [t]ag  [q]uit ", terminator: "")
            let key = readKey()
            printError(key.map { String($0) } ?? "")
            switch key {
            case "i"?: _ = try self.chat("PUT", id) { $0["state"] = "included" }; return true
            case "e"?: _ = try self.chat("PUT", id) { $0["state"] = "excluded" }; return true
            case "s"?: return true
            case "q"?, nil: return false
            case "c"?:
                if let corrected = try correct(chat) {
                    chat = corrected
                    show(chat, remaining: remaining)
                }
            case "t"?:
                printError("Tags, separated by commas: ", terminator: "")
                guard let line = readLine() else { continue }
                let tags = line.split(separator: ",").map { String($0.trimming(while: \.isWhitespace)) }.filter { !$0.isEmpty }
                if tags.isEmpty { continue }
                chat = try self.chat("PUT", id) { object in
                    object["tags"] = chat.list("tags") + tags
                }
                show(chat, remaining: remaining)
            default: printNote("press i, e, s, c, t or q.")
            }
        }
    }

    private func chat(_ method: String, _ path: String, _ write: ((inout JSONWriter) -> Void)? = nil) throws -> AreaChat {
        AreaChat(json: try client.document(method, "chats/\(path)", [], write).json)
    }

    private func show(_ chat: AreaChat, remaining: Int) {
        let remarks = ([chat.person, chat.text("model")] + chat.remarks).filter { !$0.isEmpty }
        printLine("")
        printLine(style("\(chat.text("title"))", .bold) + "  (\(remaining.grouped) left)")
        printLine(style(remarks.joined(separator: " · "), .dim))
        let system = chat.text("system_prompt")
        if !system.isEmpty { printLine(style("system: ", .cyan) + system) }
        for (i, message) in chat.messages.enumerated() {
            let message = AreaChat(json: message)
            let label = message.text("role") == "assistant" ? "\(i + 1) assistant" : message.text("role")
            let rating = message.text("rating").isEmpty ? "" : " (\(message.text("rating")))"
            printLine(style("\(label)\(rating): ", .cyan) + message.text("content"))
            for (name, key) in [("corrected by the user", "correction"), ("corrected by an owner", "owner_correction")] {
                if !message.text(key).isEmpty { printLine(style("  \(name): ", .yellow) + message.text(key)) }
            }
            for other in message.json.list("alternatives") {
                printLine(style("  alternative: ", .dim) + AreaChat(json: other).text("content"))
            }
        }
    }

    /// Opens an editor with an answer.
    ///
    /// - Returns: nil if it was not changed.
    private func correct(_ chat: AreaChat) throws -> AreaChat? {
        let answers = chat.messages.indices.filter { chat.messages[$0]["role"]?.isString("assistant") == true }
        guard var index = answers.last else { return nil }
        if answers.count > 1 {
            printError("Number of the answer [\(index + 1)]: ", terminator: "")
            let line = readLine() ?? ""
            if !line.isEmpty {
                guard let number = Int(line), answers.contains(number - 1) else {
                    printNote("expected one of \(answers.map { "\($0 + 1)" }.joined(separator: ", ")).")
                    return nil
                }
                index = number - 1
            }
        }
        let message = chat.messages[index]
        let before = ["owner_correction", "correction", "content"].compactMap { message[$0]?.string }.first ?? ""
        guard let id = message["id"]?.string else { return nil }
        let folder = try ScratchFolder(), path = folder.path + "/answer.txt"
        try AtomicFile.write(before + "\n", to: path, isPrivate: true)
        // The path has no characters with a meaning in a shell, apart from those of TMPDIR.
        guard system("${VISUAL:-${EDITOR:-vi}} '\(path.replacing("'", with: "'\\''"))'") == 0 else {
            printNote("the editor failed; set EDITOR to one that is installed.")
            return nil
        }
        var text = String(decoding: try InputFile.contents(of: path), as: UTF8.self)
        while text.last?.isNewline == true { text.removeLast() }
        if text.isEmpty || text == before { return nil }
        return try self.chat("PUT", "\(chat.id)/corrections/\(id)") { $0["content"] = text }
    }

    /// One key; nil for the end of the input, Ctrl-C and Ctrl-D.
    private func readKey() -> Character? {
        TerminalMode.raw.apply {
            var reader = KeyReader()
            while true {
                var bytes = [UInt8](repeating: 0, count: 64)
                let count = read(STDIN_FILENO, &bytes, bytes.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return nil }
                for key in reader.keys(in: bytes[..<count]) {
                    switch key {
                    case .text(let text): return text.lowercased().first
                    case .control("c"), .control("d"): return nil
                    default: return "?"
                    }
                }
            }
        }
    }
}
