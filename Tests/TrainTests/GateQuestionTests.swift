import TestSupport
import Testing
import Train

@Suite struct GateQuestionTests {
    @Test func `questions are JSON lines or lines of text`() throws {
        let folder = TemporaryFolder(), path = folder("questions")
        folder.write("{\"text\": \"What color is snow?\", \"expected\": \"white\", \"id\": \"snow\"}\n\nWhy?\n", to: "questions")
        #expect(try GateQuestion.read(path) == [
            GateQuestion(id: "snow", text: "What color is snow?", expected: "white"), GateQuestion(id: "2", text: "Why?", expected: nil),
        ])
        folder.write("Why?\n{\"question\": \"Why?\"}\n", to: "questions")
        #expect(throws: EvaluationError.self) { try GateQuestion.read(path) }
    }

    @Test(arguments: [
        ("white", "Snow is White.", true), ("white", "off-white", true), ("white", "whitewash", false),
        ("deep blue", "Deep,  blue!", true), ("deep blue", "blue and deep", false),
        ("42", "It is 42.", true), ("42", "It is 420.", false), ("!", "Yes!", true), ("ja", "", false),
    ]) func `a right answer contains the words of the expected one`(expected: String, answer: String, isRight: Bool) {
        #expect(GateQuestion(id: "1", text: "?", expected: expected).isRight(answer) == isRight)
        #expect(GateQuestion(id: "1", text: "?", expected: nil).isRight(answer) == nil)
    }

    @Test func `without a list, the first questions of the chats are asked once each`() throws {
        let folder = TemporaryFolder()
        let lines = ["One?", "Two?", "One?", "Three?"].map { "{\"messages\": [{\"role\": \"user\", \"content\": \"\($0)\"}, "
            + "{\"role\": \"assistant\", \"content\": \"Yes.\"}]}\n" }
        let path = folder.write(lines.joined(), to: "chats.jsonl")
        #expect(try GateQuestion.first(2, of: [path]).map(\.text) == ["One?", "Two?"])
        #expect(try GateQuestion.first(9, of: [path]).map(\.text) == ["One?", "Two?", "Three?"])
    }
}
