import TestSupport
import Testing
import Tokenize
import Train

@Suite struct TaskQuestionTests {
    private let folder = TemporaryFolder()

    private func read(_ lines: String...) throws -> [TaskQuestion] {
        try TaskQuestion.read(folder.write(lines.joined(separator: "\n"), to: "task.jsonl"))
    }

    @Test func `lines have choices with an answer by index or text, an answer, a pattern or both`() throws {
        let questions = try read(
            #"{"question":"1+1=","choices":["1","2"],"answer":1,"id":7}"#, "", #"{"question":"1+1=","choices":["1","2"],"answer":"2"}"#,
            #"{"question":"Snow?","answer":"white"}"#, #"{"question":"Snow?","pattern":"(?i)white"}"#,
            #"{"question":"Sum?","pattern":"So: (\\d+)","answer":"72"}"#)
        #expect(try questions.map(\.expected) == [
            .choice(["1", "2"], right: 1), .choice(["1", "2"], right: 1), .text("white", pattern: nil),
            .text(nil, pattern: SearchPattern("(?i)white")), .text("72", pattern: SearchPattern("So: (\\d+)")),
        ])
        #expect(questions.map(\.question) == ["1+1=", "1+1=", "Snow?", "Snow?", "Sum?"])
    }

    @Test(arguments: [
        (#"{"text":"x"}"#, "\"question\""), (#"{"question":" ","answer":"x"}"#, "the question is empty"),
        (#"{"question":"x"}"#, "it has none of them"), (#"{"question":"x","answer":7}"#, "answer"),
        (#"{"question":"x","choices":["a","b"],"answer":2}"#, "expected an answer from 0 to 1, found 2"),
        (#"{"question":"x","choices":["a","b"],"answer":"c"}"#, "answer"), (#"{"question":"x","choices":["a",""],"answer":0}"#, "choices"),
        (#"{"question":"x","choices":[]}"#, "answer"), (#"{"question":"x","pattern":"("}"#, "("), ("x", "question 1"),
    ]) func `a bad line is named with the reason`(line: String, reason: String) throws {
        let error = try #require(throws: EvaluationError.self) { try read(line) }
        #expect("\(error)".contains("task.jsonl: question 1: expected {\"question\"") && "\(error)".contains(reason), "\(error)")
    }

    @Test func `choices are judged by log-probability, also per character and per byte, and the first of equal ones counts`() throws {
        let question = try read(#"{"question":"x","choices":["aaaa","ä","b"],"answer":0}"#)[0]
        func right(_ values: Double...) -> [Bool] { question.judge(values).map(\.isRight) }
        #expect(question.judge([0, 0, 0]).map(\.metric) == [.acc, .accNorm, .accBytes])
        #expect(right(-4, -4, -4) == [true, true, true] && right(-5, -4, -4) == [false, true, true])
        #expect(right(-5, -1.5, -4) == [false, true, false])
        // Per character −1.25 and −1.24, per byte −1.25 and −0.62.
        #expect(right(-5, -1.24, -9) == [false, false, false])
        // Per character −1.25 and −2, per byte −1.25 and −1.
        #expect(right(-5, -2, -9) == [false, true, false])
        #expect(right(-.infinity, -.infinity, -1) == [false, false, false])
        #expect(try question.judge("aaaa") == nil)
    }

    @Test(arguments: [
        (#""answer":"white""#, " white\n", true), (#""answer":"white""#, "White", false), (#""answer":" white ""#, "white", true),
        (#""answer":"72","pattern":"So: (-?[0-9.,]+)""#, "Hm.\nSo: 72\nSo: 73", true),
        (#""answer":"72","pattern":"So: (-?[0-9.,]+)""#, "It is 72.", false), (#""answer":"72","pattern":"[0-9]+""#, "It is 72.", true),
        (#""answer":"","pattern":"a(b)?""#, "ac", true), (#""pattern":"(?i)\\bwhite\\b""#, "It is WHITE.", true),
        (#""pattern":"\\bwhite\\b""#, "whitewash", false),
    ]) func `generated answers are compared, or what a pattern finds in them`(fields: String, answer: String, isRight: Bool) throws {
        let judgment = try read(#"{"question":"x",\#(fields)}"#)[0].judge(answer)
        #expect(judgment?.isRight == isRight && judgment?.metric == (fields.contains("answer") ? .exactMatch : .regexMatch))
    }

    @Test func `an accuracy has the standard error of lm-evaluation-harness and Wilson's interval`() {
        let accuracy = TaskAccuracy([true, true, true, false])
        // statistics.stdev([1, 1, 1, 0]) / 2, and statsmodels' proportion_confint(3, 4, method="wilson").
        #expect(accuracy.share == 0.75 && abs((accuracy.standardError ?? 0) - 0.25) < 1e-12)
        #expect(abs(accuracy.interval.lowerBound - 0.3006418) < 1e-6 && abs(accuracy.interval.upperBound - 0.9544127) < 1e-6)
        let all = TaskAccuracy(Array(repeating: true, count: 10))
        #expect(all.standardError == 0 && abs(all.interval.upperBound - 1) < 1e-12 && abs(all.interval.lowerBound - 0.7224672) < 1e-6)
        #expect(TaskAccuracy([false]).standardError == nil)
    }

    @Test func `two models are compared question by question with the sign test`() {
        let a = [true, true, true, true, true, true, true, true, false, true], b = [true] + Array(repeating: false, count: 9)
        let comparison = TaskComparison(of: a, with: b)
        #expect(comparison.onlyFirst == 8 && comparison.onlySecond == 0 && comparison.count == 10)
        // 2 · 0.5⁸; the standard deviation of eight ones and two zeros is 0.42164.
        #expect(abs(comparison.p - 0.0078125) < 1e-12 && !comparison.isNoise && abs(comparison.difference - 0.8) < 1e-12)
        #expect(abs((comparison.standardError ?? 0) - 0.1333333) < 1e-6)
        #expect(TaskComparison(of: b, with: b).isNoise && TaskComparison(of: b, with: b).p == 1)
    }
}
