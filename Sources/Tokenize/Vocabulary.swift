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

    /// A token that ordinary text never encodes to, such as `<|eos|>`.
    package struct SpecialToken: Sendable, Equatable {
        package let id: TokenID
        package let text: String

        package init(id: TokenID, text: String) {
            self.id = id
            self.text = text
        }
    }

    package var unit = Unit.bytes
    /// The bytes of each token, by ID; those of a special token are its text. Empty for an unused ID.
    package var tokens = ByteStrings()
    /// By rank: earlier merges are applied first.
    package var merges: [Merge] = []
    package var specialTokens: [SpecialToken] = []
    /// How text is split into the words inside which tokens merge.
    package var pattern = PreTokenizationPattern.gpt2
    /// Whether a word that is itself a token is encoded as that token, regardless of the merges: Hugging Face's `ignore_merges`, always
    /// true in tiktoken.
    package var ignoresMerges = false
    /// Whether a space is prepended to every text.
    package var addsPrefixSpace = false

    package init() {}

    /// The number of tokens including special tokens and unused IDs: every ID is below it.
    package var count: Int { tokens.count }

    package func specialTokenID(_ text: String) -> TokenID? { specialTokens.first { $0.text == text }?.id }

    var specialTokenIDs: Set<TokenID> { Set(specialTokens.map(\.id)) }

    /// Appends special tokens with the next IDs.
    package mutating func add(specialTokens texts: [String]) {
        for text in texts {
            specialTokens.append(SpecialToken(id: TokenID(tokens.count), text: text))
            tokens.append(text.utf8)
        }
    }
}
