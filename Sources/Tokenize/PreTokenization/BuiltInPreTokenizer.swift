internal import CPreTokenize

/// Splits text into words by the patterns of GPT-2, GPT-4, Llama 3, Qwen 2 or SmolLM, in C, with the fastest instruction set of this CPU.
///
///     var ends: [UInt32] = []
///     BuiltInPreTokenizer(.gpt2).split(Array("Hello there".utf8).span, isLast: true, into: &ends)      // [5, 11]
package struct BuiltInPreTokenizer: Sendable {
    package enum Pattern: Int32, Sendable, CaseIterable {
        case gpt2, gpt4, llama3, qwen2, smollm
    }

    /// The instruction sets that this CPU supports, fastest first.
    package static var instructionSets: [String] { ["avx512", "avx2", "plain"].filter { slm_split_function_named($0) != nil } }

    private let pattern: Int32
    private let function: @convention(c) (Int32, UnsafePointer<UInt8>?, Int, Bool, UnsafeMutablePointer<UInt32>?, Int) -> Int

    /// - Parameter instructionSet: one of `instructionSets`; nil selects the fastest.
    package init(_ pattern: Pattern, instructionSet: String? = nil) {
        guard let function = instructionSet.map({ slm_split_function_named($0) }) ?? slm_split_function_best() else {
            fatalError("BuiltInPreTokenizer: this CPU does not support '\(instructionSet ?? "")'")
        }
        self.pattern = pattern.rawValue
        self.function = function
    }

    /// Replaces `ends` with the end offsets of the first words of a text.
    ///
    /// - Parameters:
    ///   - text: starts at a word boundary and is shorter than 4 GiB.
    ///   - isLast: whether the text is complete. Otherwise only words that further text cannot change are returned.
    ///   - maxCount: the most words to return.
    package func split(_ text: Span<UInt8>, isLast: Bool, maxCount: Int = 1_024, into ends: inout [UInt32]) {
        precondition(text.count < 1 << 32, "expected less than 4 GiB of text, found \(text.count) bytes")
        ends.removeAll(keepingCapacity: true)
        text.withUnsafeBufferPointer { text in
            ends.append(addingCapacity: maxCount) { ends in
                ends.withUnsafeMutableBufferPointer { buffer, count in
                    count = function(pattern, text.baseAddress, text.count, isLast, buffer.baseAddress, buffer.count)
                }
            }
        }
    }
}
