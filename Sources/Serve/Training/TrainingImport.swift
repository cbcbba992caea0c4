import Corpus
import HTTPServer
import JSON
import Store
import Tokenize

/// Reads an uploaded file of chats in any format that `slm` trains on.
///
///     let file = try TrainingImport(body, format: nil)
///     try store.importTrainingChats(file.chats, by: admin)
struct TrainingImport {
    private(set) var chats: [ImportedChat] = []
    /// Lines without a chat: empty conversations and malformed lines.
    private(set) var skipped = 0
    /// The first malformed lines.
    private(set) var errors: [(line: Int, message: String)] = []

    static let maxErrors = 10
    /// Exchanges of one chat, by their last messages.
    private var open: [[CopiedMessage]: Int] = [:]

    /// - Parameter format: nil to detect it.
    init(_ bytes: [UInt8], format: ChatFileFormat?) throws(APIError) {
        let text = ChatText(bytes, format: format)
        var parser = ConversationParser()
        switch text.format {
        case nil: throw .invalid("format", "the file is empty.")
        case .text, .documents:
            let found = text.format == .text ? "plain text" : "documents"
            throw .invalid("format", "expected chats (tinychat, collected, messages or preferences), found \(found).")
        case .preferences:
            parser.parsePreferences(text.block) { entry in
                switch entry {
                case .preference(let preference, _): chats.append(Self.chat(preference))
                case .empty: skipped += 1
                case .malformed(let line): add(line)
                }
            }
        case .collected, .messages, .tinyChat:
            parser.parse(text.block) { entry in
                switch entry {
                case .conversation(let conversation, _): add(conversation, isExchange: text.format == .collected)
                case .text, .empty: skipped += 1
                case .malformed(let line): add(line)
                }
            }
        }
    }

    private mutating func add(_ line: MalformedLine) {
        skipped += 1
        if errors.count < Self.maxErrors { errors.append((line.line, line.reason.capitalizedFirst + ".")) }
    }

    /// Adds a conversation. A collected exchange, whose history is an earlier exchange, continues it.
    private mutating func add(_ conversation: Conversation, isExchange: Bool) {
        let messages = conversation.messages.compactMap { CopiedMessage($0) }
        guard messages.contains(where: { $0.role == .assistant }) else { skipped += 1; return }
        guard isExchange else { chats.append(ImportedChat(messages)); return }
        let history = Self.tail(of: messages.dropLast(2)), exchange = messages.suffix(2)
        var index = chats.count
        if !history.isEmpty, let known = open.removeValue(forKey: history) {
            index = known
            chats[known] = ImportedChat(chats[known].messages + exchange)
        } else {
            chats.append(ImportedChat(messages))
        }
        open[Self.tail(of: messages[...])] = index
    }

    /// By which an exchange is recognized as the next one of a chat.
    private static func tail(of messages: ArraySlice<CopiedMessage>) -> [CopiedMessage] {
        messages.suffix(6).map { CopiedMessage($0.role, $0.content) }
    }

    private static func chat(_ preference: Preference) -> ImportedChat {
        let prompt = preference.prompt.compactMap { CopiedMessage($0) }
        switch preference.answers {
        case .pair(let chosen, let rejected):
            let rejected = rejected.compactMap { CopiedMessage($0) }.map { message in
                var message = message
                message.isActive = false
                return message
            }
            var chosen = chosen.compactMap { CopiedMessage($0) }
            if !chosen.isEmpty { chosen[0].isChosen = true }
            return ImportedChat(prompt + rejected + chosen)
        case .rated(let answer, let isGood):
            var answer = answer.compactMap { CopiedMessage($0) }
            if !answer.isEmpty { answer[0].rating = isGood ? .good : .bad }
            return ImportedChat(prompt + answer)
        }
    }
}

extension CopiedMessage {
    /// nil for the result of a function, which is not trained on.
    fileprivate init?(_ message: Conversation.Message) {
        guard let role = Message.Role(rawValue: message.role.rawValue) else { return nil }
        self.init(role, String(decoding: message.text, as: UTF8.self))
        isContext = message.isContext && role == .assistant
    }
}

extension TrainingChatService {
    func importChats(_ context: RequestContext) throws -> Response {
        var format: ChatFileFormat?
        if let name = context.request.query("format"), name != "detected" {
            let formats = ChatFileFormat.allCases.filter { $0 != .text && $0 != .documents }
            guard let found = formats.first(where: { $0.rawValue == name }) else {
                let names = ["detected"] + formats.map(\.rawValue)
                throw APIError.invalid("format", "expected one of \(names.joined(separator: ", ")).")
            }
            format = found
        }
        let given: TrainingImportID? = try context.request.id("import", of: "an import"), id = given ?? TrainingImportID()
        let file = try TrainingImport(context.request.body, format: format)
        context.request.releaseBody()
        let (added, duplicates) = try importChats(of: file, as: id, isPart: given != nil, by: context.adminRequest)
        return Response.json { result in
            result["import"] = id.description
            result["added"] = added
            result["duplicates"] = duplicates
            result["skipped"] = file.skipped
            result.objects("errors", file.errors) { error, object in
                object["line"] = error.line
                object["message"] = error.message
            }
        }
    }

    /// Says how many chats a request has added before the disk was full: each transaction adds some of them.
    ///
    /// - Parameter isPart: Whether earlier requests have sent other parts of the file.
    private func importChats(
        of file: TrainingImport, as id: TrainingImportID, isPart: Bool, by request: AdminRequest
    ) throws -> (added: Int, duplicates: Int) {
        var added = 0
        do { return try store.importTrainingChats(file.chats, as: id, by: request) { added = $0 } } catch {
            guard case .diskFull = error, added > 0 || isPart else { throw error }
            throw APIError(
                status: .insufficientStorage, code: "no_space", message: "The server's disk is full. \(added) of \(file.chats.count) "
                    + "chats \(isPart ? "of this part of the file " : "")were added. Free some space, then import the file again: "
                    + "what was added is not added twice.")
        }
    }

    func imports() throws -> Response {
        let imports = try store.trainingImports()
        return Response.json { list in
            list.objects("items", imports) { item, object in
                object["id"] = item.id.description
                object["created_at"] = item.createdAt.description
                object["chats"] = item.chats
                object["included"] = item.included
            }
        }
    }

    /// Deletes the chats that an import has added.
    func deleteImport(_ context: RequestContext) throws -> Response {
        let deleted = try store.deleteTrainingImport(context.id(of: "import"), by: context.adminRequest)
        return Response.json { $0["deleted"] = deleted }
    }
}
