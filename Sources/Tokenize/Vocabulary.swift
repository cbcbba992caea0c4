/// The ID of a token.
package typealias TokenID = Int32

/// The complete definition of a tokenizer, as a value: what tokenizer files contain and `Tokenizer` is made from.
///
///     var vocabulary = Vocabulary.ofBytes(specialTokens: ["<|eos|>"])          // <|eos|> is 0, the bytes are 1 ... 256
///     vocabulary.specialTokenID("<|eos|>")                                     // 0
package struct Vocabulary: Sendable, Equatable {
    /// The units of text before any merge.
    package enum Unit: Sendable, Equatable {
        case bytes, characters
    }

    /// Two adjacent tokens that become one.
    package struct Merge: Sendable, Equatable {
        package let left, right, result: TokenID

        package init(_ left: TokenID, _ right: TokenID, _ result: TokenID) {
            self.left = left
            self.right = right
            self.result = result
        }
    }

    /// A token that is found in text as a whole, before the text is split into words.
    package struct AddedToken: Sendable, Equatable {
        package let id: TokenID
        /// The text that is looked for. In a SentencePiece vocabulary it may contain U+2581, which the token's bytes do not.
        package let text: String
        package internal(set) var matching: AddedTokenMatching

        package init(id: TokenID, text: String, _ matching: AddedTokenMatching = []) {
            self.id = id
            self.text = text
            self.matching = matching
        }
    }

    /// A token that ordinary text never encodes to, such as `<|eos|>`.
    package typealias SpecialToken = AddedToken

    /// When a space is prepended to a text before it is encoded.
    package enum PrefixSpace: String, Sendable, CaseIterable {
        case never
        /// At the start of a text, unless it begins with a space: Metaspace with `prepend_scheme` "first".
        case first
        /// Also after each added token: ByteLevel with `add_prefix_space`, and Metaspace with "always".
        case always
        /// As `always`, even before a space: SentencePiece's `add_dummy_prefix`, and the normalizer Prepend.
        case evenBeforeSpace
    }

    /// The Unicode normalization of text before it is encoded.
    package enum Normalization: String, Sendable, CaseIterable {
        case none, nfc
    }

    package var unit = Unit.bytes
    /// The bytes of each token, by ID; those of a special token are its text. Empty for an unused ID.
    package var tokens = ByteStrings()
    /// By rank: earlier merges are applied first.
    package var merges: [Merge] = []
    package var specialTokens: [SpecialToken] = []
    /// Tokens that every text may contain, such as `<think>` or a run of spaces. They are not special: text that may not contain special
    /// tokens is encoded to them, too, and a model may generate them.
    package var addedTokens: [AddedToken] = []
    /// How text is split into the words inside which tokens merge.
    package var pattern = PreTokenizationPattern.gpt2
    /// Whether a word that is itself a token is encoded as that token, regardless of the merges: Hugging Face's `ignore_merges`, always
    /// true in tiktoken.
    package var ignoresMerges = false
    package var normalization = Normalization.none
    package var prefixSpace = PrefixSpace.never
    /// Whether files write a space in a token as U+2581, `▁`, as SentencePiece does. U+2581 in a text is then encoded like a space.
    package var marksSpaces = false
    /// The token of each byte value, for characters that are not tokens (`byte_fallback`): empty, or 256 with -1 where there is none.
    package var byteTokens: [TokenID] = []
    /// The token for a character that is not a token and has no byte tokens.
    package var unknownToken: TokenID?
    /// Whether a run of unknown characters becomes one token.
    package var fusesUnknown = false
    /// The tokens before and after each text that is encoded by itself, such as `<s>`: `post_processor`, or llama.cpp's `add_bos_token`.
    /// `Tokenizer.promptIDs(of:)` adds the prefix, a corpus of plain text both. Chat templates contain these tokens themselves.
    package var textPrefix: [TokenID] = []
    package var textSuffix: [TokenID] = []

    package init() {}

    /// The number of tokens including special tokens and unused IDs: every ID is below it.
    package var count: Int { tokens.count }

    /// Whether an ID, such as one that a file names, has a token.
    package func contains(_ id: TokenID) -> Bool { tokens.indices.contains(Int(id)) && !tokens.range(of: Int(id)).isEmpty }

    package func specialTokenID(_ text: String) -> TokenID? {
        specialTokens.first { $0.text.utf8.elementsEqual(text.utf8) }?.id
    }

    /// Whether decoding a whole text removes the space that encoding prepended. Byte-level tokenizers never do.
    package var dropsLeadingSpace: Bool { marksSpaces && prefixSpace != .never }

    /// Whether spaces are replaced by U+2581 after the text is normalized (Metaspace). Otherwise a normalizer replaces them.
    var usesMetaspace: Bool { marksSpaces && (pattern == .spaces || prefixSpace == .first || prefixSpace == .always) }

    var specialTokenIDs: Set<TokenID> { Set(specialTokens.map(\.id)) }

    /// The tokens that merges and words never become: special tokens, byte tokens, and added tokens that are not in the vocabulary proper.
    var unmergeableTokenIDs: Set<TokenID> {
        specialTokenIDs.union(byteTokens).union(addedTokens.lazy.filter { !$0.matching.contains(.mergeable) }.map(\.id))
    }

    /// Makes texts special tokens: those that are added tokens keep their IDs, and the others get the next ones.
    package mutating func include(specialTokens texts: [String]) throws(TokenizeError) {
        for text in texts where specialTokenID(text) == nil {
            if let index = addedTokens.firstIndex(where: { $0.text.utf8.elementsEqual(text.utf8) }) {
                specialTokens.append(addedTokens.remove(at: index))
            } else if text.isEmpty || tokens.indices.contains(where: { tokens[$0].elementsEqual(text.utf8) }) {
                // Ordinary text encodes to such a token.
                let expected = "texts that are not ordinary tokens of the vocabulary"
                throw .malformed(path: "--add-tokens", location: nil, expected: expected, found: "'\(text)'")
            } else {
                add(specialTokens: [text])
            }
        }
    }

    /// Appends special tokens with the next IDs.
    package mutating func add(specialTokens texts: [String]) {
        for text in texts {
            specialTokens.append(SpecialToken(id: TokenID(tokens.count), text: text))
            tokens.append(text.utf8)
        }
    }
}

/// How an added token is found in text, as the options of Hugging Face's `AddedToken`.
package struct AddedTokenMatching: OptionSet, Sendable, Hashable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// White space before the token belongs to it (`lstrip`).
    package static let stripsLeft = AddedTokenMatching(rawValue: 1)
    /// White space after the token belongs to it (`rstrip`).
    package static let stripsRight = AddedTokenMatching(rawValue: 2)
    /// The characters around the token must not be letters, digits or the like (`single_word`).
    package static let wholeWord = AddedTokenMatching(rawValue: 4)
    /// The token is found in normalized text (`normalized`).
    package static let normalized = AddedTokenMatching(rawValue: 8)
    /// Merges make the token as well: it is in the vocabulary proper, in which names of bytes and spaces are encoded.
    package static let mergeable = AddedTokenMatching(rawValue: 16)
}
