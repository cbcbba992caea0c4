import Checkpoint
import Corpus
import Kernels
import Testing
import TestSupport
import Tokenize
import Train

@Suite struct StarterQuestionsTests {
    private let folder = TemporaryFolder()
    private let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])

    /// The questions chosen from validation chats with these first messages.
    private func questions(_ chats: String, name: String = "val.txt", template: ChatTemplate = .specialTokens) throws -> [String] {
        var source = TrainingData.Source([folder.write("[INST] A question for training. [/INST] Yes.\n", to: "train.txt")])
        source.validation = [folder.write(chats, to: name)]
        return try StarterQuestions.choose(
            from: TrainingData(source, vocabulary: vocabulary, template: template, on: WorkerPool(threads: 1)))
    }

    private func chat(_ question: String, _ more: String = "") -> String { "[INST] \(question) [/INST] Fine.\(more)\n" }

    @Test(arguments: ChatTemplate.allCases)
    func `four short first messages of the validation chats, each with another first word`(_ template: ChatTemplate) throws {
        let chats = [
            chat("Hi."), chat("How do birds fly?"), chat("how do fish swim?"), chat("Whatsoever"),
            chat("Why \(String(repeating: "so ", count: 30))?"),
            chat("What is ünüsual?", " [INST] Later messages do not count. [/INST] No."), chat("12345 67890"),
            chat("Tell me a joke."), chat("Where is Rome?"), chat("Who was Ada?"),
        ].joined()
        #expect(try questions(chats, template: template) == ["How do birds fly?", "What is ünüsual?", "Tell me a joke.", "Where is Rome?"])
    }

    @Test func `questions have 8 to 60 characters`() throws {
        func long(_ first: String, _ end: String) -> String { "\(first) \(String(repeating: "so ", count: 18))\(end)?" }
        let longest = long("How", "o")
        #expect(longest.count == 60)
        let chats = [chat("Who is?"), chat("Why not?"), chat(long("See", "on")), chat(longest)]
        #expect(try questions(chats.joined()) == ["Why not?", longest])
    }

    @Test func `chats that a server has collected are never shown`() throws {
        let line = #"{"user":"How do birds fly?","assistant":"With wings.","timestamp":"2026-01-01T00:00:00Z"}"# + "\n"
        #expect(try questions(line, name: "val.jsonl").isEmpty)
        let messages = #"{"messages":[{"role":"user","content":"How do birds fly?"},{"role":"assistant","content":"Well."}]}"# + "\n"
        #expect(try questions(messages, name: "messages.jsonl") == ["How do birds fly?"])
    }

    /// The template writes the names of roles and line ends around messages, as those of Qwen and Llama do.
    @Test func `a Jinja template is not part of the questions`() throws {
        let template = JinjaChatTemplate("""
            {{ '<|eos|>Be kind.' }}{% for m in messages %}{{ '<|user|>' + m.role + '\\n' + m.content + '<|pad|>\\n' }}{% endfor %}\
            {% if add_generation_prompt %}{{ '<|user|>assistant\\n' }}{% endif %}
            """)
        let chats = chat("How do birds fly?") + chat("Where is user?")
        #expect(try questions(chats, template: .jinja(template)) == ["How do birds fly?", "Where is user?"])
        let system = #"{"messages":[{"role":"system","content":"Be short."},{"role":"user","content":"How do birds fly?"},"#
            + #"{"role":"assistant","content":"Well."}]}"# + "\n"
        #expect(try questions(system, name: "messages.jsonl", template: .jinja(template)) == ["How do birds fly?"])
    }

    @Test func `plain text has no questions`() throws {
        #expect(try questions("How do birds fly? They have wings.\n", name: "book.txt").isEmpty)
    }
}
