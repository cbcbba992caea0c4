import JSON
import Store
import Tokenize

/// What a chat becomes for `slm finetune`: lines of JSON.
///
/// A corrected answer counts as its correction, also before later questions; an owner's correction wins over the user's.
///
/// An answer from documents is left out, because without the passages a model would learn to invent. With `passages`, its question is the
/// message that the model was given.
enum TrainingLines: String, CaseIterable {
    /// Exchanges to train on, in the format of `--collect`: complete answers of the shown branch that are not rated bad, and answers of
    /// any branch that are corrected or rated good.
    case chats
    /// Whole chats, one in each line, in the format of OpenAI and Hugging Face: the shown branch up to the first answer that is not worth
    /// training on, because readers of this format train on all answers.
    case messages
    /// What users prefer, in TRL's format: a chosen answer over its alternatives, and a correction over its original.
    case pairs
    /// Answers that are rated good or bad, in TRL's format.
    case ratings

    private typealias Turn = (role: Conversation.Role, text: String)

    func lines(of chat: TrainingConversation, passages: Bool) -> [UInt8] {
        lines(of: chat.messages, chat.preferences, chat.settings, passages: passages)
    }

    func lines(of chat: ReviewedChat, passages: Bool) -> [UInt8] {
        lines(of: chat.messages, chat.preferences, chat.settings, passages: passages)
    }

    /// - Returns: Lines with their line ends.
    private func lines(
        of list: [TrainingMessage], _ preferences: [AnswerPreference], _ settings: ConversationSettings, passages: Bool
    ) -> [UInt8] {
        if self == .messages { return Self.chat(list, settings, passages: passages) }
        let messages = Dictionary(list.map { ($0.message.id, $0) }) { first, _ in first }
        var lines: [UInt8] = []
        for answer in list where answer.message.role == .assistant {
            guard let prompt = Self.prompt(of: answer, among: messages, settings, passages: passages) else { continue }
            switch self {
            case .chats:
                guard answer.isWorthTrainingOn, let question = prompt.last else { continue }
                let chat = ChatLog.chat(
                    user: question.text, assistant: answer.text, at: answer.message.createdAt,
                    after: prompt.dropLast().map { Conversation.Message($0.role, $0.text) })
                if let chat { lines += ChatLog.line(of: chat) }
            case .messages: break
            case .pairs:
                if answer.isCorrected { lines += Self.pair(prompt, chosen: answer.text, rejected: answer.message.content) }
                let preference = preferences.first { $0.chosen == answer.message.id }
                // If an answer was chosen and found bad, only its correction is preferred.
                guard let preference, answer.details.rating?.value != .bad || answer.isCorrected else { continue }
                for other in preference.rejected.compactMap({ messages[$0]?.message.content }) where other != answer.text {
                    lines += Self.pair(prompt, chosen: answer.text, rejected: other)
                }
            case .ratings:
                guard let rating = answer.details.rating else { continue }
                lines += Self.line(prompt) {
                    $0.array("completion") { Self.write((.assistant, answer.message.content), to: &$0) }
                    $0["label"] = rating.value == .good
                }
            }
        }
        return lines
    }

    private static func chat(_ list: [TrainingMessage], _ settings: ConversationSettings, passages: Bool) -> [UInt8] {
        var turns: [Turn] = [], length = 0, question: TrainingMessage?
        if let text = settings.systemPrompt { turns.append((.system, text)) }
        for message in list where message.isActive {
            let isAnswer = message.message.role == .assistant
            if isAnswer, !message.isWorthTrainingOn { break }
            guard let role = Conversation.Role(rawValue: message.message.role.rawValue) else { break }
            if isAnswer, let asked = question {
                guard let text = Self.text(of: asked, for: message, passages: passages) else { break }
                turns[turns.count - 1].text = text
            }
            question = isAnswer ? nil : message
            turns.append((role, message.text))
            if isAnswer { length = turns.count }
        }
        if length == 0 { return [] }
        return JSONWriter.bytes { object in
            object.array("messages") { for turn in turns.prefix(length) { write(turn, to: &$0) } }
        } + [UInt8(ascii: "\n")]
    }

    /// What the model was asked for an answer; nil if it is left out.
    private static func text(of question: TrainingMessage, for answer: TrainingMessage, passages: Bool) -> String? {
        guard let message = answer.details.sources.flatMap(AnswerSources.messageWithPassages) else { return question.text }
        // It ends with the question as it was asked, which an owner may have changed since.
        guard passages, message.hasSuffix(question.message.content) else { return nil }
        return message.dropLast(question.message.content.count) + question.text
    }

    /// The messages before an answer, with the system prompt; nil if the message before it is not a user's, or the answer is left out.
    private static func prompt(
        of answer: TrainingMessage, among messages: [MessageID: TrainingMessage], _ settings: ConversationSettings, passages: Bool
    ) -> [Turn]? {
        guard let question = answer.previous.flatMap({ messages[$0] }), question.message.role == .user,
              let text = text(of: question, for: answer, passages: passages)
        else { return nil }
        var prompt: [Turn] = [(.user, text)]
        var previous = question.previous
        while let id = previous, prompt.count <= messages.count {
            guard let message = messages[id], let role = Conversation.Role(rawValue: message.message.role.rawValue) else { return nil }
            prompt.append((role, message.text))
            previous = message.previous
        }
        if let text = settings.systemPrompt { prompt.append((.system, text)) }
        return prompt.reversed()
    }

    private static func pair(_ prompt: [Turn], chosen: String, rejected: String) -> [UInt8] {
        line(prompt) { object in
            for (key, text) in [("chosen", chosen), ("rejected", rejected)] {
                object.array(key) { write((.assistant, text), to: &$0) }
            }
        }
    }

    private static func line(_ prompt: [Turn], _ rest: (inout JSONWriter) -> Void) -> [UInt8] {
        return JSONWriter.bytes { object in
            object.array("prompt") { for turn in prompt { write(turn, to: &$0) } }
            rest(&object)
        } + [UInt8(ascii: "\n")]
    }

    private static func write(_ turn: Turn, to array: inout JSONWriter) {
        array.object {
            $0["role"] = turn.role.rawValue
            $0["content"] = turn.text
        }
    }
}

extension TrainingMessage {
    fileprivate var isCorrected: Bool { text != message.content }

    /// Whether a model should learn to answer so. An answer that was canceled or cut off is not worth training on.
    fileprivate var isWorthTrainingOn: Bool {
        if isContext { return false }
        if isCorrected { return true }
        guard message.figures.map({ $0.reason == "stop" }) ?? true else { return false }
        return details.rating.map { $0.value == .good } ?? isActive
    }
}
