import Corpus
import Kernels
import Testing
import TestSupport
import Tokenize
import Train

/// The prompts that a run completes at each evaluation.
@Suite struct SampleAnswersTests {
    private let folder = TemporaryFolder()
    private let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])

    /// Conversations of byte tokens. The first question has 30 tokens, and the second one three.
    private func tokens() throws -> TokenFile {
        let lines = ["[INST] \(String(repeating: "long ", count: 6)) [/INST] Yes.\n", "[INST] Hi? [/INST] Hello.\n"]
        var encoding = CorpusEncoder(try Tokenizer(vocabulary), file: "bytes", template: .specialTokens)
        encoding.validationShare = 0
        try encoding.write([folder.write(lines.joined(), to: "chats.txt")], to: folder.path, on: WorkerPool(threads: 1))
        return try TokenFile(.train, in: folder.path)
    }

    @Test func `the first exchange whose prompt leaves half of the context for the answer is shown`() throws {
        for (context, isLong) in [(32, false), (128, true)] {
            let samples = try SampleAnswers([], else: tokens(), .specialTokens, vocabulary, context: context) { prompts, _ in
                prompts.map { _ in "Hey." }
            }
            let answers = samples.answers()
            #expect(answers.count == 1 && answers.first?.answer == "Hey.")
            #expect(answers.first?.question.hasPrefix(isLong ? "long" : "Hi?") == true, "\(answers)")
            #expect(answers.first?.expected?.hasPrefix(isLong ? "Yes." : "Hello.") == true, "\(answers)")
        }
    }

    @Test func `plain text is completed from its beginning, at most half of the context or 24 tokens`() throws {
        for (context, count) in [(1, 1), (20, 10), (128, 24)] {
            var asked: [[TokenID]] = []
            let samples = try SampleAnswers([], else: tokens(), nil, vocabulary, context: context) { prompts, most in
                asked += prompts
                #expect(most == 40)
                return prompts.map { _ in "…" }
            }
            let answers = samples.answers()
            #expect(answers.map(\.expected) == [nil] && asked.map(\.count) == [count])
            // The first token is that of the user's role.
            #expect(answers.first?.question == String(String(repeating: "long ", count: 6).prefix(count - 1)))
        }
    }

    @Test func `questions of the user are prompts of a chat, or of a model for plain text the text itself`() throws {
        for template in [nil, ChatTemplate.specialTokens] {
            var prompts: [[TokenID]] = []
            let samples = try SampleAnswers(["Why?"], else: tokens(), template, vocabulary, context: 32) { asked, _ in
                prompts += asked
                return ["So."]
            }
            let answers = samples.answers()
            #expect(answers.map(\.question) == ["Why?"] && answers.map(\.answer) == ["So."] && answers.map(\.expected) == [nil])
            let text = Array("Why?".utf8).map { TokenID($0) + 4 }          // after the special tokens
            #expect(prompts == [template == nil ? text : [0] + text + [1]])
        }
    }
}
