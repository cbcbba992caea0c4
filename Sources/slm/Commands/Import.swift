import Checkpoint
import Files
import Kernels
import Tokenize

struct ImportOptions {
    var source: String?
    var out: String?
    var tokenizer: String?
    var heads: Int?
}

extension Command {
    static var importing: Command {
        Command("import", "Makes a checkpoint of another program's model.", ImportOptions(), [
            .argument("SOURCE", \.source, "A Hugging Face folder of a GPT-2 (config.json, model.safetensors, its tokenizer), a GGUF file, or nanoGPT's .pt."),
            .option("out", \.out, "The checkpoint to write."),
            .option("tokenizer", \.tokenizer, "The vocabulary of a .pt, which has none but for characters."),
            .option("heads", \.heads, in: 1...65_536, "The heads of a .pt that does not say how many."),
        ], example: "slm import gpt2 --out checkpoints/gpt2.h5") { options in
            guard let source = options.source else { throw UsageError("slm import: give the model: slm import SOURCE --out CHECKPOINT") }
            guard let out = options.out else { throw UsageError("slm import: give the checkpoint to write: --out FILE") }
            let checkpoint = try ForeignModel.read(source, heads: options.heads, vocabulary: options.tokenizer.map { try Vocabulary(reading: $0) }, on: try Processor())
            try Folder.create(forFileAt: out)
            try checkpoint.write(to: out)
            say("\(out): \(ModelSummary(checkpoint))")
        }
    }
}
