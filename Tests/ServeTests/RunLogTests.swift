import Files
import JSON
import Serve
import Store
import TestSupport
import Testing

/// The log of a run, read while the run writes it.
@Suite struct RunLogTests {
    private static let start = #"""
        {"event":"started","step":0,"data":{"train_tokens":900,"val_tokens":100},"plan":{"length":"40 steps","steps":40}}
        """#

    private static func step(_ step: Int, loss: Double = 2) -> String {
        #"{"event":"step","step":\#(step),"loss":\#(loss),"gradient_norm":1,"lr":0.1,"#
            + #""tokens":\#(100 * step),"seconds":\#(Double(step) / 2)}"#
    }

    private static func evaluation(_ step: Int, _ loss: Double, isBest: Bool = true) -> String {
        let counts = #""tokens":\#(100 * step),"seconds":\#(Double(step) / 2)"#
        return #"{"event":"evaluated","step":\#(step),"train_loss":2,"val_loss":\#(loss),"best":\#(isBest ? 1 : 0),\#(counts)}"#
    }

    private static var sample: String {
        ([start, evaluation(0, 3)] + (1...30).map { step($0) } + [
            evaluation(30, 2.5), #"{"event":"answered","step":30,"question":"q?","answer":"a\nü","expected":"e"}"#,
            #"{"event":"finished","step":30}"#,
        ]).joined(separator: "\n") + "\n"
    }

    private func elements(_ json: String) throws -> [JSONElement] {
        try #require(try JSONElement(parsing: json).list)
    }

    @Test func `progress, curve and samples do not depend on the pieces in which the log is read`() throws {
        let bytes = Array(Self.sample.utf8)
        var whole = RunLog("/none")
        whole.add(bytes)
        let progress = whole.progress(hasEnded: false)
        #expect(progress.step == 30 && progress.steps == 40 && progress.loss == 2 && progress.validationLoss == 2.5)
        #expect(progress.tokensPerSecond == 200 && progress.secondsLeft == 5 && whole.tokens == 1_000)
        #expect(whole.progress(hasEnded: true).secondsLeft == nil && whole.lastSavedStep == 30)
        #expect(whole.ending(after: 0) == .finished && whole.ending(after: bytes.count) == nil)
        let curve = try elements(whole.output.curve)
        #expect(curve.count == 32 && curve.first?["val_loss"]?.number == 3 && curve.first?["loss"]?.isNull == true)
        #expect(curve[2]["loss"]?.number == 2 && curve[2]["tokens_per_s"]?.number == 200)
        let samples = try elements(whole.output.samples)
        #expect(samples.count == 1 && samples[0]["answer"]?.string == "a\nü" && samples[0]["question"]?.string == "q?")
        for size in [1, 2, 7, 100, 1_000] {
            var log = RunLog("/none")
            for start in stride(from: 0, to: bytes.count, by: size) { log.add(Array(bytes[start..<min(start + size, bytes.count)])) }
            #expect(log.output == whole.output && log.progress(hasEnded: false) == progress && log.ending(after: 0) == .finished)
        }
    }

    @Test func `the curve of a long run has at most 500 points, half of them evaluations`() throws {
        var log = RunLog("/none")
        let lines = [Self.start] + (1...3_000).flatMap { [Self.step($0), Self.evaluation($0, 2.5)] }
        log.add(Array((lines.joined(separator: "\n") + "\n").utf8))
        let curve = try elements(log.output.curve), evaluations = curve.filter { $0["val_loss"]?.number != nil }
        #expect((400...500).contains(curve.count) && evaluations.count == 250)
        #expect(curve.contains { $0["step"]?.integer == 3_000 && $0["loss"]?.number == 2 })
    }

    @Test func `a run whose best step is 0 says why nothing was learned`() throws {
        func log(_ lines: [String]) -> RunLog {
            var log = RunLog("/none")
            log.add(Array((lines.joined(separator: "\n") + "\n").utf8))
            return log
        }
        let steps = (1...30).map { Self.step($0) }
        let end = [Self.evaluation(30, 7.351, isBest: false), #"{"event":"finished","step":30}"#]
        let worse = log([Self.start, Self.evaluation(0, 3)] + steps + end)
        let reason = try #require(worse.whyNothingWasLearned)
        #expect(
            reason.hasPrefix(
                "Nothing was learned: at no step was the loss on held-out chats below the base model's. Its validation loss is "
                    + "3.0, the last was 7.351. "))
        #expect(reason.contains("fell to 2.0, so it has learned that by heart"))
        let progress = worse.progress(hasEnded: true)
        #expect(progress.validationLoss == 7.351 && progress.bestValidationLoss == 3)
        #expect(log([Self.start, Self.evaluation(0, 3)] + steps + [Self.evaluation(30, 2.9)]).whyNothingWasLearned == nil)
        #expect(log([Self.start, Self.evaluation(0, 3)]).whyNothingWasLearned == nil, "it has not begun")
    }

    @Test func `a long run has at most 500 points, and a resumed one repeats no step`() throws {
        var log = RunLog("/none")
        log.add(Array((Self.start + "\n").utf8))
        for step in 1...5_000 { log.add(Array((Self.step(step) + "\n").utf8)) }
        for step in stride(from: 250, through: 5_000, by: 250) { log.add(Array((Self.evaluation(step, 1) + "\n").utf8)) }
        var steps = try elements(log.output.curve).compactMap { $0["step"]?.integer }
        #expect((400...500).contains(steps.count) && steps == steps.sorted() && steps.last == 5_000)
        // It was killed, and goes on from a checkpoint.
        log.add(Array(#"{"event":"started","step":4000,"plan":{"length":"1:00","seconds":3000}}"#.utf8) + [10])
        #expect(log.ending(after: 0) == nil && log.progress(hasEnded: false).step == 4_000)
        #expect(log.progress(hasEnded: false).secondsLeft == 1_000)
        log.add(Array((Self.step(4_001) + "\n" + #"{"event":"stopped","step":4001}"# + "\n").utf8))
        steps = try elements(log.output.curve).compactMap { $0["step"]?.integer }
        #expect(steps.last == 4_001 && log.ending(after: 0) == .stopped)
    }

    @Test func `what is appended to the file is read, and a line that is cut off waits for its end`() throws {
        let folder = TemporaryFolder(in: TemporaryFolder.inMemory)
        var log = RunLog(folder.path)
        #expect(try !log.read())
        let file = try AppendOnlyFile(folder("log.jsonl"))
        try file.append(Array((Self.start + "\n" + Self.step(1).dropLast(5)).utf8))
        #expect(try log.read() && log.progress(hasEnded: false).step == 0)
        #expect(try !log.read())
        // A killed run left the beginning of a line.
        try file.append(line: Self.step(2))
        #expect(try log.read() && log.progress(hasEnded: false).step == 2)
        // Another run has the folder.
        try Folder.remove(["log.jsonl"], in: folder.path)
        try AppendOnlyFile(folder("log.jsonl")).append(line: Self.step(7))
        #expect(try log.read() && log.progress(hasEnded: false).step == 7)
    }

    @Test func `the metrics of the best checkpoint, and those of the base`() throws {
        func evaluation(_ step: Int, _ losses: String, isBest: Bool) -> String {
            #"{"event":"evaluated","step":\#(step),\#(losses),"best":\#(isBest ? 1 : 0),"tokens":\#(step),"seconds":\#(step)}"#
        }
        func metrics(_ lines: [String]) throws -> String {
            var log = RunLog("/none")
            log.add(Array((([Self.start] + lines).joined(separator: "\n") + "\n").utf8))
            return try described(JSONElement(parsing: log.metrics))
        }
        #expect(try metrics([
            evaluation(0, #""train_loss":3.5,"val_loss":3.25,"replay_loss":1.5"#, isBest: true), Self.step(10),
            evaluation(10, #""train_loss":2.5,"val_loss":2.25,"replay_loss":1.75,"val_accuracy":0.75,"val_margin":1"#, isBest: true),
            evaluation(20, #""train_loss":1.5,"val_loss":2.75,"replay_loss":1.25"#, isBest: false),
        ]) == """
            {step: 10, val_loss: 2.25, train_loss: 2.5, replay_loss: 1.75, base_val_loss: 3.25, base_replay_loss: 1.5, \
            preference_accuracy: 0.75}
            """)
        #expect(try metrics([Self.step(7)]) == "{step: 7}")
    }

    @Test func `the end of a text file`() {
        let folder = TemporaryFolder(in: TemporaryFolder.inMemory), path = folder.write("aaa\nbb\nc\n", to: "text")
        #expect(FileTail.lines(of: path, 2) == ["bb", "c"] && FileTail.lines(of: path, 9) == ["aaa", "bb", "c"])
        // A line of which only the end is read is left out.
        #expect(FileTail.lines(of: path, 9, within: 4) == ["c"] && FileTail.lines(of: path, 9, within: 9) == ["aaa", "bb", "c"])
        #expect(FileTail.lines(of: path, 9, from: 4) == ["bb", "c"] && FileTail.lines(of: path, 9, within: 3, from: 4) == ["c"])
        #expect(FileTail.lines(of: folder.write("a\n\nb", to: "open"), 9) == ["a", "", "b"] && FileTail.lines(of: folder("none"), 9) == [])
    }

    @Test func `damaged logs do no harm`() {
        let seed = Array(Self.sample.utf8)
        var random = TestRandom(19)
        for round in 0..<300 {
            var bytes = seed
            for _ in 0..<(1 + round % 8) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.removeSubrange(at..<min(bytes.count, at + 40))
                case 2: bytes.insert(contentsOf: Array("-9223372036854775808".utf8), at: at)
                default: bytes.insert(contentsOf: Array("1e308".utf8), at: at)
                }
                if bytes.isEmpty { bytes = [10] }
            }
            var log = RunLog("/none")
            log.add(bytes)
            _ = log.progress(hasEnded: round % 2 == 0)
            var parser = JSONParser()
            for json in [log.output.curve, log.output.samples, log.metrics] {
                #expect((try? parser.parse(Array(json.utf8))) != nil, "\(json)")
            }
            _ = log.ending(after: 0)
        }
        var long = RunLog("/none")
        long.add([UInt8](repeating: UInt8(ascii: "x"), count: 3 << 20))
        long.add([10] + Array((Self.step(3) + "\n").utf8))
        #expect(long.progress(hasEnded: false).step == 3)
        // The rest of a line that is too long is no line of its own.
        long.add([UInt8](repeating: UInt8(ascii: "x"), count: 2 << 20))
        long.add(Array((Self.step(4) + "\n").utf8))
        #expect(long.progress(hasEnded: false).step == 3)
        long.add(Array((Self.step(5) + "\n").utf8))
        #expect(long.progress(hasEnded: false).step == 5)
    }
}
