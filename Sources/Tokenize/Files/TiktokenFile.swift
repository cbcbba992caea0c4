import Base64
import Files

/// tiktoken's vocabulary files: one line per token with its bytes in Base64, a space, and its rank, which is its ID.
///
///     let gpt2 = try TiktokenFile.read(bytes, path: "gpt2.tiktoken")
///     let file = try TiktokenFile.bytes(of: gpt2)           // the same bytes
///
/// The file contains neither special tokens nor a pattern. Those of tiktoken's own files are known by the file name; for other files the
/// caller provides them. Nor does it contain merges: see `MergeRecovery`.
package enum TiktokenFile {
    package static func read(
        _ bytes: [UInt8], path: String, pattern: PreTokenizationPattern? = nil, specialTokens: [Vocabulary.SpecialToken]? = nil
    ) throws(TokenizeError) -> Vocabulary {
        func malformed(_ location: String?, _ expected: String, _ found: String) -> TokenizeError {
            .malformed(path: path, location: location, expected: expected, found: found)
        }
        var slots = TokenSlots(fileSize: bytes.count)
        var token: [UInt8] = []
        try LineBlock(bytes: bytes).forEachLineRange { range, number throws(TokenizeError) in
            if range.isEmpty { return }
            guard let space = bytes[range].firstIndex(of: 32), let id = decimal(bytes[(space + 1)..<range.upperBound]) else {
                throw malformed("\(number)", "a token in Base64, a space and its rank", excerpt(bytes[range]))
            }
            token.removeAll(keepingCapacity: true)
            let encoded = bytes.span.extracting(range.lowerBound..<space)
            guard !encoded.isEmpty, Base64.decode(encoded, .standard, into: &token) else {
                throw malformed("\(number)", "a token in Base64", excerpt(bytes[range.lowerBound..<space]))
            }
            do throws(TokenSlots.Failure) { try slots.insert(token, at: id) } catch {
                throw error.error(path: path, location: "\(number)", id: id)
            }
        }
        guard slots.count > 0 else { throw malformed(nil, "tokens", "none") }
        let known = PublishedFile(path)
        var vocabulary = Vocabulary()
        vocabulary.specialTokens = specialTokens ?? known.specialTokens(tokenCount: slots.count)
        for special in vocabulary.specialTokens {
            do { try slots.insert(special.text.utf8, at: Int(special.id)) } catch {
                throw error.error(path: path, location: special.text, id: Int(special.id))
            }
        }
        vocabulary.tokens = slots.tokens
        vocabulary.pattern = pattern ?? known.pattern
        vocabulary.ignoresMerges = true
        let special = vocabulary.specialTokenIDs
        let index = TokenIndex(vocabulary.tokens, except: special)
        if let duplicate = index.firstDuplicate(in: vocabulary.tokens, except: special) {
            throw malformed("rank \(duplicate)", "each token once", excerpt(vocabulary.tokens[Int(duplicate)]) + " again")
        }
        var recovery = MergeRecovery(vocabulary.tokens, index: index)
        vocabulary.merges = recovery.merges(except: special)
        return vocabulary
    }

    /// The bytes of a .tiktoken file. Special tokens are omitted, as in tiktoken's own files: their IDs are unused there.
    package static func bytes(of vocabulary: Vocabulary) throws(TokenizeError) -> [UInt8] {
        func error(_ reason: String) -> TokenizeError { .notExpressible(format: "a .tiktoken file", reason: reason) }
        let tokens = vocabulary.tokens
        let special = vocabulary.specialTokenIDs
        let index = TokenIndex(tokens, except: special)
        guard vocabulary.unit == .bytes else { throw error("its tokens are characters") }
        if let feature = vocabulary.featureOfTokenizerJSON { throw error(feature) }
        for byte in UInt8.min...UInt8.max where index[[byte].span] == nil { throw error("byte \(byte) is not a token") }
        if let duplicate = index.firstDuplicate(in: tokens, except: special) { throw error("token \(duplicate) has the bytes of another") }
        // tiktoken merges the pair whose token has the lowest ID. That must be the order of the merges.
        var recovery = MergeRecovery(tokens, index: index)
        let merges = recovery.merges(except: special)
        if let (ours, theirs) = zip(vocabulary.merges, merges).first(where: { $0 != $1 }) {
            throw error("its next merge makes token \(ours.result), and tiktoken's would make \(theirs.result)")
        }
        guard vocabulary.merges.count >= merges.count else {
            throw error("no merge makes token \(merges[vocabulary.merges.count].result)")
        }
        guard vocabulary.merges.count == merges.count else {
            throw error("tiktoken would never make token \(vocabulary.merges[merges.count].result)")
        }
        let ordinary = tokens.indices.filter { !tokens.range(of: $0).isEmpty && !special.contains(TokenID($0)) }
        guard vocabulary.ignoresMerges || ordinary.count == merges.count + 256 else { throw error("it has tokens that no merge makes") }
        var bytes: [UInt8] = []
        for id in ordinary {
            Base64.encode(tokens[id], .standard, into: &bytes)
            bytes.append(contentsOf: " \(id)\n".utf8)
        }
        return bytes
    }

    /// Parses a number of at most 9 digits.
    private static func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
        guard (1...9).contains(digits.count) else { return nil }
        var value = 0
        for digit in digits {
            guard digit.isDigit else { return nil }
            value = value * 10 + Int(digit - 48)
        }
        return value
    }
}

extension TiktokenFile {
    /// The pattern and special tokens of tiktoken's own files, as in its source (tiktoken_ext/openai_public.py).
    private struct PublishedFile {
        var pattern = PreTokenizationPattern.gpt2
        private var special: KeyValuePairs<String, TokenID> = [:]

        init(_ path: String) {
            let name = path.split(separator: "/").last ?? ""
            if name.hasPrefix("cl100k") {
                pattern = .gpt4
                special = [
                    "<|endoftext|>": 100_257, "<|fim_prefix|>": 100_258, "<|fim_middle|>": 100_259, "<|fim_suffix|>": 100_260,
                    "<|endofprompt|>": 100_276,
                ]
            } else if name.hasPrefix("o200k") {
                pattern = .regex(PreTokenizationPattern.o200k)
                special = ["<|endoftext|>": 199_999, "<|endofprompt|>": 200_018]
            } else if ["gpt2", "r50k", "p50k"].contains(where: name.hasPrefix) {
                special = ["<|endoftext|>": 50_256]
            }
        }

        /// Empty if the file has another size than the published one: their IDs might be in use.
        func specialTokens(tokenCount: Int) -> [Vocabulary.SpecialToken] {
            guard let first = special.first?.value, (Int(first) - 2...Int(first) + 1 << 10).contains(tokenCount) else { return [] }
            return special.map { Vocabulary.SpecialToken(id: $0.value, text: $0.key) }
        }
    }
}
