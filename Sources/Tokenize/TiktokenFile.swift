import Base64

/// tiktoken's files: a line for each token, its bytes in base64, a space, its rank, which is its id.
///
///     let gpt2 = try TiktokenFile.read(bytes, path: "gpt2.tiktoken")
///     let file = try TiktokenFile.bytes(of: gpt2)           // what was read
///
/// The file holds neither special tokens nor a pattern. tiktoken's own are known by their file names; for others the caller says what they
/// are.
/// Nor does it hold merges: see `MergeRecovery`.
package enum TiktokenFile {
    package static func read(_ bytes: [UInt8], path: String, pattern: PreTokenizationPattern? = nil,
                             specialTokens: [Vocabulary.SpecialToken]? = nil) throws(TokenizeError) -> Vocabulary {
        var slots = TokenSlots(fileSize: bytes.count), token: [UInt8] = []
        for (number, range) in TextLines(bytes) where !range.isEmpty {
            guard let space = bytes[range].firstIndex(of: 32), let id = decimal(bytes[(space + 1)..<range.upperBound]) else {
                throw .malformed(
                    path: path, place: "\(number)", expected: "a token in base64, a space and its rank", found: shown(bytes[range]))
            }
            token.removeAll(keepingCapacity: true)
            guard space > range.lowerBound, Base64.decode(bytes.span.extracting(range.lowerBound..<space), .standard, into: &token) else {
                throw .malformed(
                    path: path, place: "\(number)", expected: "a token in base64", found: shown(bytes[range.lowerBound..<space]))
            }
            do { try slots.put(token, at: id) } catch { throw error.error(path: path, place: "\(number)", id: id) }
        }
        guard slots.count > 0 else { throw .malformed(path: path, place: nil, expected: "tokens", found: "none") }
        let known = Published(path)
        var vocabulary = Vocabulary()
        vocabulary.specialTokens = specialTokens ?? known.specialTokens(behind: slots)
        for special in vocabulary.specialTokens {
            do { try slots.put(special.text.utf8, at: Int(special.id)) } catch {
                throw error.error(path: path, place: special.text, id: Int(special.id))
            }
        }
        vocabulary.tokens = slots.tokens
        vocabulary.pattern = pattern ?? known.pattern
        vocabulary.ignoresMerges = true
        let left = Set(vocabulary.specialTokens.map(\.id)), index = TokenIndex(vocabulary.tokens, except: left)
        if let double = index.firstDouble(in: vocabulary.tokens, except: left) {
            throw .malformed(
                path: path, place: "rank \(double)", expected: "each token once", found: shown(vocabulary.tokens[Int(double)]) + " again")
        }
        var recovery = MergeRecovery(vocabulary.tokens, index: index)
        vocabulary.merges = recovery.merges(except: left)
        return vocabulary
    }

    /// The file's bytes. Special tokens are left out, as in tiktoken's own: their ids are gaps.
    package static func bytes(of vocabulary: Vocabulary) throws(TokenizeError) -> [UInt8] {
        func refuse(_ reason: String) -> TokenizeError { .notExpressible(format: "A .tiktoken file", reason: reason) }
        let tokens = vocabulary.tokens, left = Set(vocabulary.specialTokens.map(\.id)), index = TokenIndex(tokens, except: left)
        guard vocabulary.unit == .bytes else { throw refuse("its tokens are characters") }
        guard !vocabulary.addsPrefixSpace else { throw refuse("it begins every text with a space") }
        for byte in UInt8.min...UInt8.max where index[[byte].span] == nil { throw refuse("byte \(byte) is no token") }
        if let double = index.firstDouble(in: tokens, except: left) { throw refuse("token \(double) has the bytes of another") }
        // tiktoken merges what makes the token with the lowest id; that has to be the order of the merges.
        var recovery = MergeRecovery(tokens, index: index)
        let merges = recovery.merges(except: left)
        if let (ours, theirs) = zip(vocabulary.merges, merges).first(where: { $0 != $1 }) {
            throw refuse("it makes token \(ours.result) where tiktoken would make \(theirs.result)")
        }
        guard vocabulary.merges.count >= merges.count else {
            throw refuse("nothing merges into token \(merges[vocabulary.merges.count].result)")
        }
        guard vocabulary.merges.count == merges.count else {
            throw refuse("tiktoken would never make token \(vocabulary.merges[merges.count].result)")
        }
        let plain = tokens.indices.filter { !tokens.range(of: $0).isEmpty && !left.contains(TokenID($0)) }
        guard vocabulary.ignoresMerges || plain.count == merges.count + 256 else { throw refuse("it has tokens that nothing merges into") }
        var bytes: [UInt8] = []
        for id in plain {
            Base64.encode(tokens[id], .standard, into: &bytes)
            bytes.append(contentsOf: " \(id)\n".utf8)
        }
        return bytes
    }

    /// A number of at most 9 digits.
    private static func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
        guard (1...9).contains(digits.count) else { return nil }
        var value = 0
        for digit in digits {
            guard (48...57).contains(digit) else { return nil }
            value = value * 10 + Int(digit - 48)
        }
        return value
    }
}

extension TiktokenFile {
    /// What tiktoken's own source says of its files (tiktoken_ext/openai_public.py).
    private struct Published {
        var pattern = PreTokenizationPattern.gpt2
        private var texts: KeyValuePairs<String, TokenID> = [:]

        init(_ path: String) {
            let name = path.split(separator: "/").last ?? ""
            if name.hasPrefix("cl100k") {
                pattern = .gpt4
                texts = [
                    "<|endoftext|>": 100_257, "<|fim_prefix|>": 100_258, "<|fim_middle|>": 100_259, "<|fim_suffix|>": 100_260,
                    "<|endofprompt|>": 100_276,
                ]
            } else if name.hasPrefix("o200k") {
                pattern = .regex(PreTokenizationPattern.o200k)
                texts = ["<|endoftext|>": 199_999, "<|endofprompt|>": 200_018]
            } else if ["gpt2", "r50k", "p50k"].contains(where: name.hasPrefix) {
                texts = ["<|endoftext|>": 50_256]
            }
        }

        /// None if this is not the published file: its ids would be taken, or far away.
        func specialTokens(behind slots: TokenSlots) -> [Vocabulary.SpecialToken] {
            guard let first = texts.first?.value, (Int(first) - 2...Int(first) + 1 << 10).contains(slots.count) else { return [] }
            return texts.map { Vocabulary.SpecialToken(id: $0.value, text: $0.key) }
        }
    }
}
