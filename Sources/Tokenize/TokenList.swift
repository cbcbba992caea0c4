/// A byte-level vocabulary as GGUF lists it: what each token is called, in GPT-2's alphabet unless it is special, and merges as "Ġt he".
///
///     let list = try TokenList(vocabulary)
///     let same = try list.vocabulary(path: "model.gguf")           // but for its pattern, which is told in another way
package struct TokenList: Sendable, Equatable {
    package enum Kind: Sendable {
        case plain, special
        /// A number that is no token.
        case none
    }

    package var names = ByteStrings()
    package var kinds: [Kind] = []
    package var merges = ByteStrings()

    package init() {}

    package init(_ vocabulary: Vocabulary) throws(TokenizeError) {
        func refuse(_ reason: String) -> TokenizeError { .notExpressible(format: "A list of tokens", reason: reason) }
        guard vocabulary.unit == .bytes else { throw refuse("its tokens are characters") }
        guard !vocabulary.addsPrefixSpace else { throw refuse("it begins every text with a space") }
        if vocabulary.ignoresMerges, vocabulary.pattern != .llama3, let id = vocabulary.firstUnmerged {
            throw refuse("token \(id) is taken whole, and merging would make others of it")
        }
        names = vocabulary.keys
        if let double = TokenIndex(names).firstDouble(in: names) {
            throw refuse("token \(double) is written like another, \(shown(names[Int(double)]))")
        }
        let special = Set(vocabulary.specialTokens.map(\.id))
        kinds = names.indices.map { special.contains(TokenID($0)) ? .special : names.range(of: $0).isEmpty ? .none : .plain }
        for merge in vocabulary.merges {
            let whole = vocabulary.tokens[Int(merge.left)] + vocabulary.tokens[Int(merge.right)]
            guard whole.elementsEqual(vocabulary.tokens[Int(merge.result)]) else {
                throw refuse("token \(merge.result) is not what it merges from")
            }
            merges.append(names[Int(merge.left)] + [32] + names[Int(merge.right)])
        }
    }

    /// Checks all of it: it comes from a file. Messages call its parts as GGUF does.
    package func vocabulary(path: String) throws(TokenizeError) -> Vocabulary {
        var slots = TokenSlots(fileSize: names.count), vocabulary = Vocabulary(), token: [UInt8] = []
        for id in names.indices where kinds[id] != .none {
            func place() -> String { "tokenizer.ggml.tokens[\(id)]" }
            token.removeAll(keepingCapacity: true)
            if kinds[id] == .special {
                let text = String(decoding: names[id], as: UTF8.self)
                token.append(contentsOf: text.utf8)
                vocabulary.specialTokens.append(.init(id: TokenID(id), text: text))
            } else if !ByteToUnicode.append(names.bytes.span.extracting(names.range(of: id)), to: &token) {
                throw .malformed(
                    path: path, place: place(), expected: "a token in GPT-2's alphabet for bytes, or one of another type",
                    found: shown(names[id]))
            }
            do { try slots.put(token, at: id) } catch { throw error.error(path: path, place: place(), id: id) }
        }
        vocabulary.tokens = slots.tokens
        let special = Set(vocabulary.specialTokens.map(\.id)), index = TokenIndex(vocabulary.tokens, except: special)
        if let double = index.firstDouble(in: vocabulary.tokens, except: special) {
            throw .malformed(
                path: path, place: "tokenizer.ggml.tokens[\(double)]", expected: "each token once",
                found: shown(names[Int(double)]) + " again")
        }
        var reader = MergeReader(vocabulary.tokens, index: index)
        for i in merges.indices {
            do throws(MergeReader.Refusal) { try reader.add(merges.bytes.span.extracting(merges.range(of: i))) } catch {
                throw .malformed(path: path, place: "tokenizer.ggml.merges[\(i)]", expected: error.expected, found: error.found)
            }
        }
        vocabulary.merges = reader.merges
        return vocabulary
    }
}
