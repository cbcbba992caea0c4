import Corpus
import Testing
import TestSupport
import Tokenize
import Train

@Suite struct PreferenceDataTests {
    private let folder = TemporaryFolder()
    private static let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])

    private func data(_ lines: [String], _ method: PreferenceMethod? = nil, context: Int = 64) throws -> PreferenceData {
        let path = folder.write(lines.joined(separator: "\n") + "\n", to: "p.jsonl")
        return try PreferenceData([path], method, Self.vocabulary, .specialTokens, context: context)
    }

    private func pair(_ prompt: String, _ chosen: String = "yes", _ rejected: String = "no") -> String {
        #"{"prompt": "\#(prompt)", "chosen": "\#(chosen)", "rejected": "\#(rejected)"}"#
    }

    private func rating(_ prompt: String, _ isGood: Bool) -> String {
        #"{"prompt": "\#(prompt)", "completion": "a", "label": \#(isGood)}"#
    }

    private func text(_ ids: [Int32]) -> String { String(decoding: ids.filter { $0 > 3 }.map { UInt8($0 - 4) }, as: UTF8.self) }

    @Test func `the method suits the data, and DPO refuses ratings`() throws {
        let pairs = try data([pair("a"), pair("b")])
        #expect(pairs.method == .dpo && pairs.pairs == 2 && pairs.good == 0 && pairs.bad == 0)
        let mixed = try data([pair("a"), rating("b", true), pair("c")])
        #expect(mixed.method == .kto && mixed.good == 3 && mixed.bad == 2 && mixed.pairs == 0)
        #expect(throws: PreferenceError.ratingForDPO(path: folder("p.jsonl"), line: 2)) { try data([pair("a"), rating("b", true)], .dpo) }
        #expect(throws: PreferenceError.oneSided(paths: [folder("p.jsonl")], isGood: true)) { try data([rating("a", true)]) }
    }

    @Test func `targets are the answer's tokens, and a long prompt loses its beginning in both answers`() throws {
        let data = try data([pair("0123456789", "abc", "de"), pair("x", "fits", "this answer is far too long")], context: 12)
        #expect(data.examples.count == 1 && data.tooLong == 1)
        #expect(data.sequences.prefix(2).map { text($0.inputs) } == ["23456789abc", "23456789de"])
        #expect(data.sequences.prefix(2).map { text($0.targets.filter { $0 >= 0 }) } == ["abc", "de"])
        #expect(data.sequences.prefix(2).allSatisfy { $0.targets.last == 2 && $0.inputs.count == $0.targets.count })
    }

    @Test func `the preferences of a conversation are in one set, also when more are added`() throws {
        let lines = (0..<60).flatMap { i in
            [
                pair("question \(i)"),
                #"{"prompt": [{"role": "user", "content": "question \#(i)"}, {"role": "assistant", "content": "yes"}, "#
                    + #"{"role": "user", "content": "more"}], "chosen": "a", "rejected": "b"}"#,
            ]
        }
        func heldOut(_ data: PreferenceData) -> Set<Int> { Set(data.validation.map { data.examples[$0].index }) }
        let some = try data(Array(lines.prefix(80))), all = try data(lines)
        #expect(heldOut(some) == heldOut(all).filter { $0 < 80 } && heldOut(all).count >= 4)
        #expect(heldOut(all).allSatisfy { heldOut(all).contains($0 ^ 1) })
        #expect(all.training.count + all.validation.count == 120 && all.digest != some.digest)
    }

    @Test func `the KL divergence is estimated from answers of other conversations of the same set`() throws {
        let data = try data((0..<30).map { pair("question \($0)", "answer \($0)") })
        for part in [data.training, data.validation] {
            let questions = Set(part.map { data.examples[$0].index })
            for i in part {
                let sequence = data.sequences[try #require(data.examples[i].mismatched)]
                let answer = try #require(Int(text(sequence.targets.filter { $0 >= 0 }).dropFirst("answer ".count)))
                #expect(text(sequence.inputs).hasPrefix("question \(data.examples[i].index)answer"))
                #expect(answer != data.examples[i].index && questions.contains(answer))
            }
        }
        let same = try self.data((0..<6).map { pair("one question", "answer \($0)") })
        #expect(same.validation.isEmpty && same.examples.allSatisfy { $0.mismatched == nil })
    }

    @Test func `a part of the held-out preferences has at least so many tokens, and a batch so many examples`() throws {
        let data = try data((0..<60).map { pair("question \($0)") })
        let batches = PreferenceBatches(
            data, PreferenceObjective(.dpo), reference: Array(repeating: 0, count: data.sequences.count), rows: 4, seed: 1)
        let set = try #require(batches.validationSet), one = set.part(of: 1)
        #expect(one.count == 1 && !one.isWhole && one.tokens > 1 && set.part(of: 0) == one && set.part(of: one.tokens) == one)
        #expect(set.part(of: one.tokens + 1).count == 2 && set.part(of: one.tokens + 1).fingerprint != one.fingerprint)
        let whole = set.part(of: .max)
        #expect(whole.isWhole && whole.count == data.validation.count && whole.tokens == set.tokens && set.part(of: set.tokens) == whole)
        #expect(set.tokens == data.tokens(of: data.validation))
        // Both answers of four pairs, each in a row of its own.
        #expect(batches.batch(at: 0).rows == 8 && batches.batch(at: 0).documentStarts == nil)
        let mean = Double(data.tokens(of: data.training)) / Double(data.training.count)
        #expect(batches.tokensPerStep == Int((4 * mean).rounded()) && batches.stepsPerEpoch == Double(data.training.count) / 4)
    }

    @Test func `the loss of the reference model is log 2 for pairs and a half for ratings`() {
        let dpo = PreferenceObjective(.dpo), kto = PreferenceObjective(.kto)
        #expect(abs(dpo.loss(chosen: -3, rejected: -3).loss - 0.693_147_180_56) < 1e-10)
        #expect(dpo.loss(chosen: 0, rejected: 0).slope == -0.05)
        #expect(kto.loss(0, isGood: true, kl: 0).loss == 0.5 && kto.loss(0, isGood: false, kl: 0).loss == 0.5)
        // No overflow where the model is certain.
        #expect(dpo.loss(chosen: -1e5, rejected: 1e5).loss == 2e4 && dpo.loss(chosen: 1e5, rejected: -1e5).loss == 0)
        #expect(kto.loss(-1e6, isGood: true, kl: 0).loss == 1 && kto.loss(-1e6, isGood: false, kl: 0).loss == 0)
    }
}
