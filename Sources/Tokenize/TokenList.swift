/// A byte-level vocabulary as lists of strings, as GGUF stores it: token names in GPT-2's byte-to-unicode alphabet, special tokens
/// unchanged, and merges as "Ġt he".
///
///     let list = try TokenList(vocabulary)
///     let same = try list.vocabulary(path: "model.gguf")           // without the pattern, which GGUF stores elsewhere
package struct TokenList: Sendable, Equatable {
    package enum Kind: Sendable {
        case plain, special
        /// An unused ID.
        case none
    }

    package var names = ByteStrings()
    package var kinds: [Kind] = []
    package var merges = ByteStrings()

    package init() {}

    package init(_ vocabulary: Vocabulary) throws(TokenizeError) {
        func error(_ reason: String) -> TokenizeError { .notExpressible(format: "a list of tokens", reason: reason) }
        guard vocabulary.unit == .bytes else { throw error("its tokens are characters") }
        guard !vocabulary.addsPrefixSpace else { throw error("it adds a prefix space to every text") }
        if vocabulary.ignoresMerges, vocabulary.pattern != .llama3, let id = vocabulary.firstUnreachableToken {
            throw error("it ignores merges, and token \(id) is not reachable by merges")
        }
        names = vocabulary.tokenNames
        if let duplicate = TokenIndex(names).firstDuplicate(in: names) {
            throw error("token \(duplicate) has the same name as another, \(excerpt(names[Int(duplicate)]))")
        }
        let special = vocabulary.specialTokenIDs
        kinds = names.indices.map { special.contains(TokenID($0)) ? .special : names.range(of: $0).isEmpty ? .none : .plain }
        for merge in vocabulary.merges {
            let whole = vocabulary.tokens[Int(merge.left)] + vocabulary.tokens[Int(merge.right)]
            guard whole.elementsEqual(vocabulary.tokens[Int(merge.result)]) else {
                throw error("token \(merge.result) differs from the tokens that merge into it")
            }
            merges.append(names[Int(merge.left)] + [32] + names[Int(merge.right)])
        }
    }

    /// The vocabulary. Validates the lists, which come from a file; errors use GGUF's key names.
    package func vocabulary(path: String) throws(TokenizeError) -> Vocabulary {
        var slots = TokenSlots(fileSize: names.count)
        var vocabulary = Vocabulary()
        var token: [UInt8] = []
        for id in names.indices where kinds[id] != .none {
            func location() -> String { "tokenizer.ggml.tokens[\(id)]" }
            token.removeAll(keepingCapacity: true)
            if kinds[id] == .special {
                let text = String(decoding: names[id], as: UTF8.self)
                token.append(contentsOf: text.utf8)
                vocabulary.specialTokens.append(.init(id: TokenID(id), text: text))
            } else if !ByteToUnicode.append(names.bytes.span.extracting(names.range(of: id)), to: &token) {
                throw .malformed(
                    path: path, location: location(),
                    expected: "a token in GPT-2's byte-to-unicode alphabet, or of another type",
                    found: excerpt(names[id])
                )
            }
            do { try slots.insert(token, at: id) } catch { throw error.error(path: path, location: location(), id: id) }
        }
        vocabulary.tokens = slots.tokens
        let special = vocabulary.specialTokenIDs
        let index = TokenIndex(vocabulary.tokens, except: special)
        if let duplicate = index.firstDuplicate(in: vocabulary.tokens, except: special) {
            throw .malformed(
                path: path, location: "tokenizer.ggml.tokens[\(duplicate)]",
                expected: "each token once", found: excerpt(names[Int(duplicate)]) + " again"
            )
        }
        var reader = MergeReader(vocabulary.tokens, index: index)
        for i in merges.indices {
            do throws(MergeReader.Mismatch) { try reader.add(merges.bytes.span.extracting(merges.range(of: i))) } catch {
                throw .malformed(path: path, location: "tokenizer.ggml.merges[\(i)]", expected: error.expected, found: error.found)
            }
        }
        vocabulary.merges = reader.merges
        return vocabulary
    }
}
