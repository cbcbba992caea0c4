import Infer
import JSON

/// Tokens and how likely they were, in the two forms that OpenAI's clients know.
extension [GeneratedToken] {
    /// An object a token.
    func writeForChats(to writer: inout JSONWriter) {
        writer.object { logprobs in
            logprobs.key("content")
            logprobs.array { list in
                for token in self where token.logProbability != nil {
                    list.object { entry in
                        Self.write(token.bytes, token.logProbability ?? 0, to: &entry)
                        entry.key("top_logprobs")
                        entry.array { others in
                            for other in token.alternatives { others.object { Self.write(other.bytes, other.logProbability, to: &$0) } }
                        }
                    }
                }
            }
            logprobs.key("refusal"); logprobs.null()
        }
    }

    private static func write(_ token: [UInt8], _ logProbability: Float, to entry: inout JSONWriter) {
        entry.key("token"); entry.string(token.shown(""))
        entry.key("logprob"); entry.number(logProbability.written)
        entry.key("bytes"); entry.array { for byte in token { $0.integer(byte) } }
    }

    /// Lists of the same length.
    ///
    /// - Parameter start: Characters of the text that stand before the first of them.
    func writeForTexts(from start: Int, to writer: inout JSONWriter) {
        let tokens = filter { $0.logProbability != nil }
        writer.object { logprobs in
            logprobs.key("tokens"); logprobs.array { for token in tokens { $0.string(token.bytes.shown("bytes:")) } }
            logprobs.key("token_logprobs"); logprobs.array { for token in tokens { $0.number((token.logProbability ?? 0).written) } }
            logprobs.key("top_logprobs")
            logprobs.array { list in
                for token in tokens {
                    list.object {
                        for other in token.alternatives { $0.key(other.bytes.shown("bytes:")); $0.number(other.logProbability.written) }
                    }
                }
            }
            logprobs.key("text_offset")
            logprobs.array { list in
                var place = start
                for token in tokens {
                    // A token may begin in the middle of a character.
                    list.integer(place > start && token.bytes.first.map { $0 & 0xC0 == 0x80 } ?? false ? place - 1 : place)
                    place += token.characters
                }
            }
        }
    }
}

extension GeneratedToken {
    /// Characters (code points) that begin in it.
    var characters: Int { bytes.count { $0 & 0xC0 != 0x80 } }
}

extension [UInt8] {
    /// As text; half a character as its bytes, such as `\xe6\x97`, behind `start`.
    fileprivate func shown(_ start: String) -> String {
        String(validating: self, as: UTF8.self) ?? start + map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

extension Float {
    /// JSON has no word for what cannot come at all; OpenAI's clients know this number for it.
    fileprivate var written: Double { self > -9_999 ? Double(description) ?? -9_999 : -9_999 }
}
