import Foundation
import Testing
import TestSupport

/// The answers that a run prints at its evaluations.
@Suite(.serialized) struct SampleAnswerTests {
    private let folder = TemporaryFolder()

    /// After so few steps a model often predicts special tokens and the next turn.
    @Test(arguments: [1, 3, 30]) func `sample answers are those of slm generate`(steps: Int) throws {
        let trained = try slm(
            [
                "train", "--data", folder.writeChats(), "--vocab-size", "300", "--out", folder("run"), "--lr", "0.02", "--max-steps",
                "\(steps)", "--eval-every", "100", "--dtype", "f32", "--threads", "1", "--ask", "What comes after 3?", "--json",
            ] + smallModel, ["XDG_CACHE_HOME": folder("cache")]).succeeded()
        let line = try #require(trained.output.split(separator: "\n").last { $0.contains(#""event":"answered""#) })
        let sample = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let generated = try slm(
            "generate", folder("run/last.h5"), "--user", "What comes after 3?", "--temperature", "0", "--max-tokens", "40",
            "--dtype", "f32", "--threads", "1", "--json")
        let answer = try JSONSerialization.jsonObject(with: Data(generated.output.utf8)) as? [String: Any]
        let text = try #require(sample?["answer"] as? String)
        #expect(text == answer?["text"] as? String, "\(generated.errors)")
        #expect(!text.contains("<|"))
    }
}
