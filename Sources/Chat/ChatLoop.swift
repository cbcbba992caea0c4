package import Documents
package import Infer
import Terminal
import Tokenize

/// An interactive conversation between a user and a backend.
///
///     var chat = ChatLoop(backend, ChatSession(config: config), ChatScreen(environment: environment))
///     chat.run()
///
/// Ctrl-C ends an answer and keeps its text. At the prompt it clears the line, and in an empty line shows how to quit.
package struct ChatLoop: ~Copyable {
    private let backend: any ChatBackend
    private var session: ChatSession
    private var screen: ChatScreen
    private let documents: PassageFinder?
    private let showsPassages: Bool

    /// - Parameters:
    ///   - documents: The passages that the answers use. The history keeps the questions without them.
    ///   - showsPassages: Whether to print what the model receives instead of each question.
    package init(
        _ backend: any ChatBackend, _ session: ChatSession, _ screen: consuming ChatScreen, documents: PassageFinder? = nil,
        showsPassages: Bool = false
    ) {
        self.backend = backend
        self.session = session
        self.screen = screen
        self.documents = documents
        self.showsPassages = showsPassages
    }

    /// Runs until the user quits.
    package mutating func run() {
        guard screen.isTerminal else { return readLines() }
        // For the whole chat: in the terminal's default mode, text typed during an answer would be echoed, and Ctrl-C would
        // end the program.
        TerminalMode.noEcho.apply {
            let interrupts = Interrupts()
            readLines()
            _ = interrupts.take()
        }
    }

    private mutating func readLines() {
        if screen.isTerminal {
            let context = backend.context.map { ", \($0) tokens of context" } ?? ""
            let source = documents.map { ", documents of \($0.source.printable)" } ?? ""
            screen.print("\(backend.name.printable)\(context)\(source). Type /help for a list of commands.\n")
        }
        while true {
            switch screen.read() {
            case .end: return
            case .interrupted(let hadText): if !hadText { screen.note("press Ctrl-D or type /quit to quit.") }
            case .line(let line):
                do throws(ChatCommand.Invalid) {
                    let command = try ChatCommand(line)
                    if command == .quit { return }
                    run(command)
                } catch { screen.note(error.description) }
            }
        }
    }

    private mutating func run(_ command: ChatCommand) {
        switch command {
        case .send(let text): answer(text, isRetry: false)
        case .retry:
            if let text = session.lastQuestion { answer(text, isRetry: true) } else { screen.note("there is no message to retry.") }
        case .undo:
            let wasRemoved = session.undo()
            screen.note(wasRemoved ? "last message removed; \(session.messages.count) messages left." : "there is no message to remove.")
        case .reset:
            session.reset()
            screen.note("conversation cleared\(session.system == nil ? "" : "; the system message stays").")
        case .save(let path): save(to: path)
        case .load(let path): load(from: path)
        case .system(nil): screen.print(session.system ?? "No system message.")
        case .system(let text?):
            session.system = text == "-" ? nil : text
            screen.note(text == "-" ? "system message removed." : "system message set, from the next answer on.")
        case .temperature(nil): screen.print("\(session.config.temperature)")
        case .temperature(let value?):
            do throws(GenerationError) {
                session.config = try session.config.with(temperature: value)
            } catch { screen.note(error.description) }
        case .stats: screen.print(ChatSummary(session, context: backend.context).text)
        case .help: screen.print(Self.help)
        case .quit, .nothing: break
        }
    }

    private static var help: String {
        let width = 20
        let lines = ChatCommand.list.map { command -> String in
            let gap = String(repeating: " ", count: width - command.usage.count)
            return "  " + command.usage + gap + command.help
        }
        return lines.joined(separator: "\n") + "\n  End a line with \\ to continue the message on the next line."
    }

    private mutating func save(to path: String) {
        if session.messages.isEmpty { return screen.note("there are no messages to save.") }
        do {
            try SavedChat.append(session.conversation, to: path)
            screen.note("added to \(path).")
        } catch { screen.note("\(error)") }
    }

    private mutating func load(from path: String) {
        do {
            guard let conversation = try SavedChat.last(in: path) else {
                return screen.note("\(path): expected a conversation, found none.")
            }
            session.resume(conversation)
            screen.note("loaded \(session.messages.count) messages from \(path).")
        } catch { screen.note("\(error)") }
    }
}

extension ChatLoop {
    /// Answers a message, with passages of the documents if there are some.
    private mutating func answer(_ text: String, isRetry: Bool) {
        let prompt: PassagePrompt?, earlier = Array(session.messages.userTexts.dropLast(isRetry ? 1 : 0))
        do throws(DocumentError) { prompt = try documents?.prompt(for: text, after: earlier) } catch {
            return screen.note(error.description)
        }
        if let note = prompt?.note { screen.note(note) }
        if showsPassages, let prompt, !prompt.sources.isEmpty { screen.print(prompt.message.printable + "\n") }
        let message = prompt?.message
        let request = isRetry ? session.requestForRetry(as: message) : session.request(sending: text, as: message)
        if let request { answer(request, sources: prompt?.sourceList ?? []) }
    }

    private mutating func answer(_ request: GenerationRequest, sources: [String]) {
        let stream: GenerationStream
        do throws(GenerationError) { stream = try backend.stream(request) } catch {
            session.discardPendingMessage()
            return screen.note(error.description)
        }
        var result = GenerationResult()
        show(stream, &result)
        session.add(result)
        screen.endAnswer(ChatSummary(session, context: backend.context).line, sources: sources)
        if case .error(let error) = result.end.reason { screen.note(error.description) }
        if result.text.isEmpty, result.end.reason == .stop { screen.note("the model's answer is empty.") }
    }

    /// Prints the answer while it is generated. Ctrl-C cancels it.
    private mutating func show(_ stream: GenerationStream, _ result: inout GenerationResult) {
        let interrupts = Interrupts()
        var isFinished = false
        while !isFinished {
            if interrupts.take() > 0 { stream.cancel() }
            guard let event = stream.next(within: .milliseconds(30)) else { continue }
            result.add(event)
            switch event {
            case .began(let start):
                warnIfTruncated(start)
                screen.beginAnswer()
            case .piece(let piece): screen.showAnswer(piece.text)
            case .ended: isFinished = true
            }
        }
    }

    private func warnIfTruncated(_ start: GenerationStart) {
        let context = start.context.map { " of \($0) tokens" } ?? ""
        if start.droppedMessages > 0 {
            let count = start.droppedMessages
            screen.note("the \(count) oldest messages no longer fit into the context\(context): the model does not see them.")
        }
        if start.wasTruncated { screen.note("the message is too long for the context\(context): its beginning was cut.") }
    }
}
