import Base64
import Files
import Formats
import HTTPServer
import Infer
import JSON
import Tokenize

/// A request to OpenAI's embeddings API.
struct EmbeddingFields {
    /// The texts of a request, and their tokens together: OpenAI's limits.
    static let maxTexts = 2_048
    static let maxTokens = 300_000

    private let inputs: [Prompt]
    private let isBase64: Bool
    private let width: Int
    private let role: EmbeddingInput.Role
    /// Whether texts that are longer than the context lose their end, instead of being refused.
    var truncates = false

    init(_ fields: RequestFields, for model: ServedModel) throws(APIError) {
        let width = try model.embeddingWidth
        try fields.rejectUnsupported(UnsupportedField.embeddings)
        _ = try fields.optionalText("user", 0...RequestFields.maxTextLength)
        switch try fields.optionalText("encoding_format", 0...20) {
        case nil, "float": isBase64 = false
        case "base64": isBase64 = true
        default: throw .invalid("encoding_format", "expected float or base64.")
        }
        switch try fields.optionalText("input_type", 0...20) {
        case nil: role = .plain
        case "query": role = .query
        case "passage", "document": role = .passage
        default: throw .invalid("input_type", "expected query, passage or document.")
        }
        let dimensions = try fields.integer("dimensions") ?? width
        guard (1...width).contains(dimensions) else {
            throw .invalid("dimensions", "expected 1 to \(width), the width of the model, found \(dimensions).")
        }
        self.width = dimensions
        inputs = try fields.prompts("input", for: model, maxCount: Self.maxTexts)
        for (i, input) in inputs.enumerated() where input == .text("") {
            throw .invalid(inputs.count == 1 ? "input" : "input[\(i)]", "expected text, found an empty string.")
        }
    }

    /// The tokens of each text, with those that the model's tokenizer adds around every text.
    func tokens(for model: ServedModel) throws -> [[TokenID]] {
        let encoder = model.backend.embeddingInput, context = try encoder?.context ?? model.info.context
        var count = 0, texts: [[TokenID]] = []
        for input in inputs {
            switch input {
            case .text(let text):
                if let encoder {
                    texts.append(encoder.tokens(of: text, as: role, limit: truncates ? context : .max))
                } else {
                    let tokenizer = try model.info.tokenizer
                    texts.append(try tokenizer.promptIDs(of: text) + tokenizer.vocabulary.textSuffix)
                }
            case .tokens(let ids): texts.append(ids)
            case .chat: break
            }
            if truncates, let last = texts.popLast() { texts.append(Array(last.prefix(context))) }
            count += texts.last?.count ?? 0
        }
        guard count <= Self.maxTokens else {
            throw APIError.invalid("input", "expected at most \(Self.maxTokens) tokens in one request, found \(count).")
        }
        return texts
    }

    /// Encodes the body of the response.
    ///
    /// - Parameter tokens: The number of tokens of all texts.
    func response(_ embeddings: [[Float]], model: String, tokens: Int) -> [UInt8] {
        return JSONWriter.bytes { response in
            response["object"] = "list"
            response.objects("data", embeddings.enumerated()) { item, object in
                object["object"] = "embedding"
                object["index"] = item.offset
                object.key("embedding"); write(item.element, to: &object)
            }
            response["model"] = model
            response.object("usage") {
                $0["prompt_tokens"] = tokens
                $0["total_tokens"] = tokens
            }
        }
    }

    /// A shorter embedding consists of the first numbers, scaled to the length 1 again.
    func write(_ embedding: [Float], to writer: inout JSONWriter) {
        let values = width < embedding.count ? Array(embedding.prefix(width)).normalized : embedding
        if isBase64 {
            writer.string(Base64.text(of: values.flatMap(\.bitPattern.littleEndianBytes), .standard))
        } else {
            // The shortest text that gives the same number of 32 bits.
            writer.array { for value in values { $0.json(value.description) } }
        }
    }
}
