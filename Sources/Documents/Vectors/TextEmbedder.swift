/// An embedding model, as an index uses it: it turns texts into vectors whose directions are close if the texts mean similar things.
///
///     let embedder = TextEmbedder(.init(path: "minilm", digest: digest, width: 384)) { texts, role in … }
///     embedder.vectors(["how do I reset the pump"], .query)[0].count     // 384
///
/// The module knows no models: the caller has one.
package struct TextEmbedder {
    /// Which model it is.
    package struct Model: Sendable, Equatable {
        /// Its folder, as it was when the index was built.
        package let path: String
        /// Identifies its weights, its tokenizer and its settings. Vectors of different models cannot be compared.
        package let digest: String
        /// The length of a vector.
        package let width: Int

        package init(path: String, digest: String, width: Int) {
            self.path = path
            self.digest = digest
            self.width = width
        }
    }

    package enum Role: Sendable { case query, passage }

    package let model: Model
    /// The vectors of texts, in their order.
    package let vectors: (_ texts: [String], _ role: Role) -> [[Float]]

    package init(_ model: Model, vectors: @escaping (_ texts: [String], _ role: Role) -> [[Float]]) {
        self.model = model
        self.vectors = vectors
    }
}
