import Files
import Formats
import Infer
import JSON
import Kernels
import Terminal
import Tokenize

struct EmbedOptions: MachineOptions {
    var machine = MachineSettings()
    var model: String?
    var texts: [String] = []
    var file: String?
    var role = EmbeddingInput.Role.plain
    var precision = WeightPrecision.float32
    var printsTokens = false
}

extension CommandOption {
    /// How the weights of an embedding model or a reranker are stored.
    static func encoderPrecision(_ path: WritableKeyPath<Options, WeightPrecision>) -> CommandOption {
        option("dtype", path, value: "TYPE", "Store the weights in this data type.").oneOf(["f32", "bf16", "int8"])
    }
}

extension EmbeddingInput.Role: OptionValue {
    static var metavariable: String { "ROLE" }
}

extension Command {
    static var embed: Command {
        Command(
            "embed",
            "Print the vectors of texts, from an embedding model.",
            EmbedOptions(),
            [
                OptionGroup("Main options", [
                    .option("model", \.model, value: "MODEL", "Use this embedding model: a folder or a GGUF file.").positional(),
                    .list("text", \.texts, value: "TEXT", "Print the vector of TEXT.").positionalOnly(),
                    .option("file", \.file, value: "FILE",
                            "Print the vectors of the lines of FILE, or of standard input (-); \\n means a line break."),
                    .option("role", \.role, "Put the model's prefix for queries or for passages before each text."),
                    .option("tokens", \.printsTokens, "Print the ids of each text's tokens instead."),
                    .encoderPrecision(\.precision),
                ]),
                OptionGroup("Machine", EmbedOptions.machineOptions),
            ],
            examples: ["slm embed all-MiniLM-L6-v2 'how do I reset the pump'"]
        ) { options in
            guard let path = options.model else { throw UsageError("slm embed: expected a model: slm embed MODEL TEXT.") }
            let texts = try options.texts + EmbedOptions.texts(of: options.file)
            if texts.isEmpty { throw UsageError("slm embed: expected a text: slm embed \(path.shellWord) TEXT, or --file FILE.") }
            let folder = try EncoderFile(path, for: .embedding)
            if options.printsTokens {
                for text in texts { printLine(EmbedOptions.line("tokens") { writer in
                    for id in folder.input.tokens(of: text, as: options.role, limit: folder.input.context) { writer.integer(id) }
                }) }
                return
            }
            let model = try EmbeddingModel(folder, on: options.processor(), precision: options.precision)
            // In groups, so that a long file needs no memory for all vectors.
            for first in stride(from: 0, to: texts.count, by: 256) {
                for vector in model.vectors(of: Array(texts[first..<min(first + 256, texts.count)]), as: options.role) {
                    printLine(EmbedOptions.line("embedding") { writer in for number in vector { writer.json(number.description) } })
                }
            }
        }
    }
}

extension EmbedOptions {
    /// The texts of a file, one on each line.
    static func texts(of file: String?) throws -> [String] {
        try (file.map { try LineBlocks.nonEmptyLines(of: $0) } ?? []).map { $0.replacing("\\n", with: "\n") }
    }

    /// One line of JSON with an array.
    fileprivate static func line(_ key: String, _ write: (inout JSONWriter) -> Void) -> String {
        return JSONWriter.text { $0.array(key, write) }
    }
}
