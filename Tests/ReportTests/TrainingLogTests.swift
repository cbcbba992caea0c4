import Files
import JSON
import Report
import TestSupport
import Testing

@Suite struct TrainingLogTests {
    private let folder = TemporaryFolder()

    static func step(_ step: Int, loss: Double = 2) -> LogEntry {
        .step(.init(step: step, loss: loss, gradientNorm: 1.25, learningRate: 3e-4, tokens: step * 512, seconds: Double(step) / 4))
    }

    static func evaluated(_ step: Int, _ loss: Double?, replay: Double? = nil) -> LogEntry {
        var entry = LogEntry.Evaluation(step: step, isBest: true, tokens: step * 512, seconds: Double(step) / 4)
        entry.trainingLoss = 2.5
        entry.validationLoss = loss
        entry.bitsPerByte = loss.map { $0 / 2 }
        entry.replayLoss = replay
        return .evaluated(entry)
    }

    static let settings = [
        RunSetting("model", "layers", .whole(4)), RunSetting("model", "dropout", .number(0.1)),
        RunSetting("data", "source", .text("a \"b\"\n<c>")),
    ]

    private func log(_ text: String) throws -> TrainingLog {
        folder.write(text, to: "log.jsonl")
        return try TrainingLog(of: folder.path)
    }

    private func text(_ entries: [LogEntry]) -> String { entries.map { $0.json + "\n" }.joined() }

    @Test(
        arguments: [
            .started(settings, after: 7), .initialized(.init(pairs: 12_288, contexts: 819_200, seconds: 38.25)), step(3, loss: 2.3456),
            .skipped(step: 9), evaluated(4, 2.125), evaluated(4, nil), evaluated(4, 2.125, replay: 3.5),
            .answered(.init(step: 4, question: "Hi\n\"you\"?", answer: "\u{7}<b>é🎉", expected: nil)),
            .answered(.init(step: 4, question: "", answer: "", expected: "so")), .ended(.earlyStopped, step: 12),
            .ended(.finished, step: 0),
        ] as [LogEntry])
    func `an entry reads back from its line`(entry: LogEntry) throws {
        #expect(!entry.json.contains("\n"))
        #expect(LogEntry(try JSONElement(parsing: entry.json)) == entry)
    }

    @Test func `a resumed run replaces entries that were logged after the last checkpoint`() throws {
        let first: [LogEntry] =
            [.started(Self.settings, after: 0)] + (1...8).map { Self.step($0) } + [
                Self.evaluated(4, 3), Self.evaluated(8, 2.5), .skipped(step: 8),
            ]
        let torn = #"{"event":"step","step":10,"lo"#
        let read = try log(
            text(first) + torn + "\n"
                + text([
                    .started([], after: 4), Self.step(5, loss: 9), Self.step(6, loss: 9), Self.evaluated(6, 2), .ended(.stopped, step: 6),
                ]))
        #expect(read.steps.map(\.step) == [1, 2, 3, 4, 5, 6] && read.steps.map(\.loss) == [2, 2, 2, 2, 9, 9])
        #expect(read.evaluations.map(\.step) == [4, 6] && read.best?.step == 6 && read.skipped.isEmpty)
        #expect(read.resumed == [4] && read.ending == .stopped && read.settings.isEmpty && read.unreadableLines == 1)
    }

    @Test func `the last line for a step counts, also without a resume entry`() throws {
        let read = try log(
            text([
                Self.step(1), Self.step(2), Self.step(3), Self.evaluated(3, 4), Self.step(2, loss: 7), Self.step(3, loss: 8),
                Self.evaluated(3, 5),
            ]))
        #expect(read.steps.map(\.loss) == [2, 7, 8] && read.evaluations.map(\.validationLoss) == [5])
    }

    @Test func `unreadable lines are skipped and counted`() throws {
        let lines = [
            "", "null", "[]", #"{"event":"step"}"#, #"{"event":"step","step":1,"loss":-1,"gradient_norm":0,"lr":0,"tokens":0,"seconds":0}"#,
            #"{"event":"step","step":-1,"loss":1,"gradient_norm":0,"lr":0,"tokens":0,"seconds":0}"#, #"{"event":"evaluated","step":1e3}"#,
            "\u{FF}",
            #"{"event":"skipped","step":99999999999999}"#, String(repeating: "x", count: 2 << 20), Self.step(5).json,
        ]
        let read = try log(lines.joined(separator: "\n"))
        #expect(read.steps.map(\.step) == [5] && read.unreadableLines == 9)
        #expect(throws: FileError.self) { try TrainingLog(of: folder("nowhere")) }
    }

    @Test func `a line after an incomplete one is read`() throws {
        folder.write(#"{"event":"st"#, to: "log.jsonl")
        try AppendOnlyFile(folder("log.jsonl")).append(line: Self.step(1).json)
        let read = try TrainingLog(of: folder.path)
        #expect(read.steps.count == 1 && read.unreadableLines == 1)
    }

    /// A damaged log is still read, and its pages are well-formed.
    @Test func `damaged logs give well-formed pages (FuzzTests)`() throws {
        var random = TestRandom(5)
        let whole = Array(
            text(
                [.started(Self.settings, after: 0)] + (1...12).map { Self.step($0, loss: 5 / Double($0)) } + [
                    Self.evaluated(6, 3), Self.evaluated(12, 2),
                    .answered(.init(step: 12, question: "<&>", answer: "\"", expected: "'")), .skipped(step: 12),
                    .ended(.diverged, step: 13),
                ]
            ).utf8)
        for round in 0..<fuzzRounds(default: 400) {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let offset = Int.random(in: 0..<bytes.count, using: &random),
                    end = min(bytes.count, offset + Int.random(in: 0...60, using: &random))
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[offset] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.removeSubrange(offset..<end)
                case 2: bytes.insert(contentsOf: Array(bytes[offset..<end]), at: Int.random(in: 0...bytes.count, using: &random))
                default: bytes.insert(contentsOf: Array("0123456789e-.".utf8).shuffled(using: &random).prefix(5), at: offset)
                }
                if bytes.isEmpty { bytes = whole }
            }
            folder.write(bytes, to: "log.jsonl")
            let page = RunPage(try TrainingLog(of: folder.path), of: "a", commands: []).html,
                comparison = try RunComparison(of: [folder.path, folder.path]).html
            for page in [page, comparison] {
                if let fault = WellFormed.fault(in: page) { Issue.record("round \(round): \(fault)") }
                #expect(!page.contains("nan") && !page.contains("inf\""))
            }
        }
    }
}
