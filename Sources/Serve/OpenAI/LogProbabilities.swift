import Infer
import JSON
import Tokenize

/// Writes tokens with their log-probabilities in the two formats of OpenAI's API.
extension [GeneratedToken] {
    /// The format of chat completions: one object for each token.
    func writeChatLogProbabilities(to writer: inout JSONWriter) {
        writer.object { logprobs in
            logprobs.key("content"); writeLogProbabilityList(to: &logprobs)
            logprobs.null("refusal")
        }
    }

    /// A list with an object for each token that has a log-probability.
    func writeLogProbabilityList(to writer: inout JSONWriter) {
        writer.objects(self.filter { $0.logProbability != nil }) { token, entry in
            Self.write(token.bytes, token.logProbability ?? 0, to: &entry)
            entry.objects("top_logprobs", token.alternatives) { Self.write($0.bytes, $0.logProbability, to: &$1) }
        }
    }

    private static func write(_ token: [UInt8], _ logProbability: Float, to entry: inout JSONWriter) {
        entry["token"] = token.text(escapePrefix: "")
        entry["logprob"] = logProbability.jsonValue
        entry.array("bytes") { for byte in token { $0.integer(byte) } }
    }

    /// The format of text completions: lists of the same length.
    ///
    /// - Parameters:
    ///   - prompt: The tokens before, whose text is part of the answer's. The first one has no log-probability.
    ///   - offset: Characters of the text before the first token of the answer.
    ///   - alternatives: How many other tokens to list; those of the prompt may have more.
    func writeTextLogProbabilities(
        after prompt: [GeneratedToken], from offset: Int, alternatives: Int, to writer: inout JSONWriter
    ) {
        let tokens = prompt + filter { $0.logProbability != nil }
        writer.object { logprobs in
            logprobs.array("tokens") { for token in tokens { $0.string(token.bytes.text(escapePrefix: "bytes:")) } }
            logprobs.array("token_logprobs") { for token in tokens { $0.number(token.logProbability) } }
            logprobs.array("top_logprobs") { list in
                for token in tokens {
                    if token.logProbability == nil { list.null(); continue }
                    list.object {
                        for other in token.alternatives.prefix(alternatives) {
                            $0[other.bytes.text(escapePrefix: "bytes:")] = other.logProbability.jsonValue
                        }
                    }
                }
            }
            logprobs.array("text_offset") { list in
                // The tokens that begin every text, such as <s>, are not in the text: they are before its start.
                let start = offset - prompt.reduce(0) { $0 + $1.characterCount }
                var position = start
                for token in tokens {
                    // A token that starts in the middle of a UTF-8 character has the offset of that character.
                    let startsWithContinuation = token.bytes.first.map { $0 & 0xC0 == 0x80 } ?? false
                    list.integer(Swift.max(0, position > start && startsWithContinuation ? position - 1 : position))
                    position += token.characterCount
                }
            }
        }
    }
}

/// vLLM's format of a prompt's log-probabilities.
extension [GeneratedToken] {
    /// Writes `prompt_logprobs`: for each token an object with the token and the most likely ones, by their ids; null for the first.
    ///
    /// - Parameter count: The most alternatives.
    func writePromptLogProbabilities(alternatives count: Int, to writer: inout JSONWriter) {
        writer.array("prompt_logprobs") { list in
            for token in self {
                guard let id = token.id, let logProbability = token.logProbability else { list.null(); continue }
                list.object { entry in
                    Self.write(id, token.bytes, logProbability, rank: token.rank ?? 0, to: &entry)
                    for (i, other) in token.alternatives.prefix(count).enumerated() {
                        guard let otherID = other.id, otherID != id else { continue }
                        Self.write(otherID, other.bytes, other.logProbability, rank: i + 1, to: &entry)
                    }
                }
            }
        }
    }

    private static func write(_ id: TokenID, _ bytes: [UInt8], _ logProbability: Float, rank: Int, to entry: inout JSONWriter) {
        entry.object("\(id)") {
            $0["logprob"] = logProbability.jsonValue
            $0["rank"] = rank
            $0["decoded_token"] = bytes.text(escapePrefix: "bytes:")
        }
    }
}

extension JSONWriter {
    /// null for the first token of a prompt, which has no log-probability.
    fileprivate mutating func number(_ logProbability: Float?) {
        if let logProbability { number(logProbability.jsonValue) } else { null() }
    }
}

extension GeneratedToken {
    /// The number of characters (code points) that start in this token.
    var characterCount: Int { bytes.count { $0 & 0xC0 != 0x80 } }
}

extension [UInt8] {
    /// Returns the text, or, for bytes that are not valid UTF-8, `escapePrefix` and escapes such as `\xe6\x97`.
    fileprivate func text(escapePrefix: String) -> String {
        if let text = String(validating: self, as: UTF8.self) { return text }
        return escapePrefix + map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

extension Float {
    /// At least -9,999, which OpenAI's API uses for very unlikely tokens. JSON has no infinity.
    fileprivate var jsonValue: Double { max(-9_999, Double(description) ?? -9_999) }
}
