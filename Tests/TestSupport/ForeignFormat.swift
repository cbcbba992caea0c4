package import Checkpoint
import Files
package import Kernels
import Model
import Tokenize

/// A format of other programs that is read here: files of it to begin with, and where damage matters.
///
///     for format in try ForeignFormat.all() { format.read(bytes, of: seed, in: folder) }
package struct ForeignFormat: Sendable {
    package struct Seed: Sendable {
        /// All files of the model, and the one among them that is damaged.
        package let files: [String: [UInt8]]
        package let name: String
        /// Where damage does something else than change a weight.
        package let range: Range<Int>
        /// Makes a file of what is damaged, which may be but a part of it.
        package var whole: @Sendable ([UInt8]) -> [UInt8] = { $0 }
        /// What the model is read from; the folder, if it is nil.
        package var entry: String?

        package var bytes: [UInt8] { files[name] ?? [] }
    }

    package let name: String
    package let seeds: [Seed]
    package let words: [String]

    package static let names = ["safetensors", "config", "tokenizer", "gguf", "pt"]

    package init(_ name: String) throws {
        self.name = name
        switch name {
        case "safetensors": (seeds, words) = (try Self.folders { [("model.safetensors", 2_200), ("model.safetensors.index.json", .max)].filter { $0.0 != "" } }, Self.headerWords)
        case "config": (seeds, words) = (try Self.folders { [("config.json", .max)] }, Self.configurationWords)
        case "tokenizer": (seeds, words) = (try Self.folders { [("tokenizer.json", .max), ("tokenizer_config.json", .max)] }, Self.tokenizerWords)
        case "gguf": (seeds, words) = (try Self.ggufs(), Self.ggufWords)
        default: (seeds, words) = (Self.pickles(), ["()", "tR", "}q", "us", "N.", "cos\nsystem\n", "X\u{4}\0\0\0", "\u{0}\u{7F}]a", "(((", "0h\0", "QbR"])
        }
    }
}
