import Infer
import JSON

/// Writes tokens with their log-probabilities in the two formats of OpenAI's API.
extension [GeneratedToken] {
    /// The format of chat completions: one object for each token.
    func writeChatLogProbabilities(to writer: inout JSONWriter) {
        writer.object { logprobs in
            logprobs.key("content")
            logprobs.array { list in
                for token in self where token.logProbability != nil {
                    list.object { entry in
                        Self.write(token.bytes, token.logProbability ?? 0, to: &entry)
                        entry.key("top_logprobs")
                        entry.array { alternatives in
                            for other in token.alternatives {
                                alternatives.object { Self.write(other.bytes, other.logProbability, to: &$0) }
                            }
                        }
                    }
                }
            }
            logprobs.key("refusal"); logprobs.null()
        }
    }

    private static func write(_ token: [UInt8], _ logProbability: Float, to entry: inout JSONWriter) {
        entry.key("token"); entry.string(token.text(escapePrefix: ""))
        entry.key("logprob"); entry.number(logProbability.jsonValue)
        entry.key("bytes"); entry.array { for byte in token { $0.integer(byte) } }
    }

    /// The format of text completions: lists of the same length.
    ///
    /// - Parameter offset: Characters of the text before the first token.
    func writeTextLogProbabilities(from offset: Int, to writer: inout JSONWriter) {
        let tokens = filter { $0.logProbability != nil }
        writer.object { logprobs in
            logprobs.key("tokens")
            logprobs.array { for token in tokens { $0.string(token.bytes.text(escapePrefix: "bytes:")) } }
            logprobs.key("token_logprobs")
            logprobs.array { for token in tokens { $0.number((token.logProbability ?? 0).jsonValue) } }
            logprobs.key("top_logprobs")
            logprobs.array { list in
                for token in tokens {
                    list.object {
                        for other in token.alternatives {
                            $0.key(other.bytes.text(escapePrefix: "bytes:"))
                            $0.number(other.logProbability.jsonValue)
                        }
                    }
                }
            }
            logprobs.key("text_offset")
            logprobs.array { list in
                var position = offset
                for token in tokens {
                    // A token that starts in the middle of a UTF-8 character has the offset of that character.
                    let startsWithContinuation = token.bytes.first.map { $0 & 0xC0 == 0x80 } ?? false
                    list.integer(position > offset && startsWithContinuation ? position - 1 : position)
                    position += token.characterCount
                }
            }
        }
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
    fileprivate var jsonValue: Double { self > -9_999 ? Double(description) ?? -9_999 : -9_999 }
}
