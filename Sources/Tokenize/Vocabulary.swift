/// The number of a token.
package typealias TokenID = Int32

/// Everything that is known of a tokenizer, as a value: what the files of tokenizers hold and `Tokenizer` is made from.
///
///     var vocabulary = Vocabulary(specialTokens: ["<|eos|>"], before: true)          // <|eos|> is 0, the bytes are 1 ... 256
///     vocabulary.learn(merging: 117, with: 105)                                 // token 257 is "th"
package struct Vocabulary: Sendable, Equatable {
    /// What a text is made of before anything is merged.
    package enum Unit: Sendable, Equatable {
        case bytes, characters
    }

    /// Two tokens that become one where they stand side by side.
    package struct Merge: Sendable, Equatable {
        package let left, right, result: TokenID

        package init(_ left: TokenID, _ right: TokenID, _ result: TokenID) {
            self.left = left
            self.right = right
            self.result = result
        }
    }

    /// A token that no typed text becomes, such as `<|eos|>`.
    package struct Special: Sendable, Equatable {
        package let id: TokenID
        package let text: String

        package init(id: TokenID, text: String) {
            self.id = id
            self.text = text
        }
    }

    package var unit = Unit.bytes
    /// What each token stands for; a special one's are those of its text. Empty for a number that is no token.
    package var tokens = ByteStrings()
    /// In the order in which they are made: the earlier of two is made first.
    package var merges: [Merge] = []
    package var specialTokens: [Special] = []
    /// How a text is cut into the words inside which tokens merge.
    package var pattern = PreTokenizationPattern.gpt2
    /// Whether a word that is a token as a whole is that token, whatever merging would make of it, as in tiktoken.
    package var ignoresMerges = false
    /// Whether a text is read as if it began with a space.
    package var addsPrefixSpace = false

    package init() {}

    /// The number of tokens, special ones and gaps included: every id is below it.
    package var count: Int { tokens.count }

    package func special(_ text: String) -> TokenID? { specialTokens.first { $0.text == text }?.id }
}
