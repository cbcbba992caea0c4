import Corpus
import Tokenize

/// A tokenizer of bytes: byte b is b + 4.
func byteTokenizer(specialTokens: [String] = ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]) throws -> Tokenizer {
    var vocabulary = Vocabulary()
    vocabulary.add(specialTokens: specialTokens)
    for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
    return try Tokenizer(vocabulary)
}

/// All that a reader finds: a conversation as `user: Hi | assistant: Hello`, faults as they are printed, and in the end the text, if there
/// is any.
func found(_ path: String, format: ChatFileFormat? = nil, lineLimit: Int = 1_000_000) throws -> [String] {
    var blocks = try CorpusBlocks([path], format: format, lineLimit: lineLimit), parser = ConversationParser(), result: [String] = [],
        texts: [UInt8] = []
    while let block = try blocks.next() {
        parser.parse(block) { entry in
            switch entry {
            case .conversation(let conversation, let line):
                result.append(
                    "\(line) "
                        + conversation.messages.map { "\($0.role.rawValue): \(String(decoding: $0.text, as: UTF8.self))" }.joined(
                            separator: " | "))
            case .text(let text, _): texts += text
            case .empty(let line): result.append("\(line) empty")
            case .malformed(let fault): result.append(fault.description.replacing(path, with: "FILE"))
            }
        }
    }
    return result + (texts.isEmpty ? [] : ["text: " + String(decoding: texts, as: UTF8.self)])
}
