import Checkpoint
import Files
import Kernels

struct ExportOptions {
    var checkpoint: String?
    var to: String?
    var base: String?
    var dtype = GGUFFormat.f32
}

extension GGUFFormat: OptionValue {}

extension Command {
    static var export: Command {
        Command("export", "Writes a checkpoint for other programs.", ExportOptions(), [
            .argument("CHECKPOINT", \.checkpoint, "The model."),
            .option("to", \.to, "A folder, as Hugging Face's transformers loads it, or a file X.gguf, as llama.cpp does."),
            .option("base", \.base, "The model that an adapter is for, where that is not where it was."),
            .option("dtype", \.dtype, "How weights are kept; the last two in GGUF alone."),
        ], example: "slm export checkpoints/tiny/best.h5 --to exported\n  slm export checkpoints/tiny/best.h5 --to tiny.gguf --dtype q8_0") { options in
            guard let path = options.checkpoint else { throw UsageError("slm export: give the model: slm export CHECKPOINT --to FOLDER or FILE.gguf") }
            guard let folder = options.to else { throw UsageError("slm export: say where to: --to FOLDER or --to FILE.gguf") }
            var checkpoint = try Checkpoint(reading: path)
            // An adapter is put into its model.
            if checkpoint.adapter != nil { checkpoint = try checkpoint.merged(base: options.base, on: try Processor()) }
            if folder.hasSuffix(".gguf") {
                try Folder.create(forFileAt: folder)
                try checkpoint.writeGGUF(to: folder, as: options.dtype, name: folder.split(separator: "/").last.map { String($0.dropLast(5)) } ?? "slm")
            } else {
                guard let format = WeightFormat(rawValue: options.dtype.rawValue) else { throw UsageError("slm export: a Hugging Face folder holds f32, f16 or bf16; \(options.dtype.rawValue) is GGUF's: --to FILE.gguf") }
                try HuggingFace.write(checkpoint, to: folder, as: format)
            }
            say("\(folder): \(ModelSummary(checkpoint)), \(options.dtype.rawValue)")
        }
    }
}
