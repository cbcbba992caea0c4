import Report
import Testing

@Suite struct TaskPageTests {
    private func result(_ model: Int, _ metric: String, _ right: Int, of count: Int) -> TaskPage.Result {
        let share = Double(right) / Double(count)
        return TaskPage.Result(
            model: model, form: "chats", metric: metric, count: count, share: share, standardError: count > 1 ? 0.05 : nil,
            interval: max(0, share - 0.1)...min(1, share + 0.1))
    }

    private func answers(_ right: Bool...) -> [TaskPage.Answer] {
        right.map { TaskPage.Answer(isRight: $0, text: $0 ? "4\r\n" : "") }
    }

    @Test func `one model has its wrong answers first, and no comparison`() throws {
        let questions = (0..<130).map { TaskPage.Question("Question \($0)?", expected: "4", choices: [], answers($0 % 130 == 129)) }
        let page = TaskPage(models: ["runs/a.h5"], [.init("sums.jsonl", [result(0, "exact_match", 1, of: 130)], [], questions)]).html
        #expect(WellFormed.fault(in: page) == nil)
        #expect(page.contains("<h1>a.h5</h1>") && page.contains("Answers of runs/a.h5 to the questions of sums.jsonl."))
        #expect(page.contains("<td>0.8 %</td><td>5.0 %</td><td>0.0 % to 10.8 %</td>"))
        let (wrong, right) = try (#require(page.firstRange(of: "Wrong answers: 129 of 130</h2>")),
                                  #require(page.firstRange(of: "Right answers: 1 of 130")))
        #expect(wrong.lowerBound < right.lowerBound)
        #expect(page.contains(">4\n</td>") && !page.contains("\u{FFFD}"))
        #expect(page.contains("Question 99?") && !page.contains("Question 100?") && page.contains("Question 129?"))
        #expect(page.contains("The first 100 of 129.") && page.contains("(empty)") && !page.contains("Comparison"))
    }

    @Test func `two models are compared, with the choices of each and text that looks like markup`() {
        let right = TaskPage.Answer(isRight: true, choice: 0, logProbabilities: [-0.25, -12.5])
        let wrong = TaskPage.Answer(isRight: false, choice: 1, logProbabilities: [-.infinity, -1])
        let question = TaskPage.Question("a < b & c?", expected: "<b>", choices: ["<b>", "\u{1} & \""], [right, wrong])
        let comparison = TaskPage.Comparison(metric: "acc", verdict: "a is better", onlyFirst: 1, onlySecond: 0, p: 0.5)
        let task = TaskPage.Task("t.jsonl", [result(0, "acc", 1, of: 1), result(1, "acc", 0, of: 1)], [comparison], [question])
        let page = TaskPage(models: ["a", "b"], [task]).html
        #expect(WellFormed.fault(in: page) == nil)
        #expect(page.contains("<td>1</td><td>0</td><td>0.5000</td>") && page.contains(">a is better</td>"))
        #expect(page.contains("Only a is right: 1 of 1") && !page.contains("Both are"))
        #expect(page.contains("<td><b>−0.250</b></td><td>–</td>") && page.contains("<td>−12.500</td><td><b>−1.000</b></td>"))
        #expect(page.contains("a: right") && page.contains("b: wrong"))
    }
}
