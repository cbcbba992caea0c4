import Files
import Report
import TestSupport
import Testing

@Suite struct RunRecorderTests {
    private let folder = TemporaryFolder()

    private func page(_ name: String = "report.html") throws -> String {
        String(decoding: try InputFile.contents(of: folder(name)), as: UTF8.self)
    }

    private func record(_ range: ClosedRange<Int>, after step: Int) throws -> RunRecorder {
        let record = try RunRecorder(
            folder.path, TrainingLogTests.settings, resumingAfter: step, commands: [.init(to: "go on", "slm train --out <here>")])
        for step in range { try record.add(TrainingLogTests.step(step, loss: 8 / Double(step))) }
        try record.add(TrainingLogTests.evaluated(range.upperBound, 8 / Double(range.upperBound)))
        try record.add(
            .answered(.init(step: range.upperBound, question: "<b>Who?</b>", answer: "I & \u{1B}[1m\"you\"", expected: "No one")))
        try record.writeReport()
        return record
    }

    @Test func `a run writes a log, events and a well-formed page`() throws {
        let record = try record(1...120, after: 0)
        let going = try page()
        #expect(WellFormed.fault(in: going) == nil, "\(WellFormed.fault(in: going) ?? "")")
        for part in [
            "as of step 120", "&lt;b&gt;Who?&lt;/b&gt;", "I &amp; \u{FFFD}[1m&quot;you&quot;", "Expected: No one", "best 0.067",
            "slm train --out &lt;here&gt;", "dropout",
        ] {
            #expect(going.contains(part), "\(part)")
        }
        for outside in ["<script", "http:", "https:", "url(", "@import", "<b>Who"] { #expect(!going.contains(outside), "\(outside)") }
        try record.add(.ended(.finished, step: 120))
        try record.writeReport()
        #expect(try page().contains(">finished<"))
        #expect(folder.names.map { $0.prefix(20) } == ["events.out.tfevents.", "log.jsonl", "report.html"])
    }

    @Test func `a resumed run has the earlier curves and a mark`() throws {
        _ = try record(1...50, after: 0)
        _ = try record(41...90, after: 40)
        let log = try TrainingLog(of: folder.path)
        #expect(log.steps.map(\.step) == Array(1...90) && log.resumed == [40] && log.evaluations.map(\.step) == [90])
        #expect(try page().contains("resumed after step 40"))
    }

    @Test func `a fine-tuning run also shows the replay loss`() throws {
        let record = try record(1...9, after: 0)
        #expect(try !page().contains("replay"))
        for step in [10, 20, 30] { try record.add(TrainingLogTests.evaluated(step, 2, replay: 3.0625 + Double(step))) }
        try record.writeReport()
        #expect(try WellFormed.fault(in: page()) == nil)
        for part in [">replay set<", "line c3", "<th>replay loss</th>", "<td>13.0625</td>", "<td>33.0625</td>"] {
            #expect(try page().contains(part), "\(part)")
        }
        try RunComparison(of: [folder.path]).write(to: folder("one.html"))
        #expect(try page("one.html").contains("Replay loss"))
        let events = try #require(folder.names.first { $0.hasPrefix("events") }), bytes = try InputFile.contents(of: folder(events))
        #expect(String(decoding: bytes, as: UTF8.self).contains("replay/loss"))
    }

    @Test func `a comparison has the curves of each run and only the settings that differ`() throws {
        let other = TemporaryFolder()
        let settings = TrainingLogTests.settings.map { $0.name == "layers" ? RunSetting("model", "layers", .whole(12_000)) : $0 }
        let record = try RunRecorder(other.path, settings, resumingAfter: 0)
        for step in 1...30 { try record.add(TrainingLogTests.step(step)) }
        for step in [10, 20, 30] { try record.add(TrainingLogTests.evaluated(step, 1)) }
        _ = try self.record(1...60, after: 0)
        try RunComparison(of: [folder.path, other.path]).write(to: folder("both.html"))
        let both = try page("both.html")
        #expect(WellFormed.fault(in: both) == nil, "\(WellFormed.fault(in: both) ?? "")")
        for part in ["line c0", "line c1", "12,000", "model: layers", "1 of 3 settings differ"] { #expect(both.contains(part), "\(part)") }
        #expect(!both.contains("model: dropout"))
    }

    @Test func `only runs that were validated on the same tokens are ranked`() throws {
        func run(_ name: String, _ loss: Double, set: String?, result: Double? = nil) throws -> String {
            try Folder.create(folder(name))
            let record = try RunRecorder(folder(name), TrainingLogTests.settings, resumingAfter: 0)
            var evaluation = LogEntry.Evaluation(step: 10, isBest: true, tokens: 512, seconds: 9)
            evaluation.trainingLoss = 2
            evaluation.validationLoss = loss
            evaluation.bitsPerByte = 1
            evaluation.validationSet = set
            try record.add(.evaluated(evaluation))
            if let result {
                var validation = LogEntry.Validation(step: 10, tokens: 99, conversations: 7, isWholeSet: true, set: "whole")
                validation.loss = result
                validation.bitsPerByte = 1
                try record.add(.validated(validation))
            }
            return folder(name)
        }
        let paths = try [run("a", 1, set: "s"), run("b", 2, set: "s"), run("c", 3, set: "t"), run("d", 4, set: nil)]
        let results = try [run("e", 1, set: "s", result: 5), run("f", 2, set: "t", result: 4)]
        func ranks(_ paths: [String]) throws -> Bool {
            let comparison = try RunComparison(of: paths)
            #expect(comparison.html.contains("cannot be compared") != comparison.isComparable)
            return comparison.html.contains(#"<tr class="best">"#)
        }
        #expect(try ranks([paths[0], paths[1]]))
        #expect(try !ranks([paths[0], paths[2]]) && !ranks([paths[0], paths[3]]) && !ranks([paths[3], paths[3]]))
        #expect(try ranks(results) && !ranks([paths[0], results[0]]))
        let log = try TrainingLog(of: results[1])
        #expect(log.comparedLoss?.loss == 4 && log.comparedLoss?.set == "whole" && log.unreadableLines == 0)
    }

    @Test(
        arguments: [
            (9, 45.4, "9", "45 s", "4,608"), (12_345, 725, "12,345", "12:05", "6.32 M"), (1_000, 10_930, "1,000", "3:02:10", "512 k"),
        ] as [(Int, Double, String, String, String)])
    func `numbers and times are formatted`(step: Int, seconds: Double, shownStep: String, clock: String, tokens: String) {
        var log = TrainingLog(), evaluation = LogEntry.Evaluation(step: step, isBest: true, tokens: step * 512, seconds: seconds)
        evaluation.trainingLoss = 9.99996
        evaluation.validationLoss = 2
        evaluation.bitsPerByte = 0.05
        log.add(.evaluated(evaluation))
        let html = RunPage(log, of: "a", commands: []).html
        for text in [shownStep, clock, tokens, "10.0000", "2.0000", "0.0500", "7.4"] { #expect(html.contains(">\(text)<"), "\(text)") }
    }

    @Test func `a run without steps has a page`() throws {
        let html = RunPage(TrainingLog(), of: "checkpoints/none/", commands: []).html
        #expect(
            WellFormed.fault(in: html) == nil && html.contains("<title>none · slm</title>")
                && html.contains("Charts appear after the second step."))
    }
}
