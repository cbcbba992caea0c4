package import Infer
import Terminal

/// A conversation between a person and a backend, until the person leaves.
///
///     var chat = ChatLoop(backend, ChatSession(config: config), ChatScreen(environment: environment))
///     chat.run()
///
/// Control-C ends an answer and keeps what came of it; at the prompt it clears the line, and says how to leave.
package struct ChatLoop: ~Copyable {
    private let backend: any ChatBackend
    private var session: ChatSession
    private var screen: ChatScreen

    package init(_ backend: any ChatBackend, _ session: ChatSession, _ screen: consuming ChatScreen) {
        (self.backend, self.session) = (backend, session)
        self.screen = screen
    }

    package mutating func run() {
        if screen.isTerminal { screen.say("\(backend.name.visible)\(backend.context.map { ", \($0) tokens of context" } ?? ""). /help shows what can be done here.\n") }
        while true {
            switch screen.read() {
            case .end: return
            case .interrupted(let hadText): if !hadText { screen.note("Control-D or /quit leaves.") }
            case .line(let line):
                do throws(ChatCommand.Unknown) {
                    let command = try ChatCommand(line)
                    if command == .quit { return }
                    carryOut(command)
                } catch { screen.note(error.description) }
            }
        }
    }

    private mutating func carryOut(_ command: ChatCommand) {
        switch command {
        case .say(let text): answer(session.ask(text))
        case .retry: if let request = session.askAgain() { answer(request) } else { screen.note("nothing was asked yet.") }
        case .undo: screen.note(session.undo() ? "the last question is forgotten; \(session.messages.count) messages are left." : "nothing was asked yet.")
        case .reset:
            session.reset()
            screen.note("everything is forgotten\(session.system == nil ? "" : " but what the system says").")
        case .save(let path): save(to: path)
        case .load(let path): load(from: path)
        case .system(nil): screen.say(session.system ?? "The system says nothing.")
        case .system(let text?):
            session.system = text == "-" ? nil : text
            screen.note(text == "-" ? "the system says nothing." : "the system says this from the next answer on.")
        case .temperature(nil): screen.say("\(session.config.temperature)")
        case .temperature(let value?):
            do throws(GenerationError) { session.config = try session.config.with(temperature: value) } catch { screen.note(error.description) }
        case .stats: screen.say(ChatSummary(session, context: backend.context).text)
        case .help: screen.say(Self.help)
        case .quit, .nothing: break
        }
    }

    private static var help: String {
        let width = 20
        let lines = ChatCommand.list.map { command -> String in
            let gap = String(repeating: " ", count: width - command.words.count)
            return "  " + command.words + gap + command.what
        }
        return lines.joined(separator: "\n") + "\n  A line that ends with \\ goes on in the next."
    }

    private mutating func save(to path: String) {
        if session.messages.isEmpty { return screen.note("nothing was said yet.") }
        do {
            try SavedChat.add(session.conversation, to: path)
            screen.note("added to \(path).")
        } catch { screen.note("\(error)") }
    }

    private mutating func load(from path: String) {
        do {
            guard let conversation = try SavedChat.last(in: path) else { return screen.note("\(path) holds no conversation.") }
            session.resume(conversation)
            screen.note("\(session.messages.count) messages of \(path).")
        } catch { screen.note("\(error)") }
    }
}

extension ChatLoop {
    private mutating func answer(_ request: AnswerRequest) {
        let events: AnswerEvents
        do throws(GenerationError) { events = try backend.events(of: request) } catch {
            session.forgetQuestion()
            return screen.note(error.description)
        }
        var whole = WholeAnswer()
        if screen.isTerminal { TerminalMode.quiet.apply { show(events, &whole) } } else { show(events, &whole) }
        session.take(whole)
        screen.endAnswer(ChatSummary(session, context: backend.context).line)
        if case .error(let error) = whole.end.reason { screen.note(error.description) }
        if whole.text.isEmpty, whole.end.reason == .stop { screen.note("the model says nothing to that.") }
    }

    /// The answer as it comes, with control-C listened to.
    private mutating func show(_ events: AnswerEvents, _ whole: inout WholeAnswer) {
        let interrupts = Interrupts()
        var isOver = false
        while !isOver {
            if interrupts.take() > 0 { events.cancel() }
            guard let event = events.next(within: .milliseconds(30)) else { continue }
            whole.add(event)
            switch event {
            case .began(let beginning):
                warn(beginning)
                screen.beginAnswer()
            case .piece(let piece): screen.showAnswer(piece.text)
            case .ended: isOver = true
            }
        }
    }

    private func warn(_ beginning: AnswerBeginning) {
        let context = beginning.context.map { " of \($0) tokens" } ?? ""
        if beginning.droppedTurns > 0 {
            screen.note("the \(beginning.droppedTurns) oldest messages no longer fit into the context\(context): the model has not seen them.")
        }
        if beginning.wasCut { screen.note("the message is too long for the context\(context): its beginning was left out.") }
    }
}
