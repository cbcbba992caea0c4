import Checkpoint
import Kernels

struct ExportOptions {
    var checkpoint: String?
    var to: String?
    var base: String?
    var dtype = WeightFormat.f32
}

extension WeightFormat: OptionValue {}

extension Command {
    static var export: Command {
        Command("export", "Writes a checkpoint for other programs.", ExportOptions(), [
            .argument("CHECKPOINT", \.checkpoint, "The model."),
            .option("to", \.to, "The folder to write, as Hugging Face's transformers loads it."),
            .option("base", \.base, "The model that an adapter is for, where that is not where it was."),
            .option("dtype", \.dtype, "How weights are kept."),
        ], example: "slm export checkpoints/tiny/best.h5 --to exported") { options in
            guard let path = options.checkpoint else { throw UsageError("slm export: give the model: slm export CHECKPOINT --to FOLDER") }
            guard let folder = options.to else { throw UsageError("slm export: give the folder to write: --to FOLDER") }
            var checkpoint = try Checkpoint(reading: path)
            // An adapter is put into its model.
            if checkpoint.adapter != nil { checkpoint = try checkpoint.merged(base: options.base, on: try Processor()) }
            try HuggingFace.write(checkpoint, to: folder, as: options.dtype)
            say("\(folder): \(ModelSummary(checkpoint)), \(options.dtype.rawValue)")
        }
    }
}
