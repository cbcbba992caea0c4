import Kernels
import Report
import Train

/// How every command that learns goes through its run.
extension RunOptions {
    /// Learns, and tells what happens and what came of it: to people, to the log, and in the report.
    ///
    /// - Parameters:
    ///   - goOn: the command that goes on after a stop.
    ///   - start: what comes before the first step.
    @discardableResult
    func learn(
        _ run: TrainingRun, _ record: RunRecorder, _ samples: SampleAnswers, in folder: String, goOn: String,
        start: (_ clock: () -> Double, _ report: (TrainingRun.Event) throws -> Void) throws -> Void = { _, _ in }
    ) throws -> TrainingRun.Ending {
        let stop = StopSignal(), bar = TrainingBar(run), begin = now(), time = { now() - begin }
        var answering = 0.0
        func hear(_ event: TrainingRun.Event) throws {
            if let entry = event.entry { try add(entry, to: record) }
            if !json { bar.show(event) }
        }
        try start(time, hear)
        let ending = try run.run(clock: time, shouldStop: { state in
            stop.isRaised || stopAfter.map { state.step >= $0 } ?? false
        }) { event in
            try hear(event)
            guard case .evaluated = event else { return }
            // Unasked, it takes a twentieth of the time: where others keep the cores busy, a token may take as long as a step. The last one
            // is always told.
            if !ask.isEmpty || answering <= max(1, run.state.seconds / 20) || run.progress >= 1 {
                var entries: [LogEntry.Answer] = []
                answering += measureSeconds { entries = samples.entries(at: run.state.step) }
                for answer in entries {
                    try add(.answered(answer), to: record)
                    if !json { bar.show(answer) }
                }
            }
            try record.writeReport()
        }
        bar.clear()
        try add(.ended(ending.entry, step: run.state.step), to: record)
        try record.writeReport()
        try tell(ending, run, folder, goOn)
        return ending
    }

    private func add(_ entry: LogEntry, to record: RunRecorder) throws {
        try record.add(entry)
        if json { say(entry.json) }
    }

    private func tell(_ ending: TrainingRun.Ending, _ run: TrainingRun, _ folder: String, _ goOn: String) throws {
        switch ending {
        case .finished: if !json { say("done: \(folder)/best.h5; \(folder)/report.html shows how it went") }
        case .noGain: note("no gain in \(run.plan.patience ?? 0) evaluations: done. The best is \(folder)/best.h5.")
        case .stopped: note("stopped at step \(run.state.step). Go on with: \(goOn)")
        case .diverged:
            throw Refusal(
                description: "three steps in a row were not finite; the last good state is \(folder)/last.h5. A lower --lr may help.")
        }
    }
}

/// What can be done with a run: as much of it as this slm can.
///
/// - Parameter more: what only some runs are for.
func nextCommands(in folder: String, goOn: String, _ more: [RunPage.Command]) -> [RunPage.Command] {
    let best = "\(folder)/best.h5".shellWord
    let all: [RunPage.Command] =
        [
            .init(to: "go on where it was left", goOn), .init(to: "see what it holds", "slm info \(best)"),
            .init(to: "see how well it predicts", "slm eval --checkpoint \(best) --data CHATS"),
            .init(to: "hold it against another", "slm train --compare \(folder.shellWord) OTHER --out report.html"),
        ] + more
        + [
            .init(to: "talk to it here", "slm chat --checkpoint \(best)"),
            .init(to: "let people talk to it", "slm serve --checkpoint \(best)"),
        ]
    return all.filter { command in SLM.commands.contains { command.line.hasPrefix("slm \($0.name) ") } }
}
