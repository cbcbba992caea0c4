import Checkpoint
import Files
import Kernels
import Tokenize
import Formats

struct ImportOptions {
    var source: String?
    var out: String?
    var tokenizer: String?
    var heads: Int?
}

extension Command {
    static var importing: Command {
        Command(
            "import", "Makes a checkpoint of another program's model.", ImportOptions(),
            [
                .argument(
                    "SOURCE", \.source,
                    "A Hugging Face folder of a GPT-2 (config.json, model.safetensors, its tokenizer), a GGUF file, or nanoGPT's .pt."),
                .option("out", \.out, "The checkpoint to write."),
                .option(
                    "tokenizer", \.tokenizer,
                    "The vocabulary to take, whatever the model brings (a .pt brings characters at most); 'none' for none."),
                .option("heads", \.heads, in: 1...65_536, "The heads of a .pt that does not say how many."),
            ], example: "slm import gpt2 --out checkpoints/gpt2.h5"
        ) { options in
            guard let source = options.source else { throw UsageError("slm import: give the model: slm import SOURCE --out CHECKPOINT") }
            guard let out = options.out else { throw UsageError("slm import: give the checkpoint to write: --out FILE") }
            let model = try ImportedModel(
                reading: source, heads: options.heads, tokenizer: tokenizer(options.tokenizer), on: try Processor())
            try Folder.create(forFileAt: out)
            try model.checkpoint.write(to: out)
            if model.checkpoint.tokenizer == nil {
                let reason =
                    model.tokenizerError.map { "its own cannot be read: \($0)" }
                    ?? (options.tokenizer == nil ? "it brings none." : "none was asked for.")
                note(
                    "the model has no tokenizer, and can be timed but neither evaluated nor talked to; \(reason) Another: --tokenizer FILE")
            }
            say("\(out): \(ModelSummary(model.checkpoint))")
        }
    }

    private static func tokenizer(_ option: String?) throws -> TokenizerSource {
        switch option {
        case nil: .included
        case "none"?: .none
        case let path?: .vocabulary(try Vocabulary(reading: path))
        }
    }
}
