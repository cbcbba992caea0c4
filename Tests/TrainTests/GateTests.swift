import Glibc
import Testing
import Train

@Suite struct GateTests {
    /// Evaluations of conversations of 100 bytes each.
    private func evaluations(_ bits: [Double]) -> [Evaluation] {
        bits.map {
            var result = Evaluation()
            result.nats = $0 * M_LN2
            result.bytes = 100
            result.targets = 25
            return result
        }
    }

    private func pair(_ candidate: [Double], _ active: [Double]) throws -> ModelGate.Pair {
        try ModelGate.Pair(candidate: evaluations(candidate), active: evaluations(active))
    }

    /// Nothing is forgotten.
    private func evidence() throws -> ModelGate.Evidence {
        var evidence = ModelGate.Evidence()
        evidence.ownText = try pair(active.map { $0 * 1.05 }, active)
        return evidence
    }

    private let active = [100.0, 110, 120, 95, 105, 98, 112, 101]
    private var better: [Double] { zip(active, [10.0, 12, 9, 11, 10, 13, 8, 11]).map { $0 - $1 } }

    @Test func `a candidate that predicts held-out chats better passes`() throws {
        var evidence = ModelGate.Evidence()
        evidence.heldOut = try pair(better, active)
        evidence.replay = try pair(active.map { $0 * 1.009 }, active)
        let decision = ModelGate().decision(on: evidence)
        #expect(decision.verdict == .better && decision.isPassed && decision.heldOut == .better && decision.replay == .noWorse)
        #expect(decision.answers == nil)
    }

    @Test func `forgetting fails, however good the held-out chats are`() throws {
        var evidence = ModelGate.Evidence()
        evidence.heldOut = try pair(better, active)
        evidence.replay = try pair(active.map { $0 * 1.011 }, active)
        let decision = ModelGate().decision(on: evidence)
        #expect(decision.verdict == .worse && !decision.isPassed && decision.heldOut == .better && decision.replay == .worse)
        var gate = ModelGate()
        gate.maxReplayLossRise = 0.02
        #expect(gate.decision(on: evidence).verdict == .better)
        // Exactly what is allowed.
        gate.maxReplayLossRise = 0
        evidence.replay = try pair(active, active)
        #expect(gate.decision(on: evidence).replay == .noWorse)
    }

    @Test func `noise is no worse, and fails only if a better model is required`() throws {
        var evidence = try self.evidence()
        evidence.heldOut = try pair(zip(active, [1.0, -1, 2, -2, 1, -1, 0.5, -0.4]).map { $0 + $1 }, active)
        #expect(ModelGate().decision(on: evidence).verdict == .noWorse && ModelGate().decision(on: evidence).isPassed)
        var gate = ModelGate()
        gate.requiresBetter = true
        #expect(!gate.decision(on: evidence).isPassed)
    }

    @Test func `a significant rise on held-out chats fails, and a small gain can be required to be larger`() throws {
        var evidence = try self.evidence()
        evidence.heldOut = try pair(active, better)
        #expect(ModelGate().decision(on: evidence).verdict == .worse)
        evidence.heldOut = try pair(better, active)                         // 0.105 bits per byte fewer
        var gate = ModelGate()
        gate.minHeldOutGain = 0.1
        #expect(gate.decision(on: evidence).verdict == .better)
        gate.minHeldOutGain = 0.11
        #expect(gate.decision(on: evidence).verdict == .noWorse)
    }

    /// Trained on wrong answers: two of the held-out chats, which have such answers, have a much lower loss.
    @Test func `a better mean does not help if most chats are worse`() throws {
        var evidence = try self.evidence()
        evidence.heldOut = try pair([20, 30] + active.map { $0 + 1 }, [300, 310] + active)
        let decision = ModelGate().decision(on: evidence), comparison = try #require(evidence.heldOut?.comparison)
        #expect(decision.verdict == .noWorse && comparison.difference < 0 && comparison.moreBits == 8 && comparison.fewerBits == 2)
        // 2 · (C(14,12) + C(14,13) + 1) / 2^14 = 0.013
        evidence.heldOut = try pair([20, 30] + (active + active.prefix(4)).map { $0 + 1 }, [300, 310] + active + active.prefix(4))
        #expect(ModelGate().decision(on: evidence).verdict == .worse)
        // Differences below a thousandth of a bit per byte say nothing.
        evidence.heldOut = try pair([20, 30] + (active + active.prefix(4)).map { $0 + 0.09 }, [300, 310] + active + active.prefix(4))
        #expect(ModelGate().decision(on: evidence).verdict != .worse && evidence.heldOut?.comparison.moreBits == 0)
    }

    @Test func `a loss that is no number fails`() throws {
        var evidence = try self.evidence()
        evidence.heldOut = try pair([.nan] + better.dropFirst(), active)
        #expect(ModelGate().decision(on: evidence).verdict == .worse)
        evidence.heldOut = try pair(better, active)
        evidence.replay = try pair([.infinity] + active.dropFirst(), active)
        #expect(ModelGate().decision(on: evidence).verdict == .worse)
    }

    @Test func `too few chats decide nothing, unless the candidate is worse`() throws {
        let gate = ModelGate()
        #expect(gate.minHeldOutChats == 6)                                  // 2 · (1/2)^6 = 0.031
        var evidence = try self.evidence()
        for count in [0, 1, 2, 5] {
            let some = Array(active.prefix(count)), changed = zip(some, [1.0, -1, 2, -2, 1]).map { $0 + $1 }
            evidence.heldOut = count == 0 ? nil : try pair(changed, some)
            let decision = gate.decision(on: evidence)
            #expect(decision.verdict == .notEnough && !decision.isPassed && decision.missing == [.heldOutChats, .questions], "\(count)")
            #expect(decision.heldOut == (count == 0 ? nil : .notEnough))
        }
        evidence.heldOut = try pair(zip(active, [1.0, -1, 2, -2, 1, -1]).map { $0 + $1 }, Array(active.prefix(6)))
        #expect(gate.decision(on: evidence).verdict == .noWorse && gate.decision(on: evidence).missing.isEmpty)
        // Without general chats, the candidate may have forgotten everything else.
        evidence.ownText = nil
        #expect(gate.decision(on: evidence).verdict == .notEnough && gate.decision(on: evidence).missing == [.generalText])
        evidence.heldOut = try pair(better, active)
        #expect(gate.decision(on: evidence).verdict == .notEnough && gate.decision(on: evidence).heldOut == .better)
        let nothing = gate.decision(on: ModelGate.Evidence())
        #expect(nothing.verdict == .notEnough && nothing.missing == [.generalText, .heldOutChats, .questions])
        evidence.replay = try pair(active.map { $0 * 2 }, active)
        #expect(gate.decision(on: evidence).verdict == .worse && gate.decision(on: evidence).missing.isEmpty)
    }

    @Test func `text of the active model may rise by a quarter, and by a little if it has hardly any information`() throws {
        var evidence = ModelGate.Evidence()
        evidence.heldOut = try pair(better, active)
        for (rise, verdict) in [(1.24, ModelGate.Verdict.better), (1.26, .worse), (.nan, .worse), (.infinity, .worse)] {
            evidence.ownText = try pair(active.map { $0 * rise }, active)
            #expect(ModelGate().decision(on: evidence).verdict == verdict, "\(rise)")
        }
        let known = active.map { $0 / 1_000 }                               // 0.001 bits per byte
        evidence.ownText = try pair(known.map { $0 * 2 }, known)
        #expect(ModelGate().decision(on: evidence).ownText == .noWorse)
    }

    /// The probability for n questions that one model alone answers right is 2 · (1/2)^n.
    @Test func `more right answers count if the difference is significant, and fewer always`() throws {
        func answers(_ candidate: Int, _ active: Int, both: Int = 4) -> ModelGate.Answers {
            var result = ModelGate.Answers()
            for _ in 0..<candidate { result.add(candidate: true, active: false) }
            for _ in 0..<active { result.add(candidate: false, active: true) }
            for _ in 0..<both { result.add(candidate: true, active: true) }
            return result
        }
        #expect(abs(answers(6, 0).p - 0.03125) < 1e-12 && abs(answers(0, 5).p - 0.0625) < 1e-12)
        // 2 · (C(10,8) + C(10,9) + C(10,10)) / 2^10
        #expect(abs(answers(2, 8).p - 112.0 / 1024) < 1e-12 && answers(3, 3).p == 1 && answers(0, 0).p == 1)
        func verdict(_ answers: ModelGate.Answers) throws -> ModelGate.Verdict {
            var evidence = ModelGate.Evidence()
            evidence.answers = answers
            evidence.replay = try pair(active, active)
            return ModelGate().decision(on: evidence).verdict
        }
        #expect(try verdict(answers(6, 0)) == .better && verdict(answers(0, 6)) == .worse)
        #expect(try verdict(answers(5, 0)) == .noWorse && verdict(answers(3, 3)) == .noWorse && verdict(answers(0, 0)) == .noWorse)
        // Questions that neither model answers right say nothing.
        #expect(try verdict(answers(0, 0, both: 0)) == .notEnough && verdict(answers(1, 0, both: 0)) == .noWorse)
        // Fewer right answers are worse, however few.
        #expect(try verdict(answers(0, 1)) == .worse && verdict(answers(2, 8)) == .worse && verdict(answers(2, 3)) == .worse)
        var strict = ModelGate(), evidence = try self.evidence()
        strict.minRightAnswers = 0.8
        evidence.answers = answers(7, 0, both: 0)
        for _ in 0..<2 { evidence.answers?.add(candidate: false, active: false) }
        #expect(ModelGate().decision(on: evidence).verdict == .better && strict.decision(on: evidence).verdict == .worse)
        evidence.answers?.add(candidate: true, active: false)               // 8 of 10
        #expect(strict.decision(on: evidence).verdict == .better)
        let sum = answers(3, 1)
        #expect(sum.questions == 8 && sum.candidateRight == 7 && sum.activeRight == 5)
    }
}
