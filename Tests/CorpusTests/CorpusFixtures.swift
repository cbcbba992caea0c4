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
func entries(of path: String, format: ChatFileFormat? = nil, maxLineBytes: Int = 1_000_000) throws -> [String] {
    var blocks = try CorpusBlocks([path], format: format, maxLineBytes: maxLineBytes)
    var parser = ConversationParser()
    var result: [String] = []
    var texts: [UInt8] = []
    while let block = try blocks.next() {
        parser.parse(block) { entry in
            switch entry {
            case .conversation(let conversation, let line):
                let messages = conversation.messages.map { "\($0.role.rawValue): \(String(decoding: $0.text, as: UTF8.self))" }
                result.append("\(line) " + messages.joined(separator: " | "))
            case .text(let text, _): texts += text
            case .empty(let line): result.append("\(line) empty")
            case .malformed(let line): result.append(line.description.replacing(path, with: "FILE"))
            }
        }
    }
    return result + (texts.isEmpty ? [] : ["text: " + String(decoding: texts, as: UTF8.self)])
}
