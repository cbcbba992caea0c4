import Formats
import JSON
import Tokenize

/// A request to rank documents by how well they answer a query, in the form of Jina and Cohere.
struct RerankFields {
    private let query: String
    private let documents: [String]
    /// The most results.
    private let limit: Int
    private let returnsDocuments: Bool

    init(_ fields: RequestFields) throws(APIError) {
        query = try fields.text("query", 1...RequestFields.maxTextLength)
        guard let elements = fields["documents"]?.elements else { throw .invalid("documents", "expected a list of texts.") }
        var documents: [String] = []
        for element in elements {
            guard let text = element.string ?? element["text"]?.string else {
                throw .invalid("documents[\(documents.count)]", "expected a string, or an object with a text.")
            }
            documents.append(text)
        }
        guard (1...EmbeddingFields.maxTexts).contains(documents.count) else {
            throw .invalid("documents", "expected 1 to \(EmbeddingFields.maxTexts) texts in one request, found \(documents.count).")
        }
        self.documents = documents
        limit = try fields.integer("top_n") ?? documents.count
        guard limit > 0 else { throw .invalid("top_n", "expected at least 1, found \(limit).") }
        returnsDocuments = try fields.boolean("return_documents") ?? false
    }

    /// The tokens of each document with the query. Their ends are left out where they do not fit into the context.
    func tokens(for input: EmbeddingInput) throws(APIError) -> [[TokenID]] {
        let pairs = documents.map { input.tokens(of: query, with: $0) }, count = pairs.reduce(0) { $0 + $1.count }
        guard count <= EmbeddingFields.maxTokens else {
            throw .invalid("documents", "expected at most \(EmbeddingFields.maxTokens) tokens in one request, found \(count).")
        }
        return pairs
    }

    /// Encodes the body of the response: the best document first, equal ones in their order.
    func response(_ scores: [Float], model: String, tokens: Int) -> [UInt8] {
        let order = scores.indices.sorted { scores[$0] > scores[$1] }
        return JSONWriter.bytes { response in
            response["object"] = "list"
            response["model"] = model
            response.objects("results", order.prefix(limit)) { index, result in
                result["index"] = index
                result.json("relevance_score", scores[index].description)
                if returnsDocuments { result.object("document") { $0["text"] = documents[index] } }
            }
            response.object("usage") {
                $0["prompt_tokens"] = tokens
                $0["total_tokens"] = tokens
            }
        }
    }
}
