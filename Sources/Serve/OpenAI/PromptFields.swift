import Infer
import JSON
import Tokenize

extension RequestFields {
    /// Parses a text, a list of texts, a list of token ids, or a list of such lists.
    ///
    /// - Parameters:
    ///   - name: `prompt` or `input`.
    ///   - maxCount: The most texts.
    func prompts(_ name: String, for model: ServedModel, maxCount: Int) throws(APIError) -> [Prompt] {
        if self[name]?.string != nil { return [.text(try text(name, 0...Self.maxPromptLength))] }
        guard let elements = self[name]?.elements else {
            let found = self[name]?.kind.rawValue ?? "nothing"
            throw .invalid(name, "expected a string, a list of strings, or a list of token ids, found \(found).")
        }
        let list = Array(elements)
        guard let first = list.first else { throw .invalid(name, "expected at least one \(name).") }
        if first.kind == .number { return [.tokens(try tokens(list, name, model))] }
        guard list.count <= maxCount else {
            throw .invalid(name, "expected at most \(maxCount) \(name)s in one request, found \(list.count).")
        }
        var prompts: [Prompt] = []
        for (i, element) in list.enumerated() {
            if let text = element.string, first.kind == .string {
                guard text.unicodeScalars.count <= Self.maxPromptLength else {
                    throw .invalid("\(name)[\(i)]", "expected at most \(Self.maxPromptLength) characters.")
                }
                prompts.append(.text(text))
            } else if let ids = element.elements, first.kind == .array {
                prompts.append(.tokens(try tokens(Array(ids), "\(name)[\(i)]", model)))
            } else {
                throw .invalid("\(name)[\(i)]", "expected all \(name)s to be strings, or all to be lists of token ids.")
            }
        }
        return prompts
    }

    private func tokens(_ elements: [JSONElement], _ path: String, _ model: ServedModel) throws(APIError) -> [TokenID] {
        guard !elements.isEmpty, elements.count <= Self.maxPromptLength else {
            throw .invalid(path, "expected 1 to \(Self.maxPromptLength) tokens, found \(elements.count).")
        }
        var ids: [TokenID] = []
        for (i, element) in elements.enumerated() {
            guard let id = element.integer.flatMap({ model.token($0) }) else {
                throw .invalid("\(path)[\(i)]", "expected a token id\(model.tokenRange).")
            }
            ids.append(id)
        }
        return ids
    }
}

extension ServedModel {
    /// Returns nil for a number that is not a token id. The ids of a remote model are not checked.
    func token(_ number: Int) -> TokenID? {
        guard number >= 0, number < modelInfo?.tokenizer.vocabulary.count ?? Int(TokenID.max) else { return nil }
        return TokenID(number)
    }

    var tokenRange: String { modelInfo.map { " from 0 to \($0.tokenizer.vocabulary.count - 1)" } ?? "" }
}
