import JSON
import Train

/// What `slm gate` prints: a table and the reasons, or one JSON object.
struct GateReport {
    struct Answer: Sendable {
        let question: GateQuestion
        let candidate, active: String
    }

    let candidate, active: String
    let gate: ModelGate
    var evidence = ModelGate.Evidence()
    var answers: [Answer] = []
    /// The speeds of the candidate and of the active model; empty if they answered nothing.
    var tokensPerSecond: [Double?] = []
    /// The sizes of the two files.
    var bytes: [Int] = []
    /// Without those of LoRA adapters.
    var parameters: [Int] = []

    /// One sentence for each measurement.
    func reasons(_ decision: ModelGate.Decision) -> [String] {
        var texts: [String] = []
        if let pair = evidence.heldOut { texts.append("Held-out chats: " + heldOutText(pair, decision.heldOut)) }
        if let pair = evidence.replay {
            texts.append("General chats: " + riseText(pair, decision.replay, most: gate.maxReplayLossRise))
        } else if let pair = evidence.ownText {
            texts.append("Text that the active model generates: " + riseText(pair, decision.ownText, most: gate.maxOwnTextRise))
        } else {
            texts.append("General chats: not measured, so the candidate may have forgotten some of what it could.")
        }
        if let answers = evidence.answers {
            let isTooFew = Double(answers.candidateRight) < gate.minRightAnswers * Double(answers.questions)
            let end = isTooFew ? "; at least \((100 * gate.minRightAnswers).fixed(0)) % are required"
                : decision.answers == .worse ? ", and it must not lose any. Look for wrong answers in the training data"
                : decision.answers == .noWorse && answers.candidateRight != answers.activeRight ? ", which is within noise" : ""
            texts.append("Questions: the candidate answers \(answers.candidateRight) of \(answers.questions) right, the active model "
                + "\(answers.activeRight)\(end).")
        } else {
            texts.append("Questions: none with known answers, so wrong answers in the training data may not be found.")
        }
        if !decision.missing.isEmpty { texts.append(missingText(decision.missing)) }
        return texts
    }

    /// Either of held-out chats and questions is enough.
    private func missingText(_ missing: [ModelGate.Missing]) -> String {
        var texts: [String] = []
        if missing.contains(.generalText) { texts.append("general chats, since the active model generates no text.") }
        if missing.contains(.heldOutChats) {
            texts.append("\(gate.minHeldOutChats) held-out chats (found \(evidence.heldOut?.comparison.count ?? 0)), or questions with "
                + "known answers of which the candidate answers one right.")
        }
        return "Missing: " + texts.joined(separator: " Missing: ")
    }

    static func sentence(_ verdict: ModelGate.Verdict) -> String {
        switch verdict {
        case .better: "The candidate is better than the active model."
        case .noWorse: "The candidate is no worse than the active model, but not clearly better."
        case .worse: "The candidate is worse than the active model."
        case .notEnough: "There is not enough to judge the candidate."
        }
    }

    private func heldOutText(_ pair: ModelGate.Pair, _ verdict: ModelGate.Verdict?) -> String {
        let comparison = pair.comparison, difference = comparison.difference
        guard difference.isFinite else { return "the candidate has no finite loss." }
        let chats = comparison.count == 1 ? "1 chat" : "\(comparison.count) chats"
        guard comparison.count > 1 else { return "\(chats) is too little to compare models." }
        let amount = "the candidate needs \(abs(difference).fixed(4)) \(difference < 0 ? "fewer" : "more") bits per byte"
        if gate.isMostlyWorse(pair), difference <= 0 || gate.isNoise(pair) {
            return "the candidate predicts \(comparison.moreBits) of \(chats) worse and \(comparison.fewerBits) better, so the others "
                + "decide the mean (\(abs(difference).fixed(4)) bits per byte \(difference < 0 ? "fewer" : "more")). Look for wrong "
                + "answers in the training data."
        }
        if gate.isNoise(pair) { return "\(amount), which is within noise (\(chats))." }
        let ends = [abs(comparison.interval.lowerBound), abs(comparison.interval.upperBound)].sorted()
        let measured = "\(amount) (95 %: \(ends[0].fixed(4)) to \(ends[1].fixed(4)), \(chats))"
        return verdict == .noWorse ? "\(measured); a better model needs \(gate.minHeldOutGain.fixed(4)) fewer." : "\(measured)."
    }

    private func riseText(_ pair: ModelGate.Pair, _ verdict: ModelGate.Verdict?, most: Double) -> String {
        guard pair.rise.isFinite else { return "the candidate has no finite loss." }
        let change = "the loss \(pair.rise < 0 ? "falls" : "rises") by \((100 * abs(pair.rise)).fixed(2)) %"
        return verdict == .worse ? "\(change), and at most \((100 * most).fixed(2)) % is allowed." : "\(change)."
    }

    func print(_ decision: ModelGate.Decision) {
        var rows: [[String]] = [["", "candidate", "active"]]
        for (name, pair) in [
            ("held-out chats", evidence.heldOut), ("general chats", evidence.replay), ("generated text", evidence.ownText),
        ] {
            guard let pair else { continue }
            rows.append(["\(name), loss", pair.candidate.loss.fixed(4), pair.active.loss.fixed(4)])
            rows.append(["\(name), bits/byte", pair.candidate.bitsPerByte.fixed(4), pair.active.bitsPerByte.fixed(4)])
        }
        if let answers = evidence.answers {
            rows.append(["right answers of \(answers.questions)", "\(answers.candidateRight)", "\(answers.activeRight)"])
        }
        if tokensPerSecond.count == 2 {
            rows.append(["tokens/s, one answer"] + tokensPerSecond.map { $0.map { $0.fixed(0) } ?? "-" })
        }
        if bytes.count == 2 { rows.append(["size, MB"] + bytes.map { (Double($0) / 1e6).fixed(1) }) }
        let width = (rows.map { $0[0].count }.max() ?? 0) + 2
        for row in rows { printLine(row[0].padded(to: width) + row.dropFirst().map { $0.leftPadded(to: 12) }.joined()) }
        printLine("")
        for reason in reasons(decision) { printLine(reason) }
        printLine("\n\(Self.sentence(decision.verdict)) "
            + (decision.isPassed ? "It passes." : decision.verdict == .noWorse ? "It fails: a better one is required." : "It fails."))
    }

    func json(_ decision: ModelGate.Decision) -> String {
        JSONWriter.text { object in
            object["candidate"] = candidate
            object["active"] = active
            object["verdict"] = decision.verdict.rawValue
            object["passed"] = decision.isPassed
            object["reasons"] = reasons(decision)
            object.key("held_out"); Self.write(evidence.heldOut, decision.heldOut, to: &object)
            object.key("replay"); Self.write(evidence.replay, decision.replay, to: &object)
            object.key("own_text"); Self.write(evidence.ownText, decision.ownText, to: &object)
            object["missing"] = decision.missing.map(\.rawValue)
            object.key("speed"); Self.write(tokensPerSecond, "tokens_per_s", to: &object)
            object.object("size") { size in
                for (side, i) in [("candidate", 0), ("active", 1)] where bytes.count == 2 {
                    size["\(side)_bytes"] = bytes[i]
                    size["\(side)_parameters"] = parameters[i]
                }
            }
            object.objects("questions", answers) { answer, object in
                object["id"] = answer.question.id
                object["text"] = answer.question.text
                object["expected"] = answer.question.expected
                object["candidate"] = answer.candidate
                object["active"] = answer.active
                object["candidate_right"] = answer.question.isRight(answer.candidate)
                object["active_right"] = answer.question.isRight(answer.active)
            }
        }
    }

    private static func write(_ pair: ModelGate.Pair?, _ verdict: ModelGate.Verdict?, to writer: inout JSONWriter) {
        guard let pair, let verdict else { return writer.null() }
        let comparison = pair.comparison
        writer.object { object in
            object["verdict"] = verdict.rawValue
            object["chats"] = comparison.count
            object["chats_better"] = comparison.fewerBits
            object["chats_worse"] = comparison.moreBits
            object["tokens"] = pair.candidate.targets
            for (name, number) in [
                ("candidate_loss", pair.candidate.loss), ("active_loss", pair.active.loss),
                ("difference", comparison.difference), ("standard_error", comparison.standardError), ("p", comparison.p),
                ("rise", pair.rise),
            ] {
                object[name] = number
            }
            object.object("bits_per_byte") {
                $0["candidate"] = pair.candidate.bitsPerByte
                $0["active"] = pair.active.bitsPerByte
            }
            object.array("interval") {
                $0.number(comparison.interval.lowerBound)
                $0.number(comparison.interval.upperBound)
            }
        }
    }

    private static func write(_ numbers: [Double?], _ unit: String, to writer: inout JSONWriter) {
        guard numbers.count == 2 else { return writer.null() }
        writer.object { object in
            for (side, number) in zip(["candidate", "active"], numbers) { object["\(side)_\(unit)"] = number }
        }
    }
}
