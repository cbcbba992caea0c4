import Corpus
import Tokenize

/// A byte-level tokenizer with four special tokens: byte b is b + 4.
func byteTokenizer(specialTokens: [String] = ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]) throws -> Tokenizer {
    var vocabulary = Vocabulary()
    vocabulary.add(specialTokens: specialTokens)
    for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
    return try Tokenizer(vocabulary)
}

/// All entries of a file: conversations as `1 user: Hi | assistant: Hello`, malformed lines as they are printed, and last the plain text.
/// Messages that are only context begin with a minus sign, and conversations with tools with their names.
func entries(of path: String, format: ChatFileFormat? = nil, maxLineBytes: Int = 1_000_000) throws -> [String] {
    var blocks = try CorpusBlocks([path], format: format, maxLineBytes: maxLineBytes)
    var parser = ConversationParser()
    var result: [String] = []
    var texts: [UInt8] = []
    while let block = try blocks.next() {
        parser.parse(block) { entry in
            switch entry {
            case .conversation(let conversation, let line):
                let tools = conversation.tools.map { "[\($0.names.joined(separator: ","))] " } ?? ""
                result.append("\(line) " + tools + conversation.messages.map(description).joined(separator: " | "))
            case .text(let text, _): texts += text
            case .empty(let line): result.append("\(line) empty")
            case .malformed(let line): result.append(line.description.replacing(path, with: "FILE"))
            }
        }
    }
    return result + (texts.isEmpty ? [] : ["text: " + String(decoding: texts, as: UTF8.self)])
}

private func description(of message: Conversation.Message) -> String {
    let calls = message.toolCalls.map { " \($0.id)=\($0.call.name)\(String(decoding: $0.call.arguments, as: UTF8.self))" }
    let role = (message.isContext ? "-" : "") + message.role.rawValue + (message.toolCallID.map { " \($0)" } ?? "")
    return "\(role): \(String(decoding: message.text, as: UTF8.self))" + calls.joined()
}
