import TestSupport
import Testing

/// The size of a model that trains in seconds.
let smallModel = ["--layers", "1", "--width", "32", "--heads", "2", "--context", "64", "--batch", "4"]

/// Chats about numbers, and training runs with them.
extension TemporaryFolder {
    /// Writes chats.txt and returns its path.
    @discardableResult
    func writeChats(_ count: Int = 80) -> String {
        write((0..<count).map { "[INST] What comes after \($0)? [/INST] After \($0) comes \($0 + 1).\n" }.joined(), to: "chats.txt")
    }

    /// Writes chats, and encodes them into a folder of token files with their tokenizer.
    func writeTokens(to name: String = "data", vocabulary: Int = 300) throws {
        try slm(
            "tokenize", "corpus", "--data", writeChats(), "--vocab-size", "\(vocabulary)", "--out", self(name)).succeeded()
    }

    /// Trains a small model on the token files in `data`.
    func train(_ name: String, _ arguments: [String]) throws -> Outcome {
        try slm(["train", "--data", self("data"), "--out", self(name)] + smallModel + arguments)
    }

    /// Trains a small model for three steps, as base/best.h5.
    func trainBase() throws {
        try writeTokens()
        let outcome = try train("base", ["--max-steps", "3", "--threads", "2"])
        #expect(outcome.status == 0, "\(outcome.errors)")
    }

    /// Fine-tunes base/best.h5 on a file, in a run in `runs`.
    func finetune(_ data: String, _ arguments: [String]) throws -> Outcome {
        try slm(["finetune", self("base/best.h5"), "--data", self(data), "--out", self("runs")] + arguments)
    }
}
