import Checkpoint
import Files
import Formats
import Kernels
import Train

struct ExportOptions {
    var checkpoint: String?
    var out: String?
    var base: String?
    var type = ExportType.f32
    var calibrate: String?
    var check: String?
    var peft = false
    var baseName: String?
    var quiet = false
}

/// The data type of exported weights.
enum ExportType: String, CaseIterable, OptionValue {
    case f32, f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m, iq4_xs, q4_0, int8, int6, int4

    static var metavariable: String { "TYPE" }
}

extension Command {
    static var export: Command {
        Command(
            "export",
            "Write a checkpoint for other programs, or a smaller one.",
            ExportOptions(),
            [
                OptionGroup("Main options", [
                    .checkpoint(\.checkpoint, "Export this model."),
                    .option(
                        "out", \.out, value: "PATH",
                        "Write a folder for Hugging Face transformers, X.gguf for llama.cpp, X.h5, or an importance matrix, X.imatrix."
                    )
                        .short("o"),
                    .option("dtype", \.type, "Store the weights in this data type; q8_0 to q4_0 in GGUF, int8, int6 and int4 in .h5."),
                    .option("calibrate", \.calibrate, value: "FILE",
                            "Fit quantized weights to the activations on this text or chats, or to this importance matrix.",
                            default: "text that the model generates"),
                    .option("check", \.check, value: "FILE", "Print the loss on this text or these chats, and that of the model in f32."),
                    .option("base", \.base, value: "CHECKPOINT", "Take the base model of a LoRA adapter from this file.",
                            default: "the path stored in the adapter"),
                    .option("peft", \.peft, "Write a LoRA adapter alone, as a folder for PEFT, instead of merging it into its base."),
                    .option("base-name", \.baseName, value: "NAME",
                            "Name the base model in adapter_config.json: a folder or repository that transformers can load."),
                ]),
                OptionGroup("Output", [.quiet(\.quiet)]),
            ],
            examples: [
                "slm export checkpoints/tiny/best.h5 --out exported",
                "slm export checkpoints/tiny/best.h5 --out tiny.gguf --dtype q8_0",
                "slm export checkpoints/support/best.h5 --out support.gguf --dtype q4_k_m --calibrate chats.jsonl",
                "slm export smollm2.gguf --out small.h5 --dtype int4 --calibrate chats.jsonl --check held-out.jsonl",
                "slm export smollm2.gguf --out smollm2.imatrix --calibrate chats.jsonl",
                "slm export checkpoints/support/best.h5 --peft --out support-lora",
            ]
        ) { options in
            try options.run()
        }
    }
}

extension ExportOptions {
    fileprivate func run() throws {
        guard let path = checkpoint else { throw UsageError("slm export: expected a model: slm export CHECKPOINT --out PATH") }
        guard let out else { throw UsageError("slm export: expected where to write: --out DIR, FILE.gguf, FILE.h5 or FILE.imatrix") }
        if let ending = Self.unknownEnding(of: out) {
            throw UsageError("slm export: --out: expected FILE.gguf, FILE.h5, FILE.imatrix or a folder, found '\(out)'. "
                + "For a folder whose name ends in .\(ending): --out \((out + "/").shellWord)")
        }
        if Folder.isSame(path, out) {
            throw UsageError("slm export: --out: expected another path than the model itself, which would be overwritten: \(out)")
        }
        let file = try ModelFile(path, base: base)
        try file.verify()
        var checkpoint = file.checkpoint
        if peft { return try writeAdapter(checkpoint, to: out) }
        if baseName != nil { throw UsageError("slm export: --base-name needs --peft.") }
        // A LoRA adapter is merged into its base model.
        if checkpoint.adapter != nil { checkpoint = try checkpoint.merged(over: file.base, on: try Processor()) }
        if out.hasSuffix(".imatrix") { return try writeImportanceMatrix(of: checkpoint, to: out) }
        // To int8, int6 and int4, one matrix at a time is converted.
        let isQuantizing = out.hasSuffix(".h5") && type.rawValue.hasPrefix("int")
        let isFitted = out.hasSuffix(".gguf") && GGUFFormat(rawValue: type.rawValue)?.isFitted == true
        if calibrate != nil, !isQuantizing, !isFitted {
            throw UsageError(
                "slm export: --calibrate: expected --out FILE.h5 with --dtype int8, int6 or int4, FILE.gguf with q6_k, q5_k_m, "
                    + "q4_k_m or iq4_xs, or FILE.imatrix, found \(out) with \(type.rawValue).")
        }
        if checkpoint.quantized.count > 0, !isQuantizing { checkpoint = try checkpoint.dequantized(on: Processor()) }
        // Read before the work of minutes, so that a wrong name is found first.
        if let check, checkpoint.tokenizer != nil { _ = try EvaluationReader(checkpoint, on: Processor().pool).text(at: check) }
        try write(checkpoint, to: out)
        printLine("\(out): \(ModelSummary(checkpoint)), \(type.rawValue)")
        try printLoss(of: out, beside: path)
        if out.hasSuffix(".gguf") {
            printNextStep("Run it in llama.cpp", "llama-cli --model \(out.shellWord)", unless: quiet || checkpoint.tokenizer == nil)
        } else if out.hasSuffix(".h5") {
            printNextStep("Measure its speed", "slm bench generate \(out.shellWord)", unless: quiet)
        } else {
            printNextStep("Load it in Python", "transformers.AutoModelForCausalLM.from_pretrained('\(out)')", unless: quiet)
        }
    }

    /// The ending of a path that looks like a file of a format that slm cannot write, such as "x.bin"; nil for other paths, and for a
    /// folder that exists.
    static func unknownEnding(of path: String) -> Substring? {
        guard let name = path.split(separator: "/", omittingEmptySubsequences: false).last, let dot = name.lastIndex(of: "."),
              dot > name.startIndex else { return nil }
        let ending = name[name.index(after: dot)...]
        guard ending.first?.isLetter == true, ending.allSatisfy({ $0.isLetter || $0.isNumber }),
              !["gguf", "h5", "imatrix"].contains(ending), Folder.names(in: path) == nil else { return nil }
        return ending
    }

    private func writeAdapter(_ checkpoint: Checkpoint, to path: String) throws {
        if [".gguf", ".h5", ".imatrix"].contains(where: path.hasSuffix) {
            throw UsageError("slm export: --peft writes a folder, found --out '\(path)'.")
        }
        guard let format = WeightFormat(rawValue: type.rawValue) else {
            throw UsageError("slm export: --dtype: expected f32, f16, bf16 for a PEFT adapter, found \(type.rawValue).")
        }
        try PEFT.write(checkpoint, to: path, as: format, baseModel: baseName, on: Processor())
        printLine("\(path): a PEFT adapter, \(type.rawValue)")
        printNextStep("Load it in Python", "peft.PeftModel.from_pretrained(model, '\(path)')", unless: quiet)
    }

    private func write(_ checkpoint: Checkpoint, to path: String) throws {
        func error(_ format: String, _ types: [String]) -> UsageError {
            UsageError("slm export: --dtype: expected \(types.joined(separator: ", ")) for \(format), found \(type.rawValue).")
        }
        if path.hasSuffix(".gguf") {
            guard let format = GGUFFormat(rawValue: type.rawValue) else { throw error("a GGUF file", GGUFFormat.allCases.map(\.rawValue)) }
            try Folder.create(forFileAt: path)
            let name = path.split(separator: "/").last.map { String($0.dropLast(5)) } ?? "slm"
            if !format.isFitted { return try checkpoint.writeGGUF(to: path, as: format, name: name) }
            let processor = try Processor()
            return try calibrating(checkpoint, on: processor) { calibration in
                try checkpoint.writeGGUF(to: path, as: format, name: name, on: processor, calibration: calibration)
            }
        }
        if path.hasSuffix(".h5") {
            guard let precision = WeightPrecision(rawValue: type.rawValue), precision != .bfloat16 else {
                throw error("a checkpoint", ["f32", "int8", "int6", "int4"])
            }
            try Folder.create(forFileAt: path)
            return try (precision == .float32 ? checkpoint : quantized(checkpoint, to: precision, on: Processor())).write(to: path)
        }
        guard let format = WeightFormat(rawValue: type.rawValue) else { throw error("a Hugging Face folder", ["f32", "f16", "bf16"]) }
        try HuggingFace.write(checkpoint, to: path, as: format)
    }
}
