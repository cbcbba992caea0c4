import Checkpoint
import Files
import Kernels
import Formats

struct ExportOptions {
    var checkpoint: String?
    var to: String?
    var base: String?
    var dtype = ExportType.f32
}

/// How weights are kept in what is written.
enum ExportType: String, CaseIterable, OptionValue {
    case f32, f16, bf16, q8_0, q4_0, int8, int4
}

extension Command {
    static var export: Command {
        Command(
            "export", "Writes a checkpoint for other programs.", ExportOptions(),
            [
                .argument("CHECKPOINT", \.checkpoint, "The model."),
                .option(
                    "to", \.to,
                    "A folder, as Hugging Face's transformers loads it, a file X.gguf, as llama.cpp does, or a smaller checkpoint X.h5."),
                .option("base", \.base, "The model that an adapter is for, where that is not where it was."),
                .option("dtype", \.dtype, "How weights are kept: q8_0 and q4_0 in GGUF, int8 and int4 in a checkpoint."),
            ],
            example: "slm export checkpoints/tiny/best.h5 --to exported\n  slm export checkpoints/tiny/best.h5 --to tiny.gguf --dtype q8_0"
        ) { options in
            guard let path = options.checkpoint else {
                throw UsageError("slm export: give the model: slm export CHECKPOINT --to FOLDER or FILE.gguf")
            }
            guard let folder = options.to else { throw UsageError("slm export: say where to: --to FOLDER or --to FILE.gguf") }
            var checkpoint = try Checkpoint(reading: path)
            // An adapter is put into its model.
            if checkpoint.quantized.count > 0 { checkpoint = try checkpoint.dequantized(on: Processor()) }
            if checkpoint.adapter != nil { checkpoint = try checkpoint.merged(base: options.base, on: try Processor()) }
            try write(checkpoint, to: folder, as: options.dtype)
            say("\(folder): \(ModelSummary(checkpoint)), \(options.dtype.rawValue)")
        }
    }
    private static func write(_ checkpoint: Checkpoint, to path: String, as type: ExportType) throws {
        func refuse(_ what: String) -> UsageError { UsageError("slm export: \(what), not \(type.rawValue).") }
        if path.hasSuffix(".gguf") {
            guard let format = GGUFFormat(rawValue: type.rawValue) else {
                throw refuse("GGUF holds \(GGUFFormat.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            try Folder.create(forFileAt: path)
            return try checkpoint.writeGGUF(
                to: path, as: format, name: path.split(separator: "/").last.map { String($0.dropLast(5)) } ?? "slm")
        }
        if path.hasSuffix(".h5") {
            guard let form = WeightPrecision(rawValue: type.rawValue), form != .bfloat16 else {
                throw refuse("a checkpoint holds f32, int8 or int4")
            }
            try Folder.create(forFileAt: path)
            return try (form == .float32 ? checkpoint : checkpoint.quantized(to: form, on: Processor())).write(to: path)
        }
        guard let format = WeightFormat(rawValue: type.rawValue) else { throw refuse("a Hugging Face folder holds f32, f16 or bf16") }
        try HuggingFace.write(checkpoint, to: path, as: format)
    }
}
