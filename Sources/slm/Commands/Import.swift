import Checkpoint
import Files
import Kernels

struct ImportOptions {
    var source: String?
    var out: String?
}

extension Command {
    static var importing: Command {
        Command("import", "Makes a checkpoint of another program's model.", ImportOptions(), [
            .argument("SOURCE", \.source, "A Hugging Face folder of a GPT-2: config.json, model.safetensors, and its tokenizer."),
            .option("out", \.out, "The checkpoint to write."),
        ], example: "slm import gpt2 --out checkpoints/gpt2.h5") { options in
            guard let source = options.source else { throw UsageError("slm import: give the model: slm import SOURCE --out CHECKPOINT") }
            guard let out = options.out else { throw UsageError("slm import: give the checkpoint to write: --out FILE") }
            let checkpoint = try ForeignModel.read(source, on: try Processor())
            try Folder.create(forFileAt: out)
            try checkpoint.write(to: out)
            say("\(out): \(ModelSummary(checkpoint))")
        }
    }
}
