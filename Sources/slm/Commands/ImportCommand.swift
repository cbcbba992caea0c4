import Autograd
import Checkpoint
import Files
import Formats
import Kernels
import Model
import Tokenize

struct ImportOptions {
    var source: String?
    var out: String?
    var tokenizer: String?
    var heads: Int?
    var base: String?
    var chatTemplate: ChatTemplateChoice?
    var addTokens: AddedTokenChoice?
    var quiet = false
}

extension Command {
    static var importModel: Command {
        Command(
            "import",
            "Convert a model of another program to a checkpoint.",
            ImportOptions(),
            [
                OptionGroup("Main options", [
                    .option("source", \.source, value: "SOURCE",
                            "Read a Hugging Face folder (config.json, model.safetensors, tokenizer), a GGUF file, or a .pt of nanoGPT.")
                        .positional(),
                    .option("base", \.base, value: "CHECKPOINT",
                            "Read a PEFT adapter (adapter_config.json, adapter_model.safetensors) for this base model."),
                    .option("out", \.out, value: "FILE", "Write the checkpoint to FILE.").short("o"),
                    .option("tokenizer", \.tokenizer, value: "TOKENIZER",
                            "Use this tokenizer instead of the model's own; 'none' for none."),
                    .chatTemplate(\.chatTemplate),
                    .addTokens(\.addTokens),
                    .option("heads", \.heads, in: 1...65_536, "Set the number of attention heads of a .pt file that does not contain it."),
                ]),
                OptionGroup("Output", [.quiet(\.quiet)]),
            ],
            examples: ["slm import gpt2 --out checkpoints/gpt2.h5", "slm import model.gguf --out checkpoints/model.h5",
                       "slm import adapter --base checkpoints/qwen.h5 --out checkpoints/adapter.h5"]
        ) { options in
            try options.run()
        }
    }
}

extension ImportOptions {
    fileprivate func run() throws {
        guard let source else { throw UsageError("slm import: expected a model: slm import SOURCE --out FILE") }
        guard let out else { throw UsageError("slm import: expected a file to write: --out FILE") }
        if Folder.isSame(source, out) {
            throw UsageError("slm import: --out: expected another file than the model itself, which would be overwritten: \(out)")
        }
        if PEFT.isAdapter(source) { return try importAdapter(source, out: out) }
        if base != nil { throw UsageError("slm import: --base: expected a PEFT adapter with adapter_config.json, found '\(source)'.") }
        let model = try ImportedModel(
            reading: source, heads: heads, tokenizer: tokenizerSource, chatTemplate: chatTemplate, adding: addTokens,
            on: try Processor())
        try Folder.create(forFileAt: out)
        try model.checkpoint.write(to: out)
        if model.checkpoint.tokenizer == nil {
            let reason = model.tokenizerError.map { "its tokenizer cannot be read: \($0)" }
                ?? (tokenizer == nil ? "the source contains none." : "--tokenizer none was set.")
            printNote("the checkpoint has no tokenizer, so it cannot generate text or be evaluated: \(reason) Add one with "
                + "--tokenizer FILE.")
        }
        if !quiet { model.checkpoint.importNotes.forEach(printNote) }
        if let error = model.checkpoint.chatTemplateError {
            printNote("the checkpoint has no chat template, so it can only complete texts: the model's own cannot be rendered: \(error)")
        }
        if !quiet, model.checkpoint.isChatTemplateAssumed { try printTemplateNote(source, of: model.checkpoint) }
        printLine("\(out): \(ModelSummary(model.checkpoint))")
        if model.checkpoint.chatTemplate != nil {
            printNextStep("Chat with it", "slm chat \(out.shellWord)", unless: quiet)
        } else if model.checkpoint.tokenizer != nil {
            printNextStep("Generate text with it", "slm generate \(out.shellWord) --prompt TEXT", unless: quiet)
        } else {
            printNextStep("Measure its speed", "slm bench generate \(out.shellWord)", unless: quiet)
        }
    }

    private func importAdapter(_ source: String, out: String) throws {
        guard let base else {
            throw UsageError("slm import: \(source) is a PEFT adapter. Give the base model that it was trained on: "
                + "slm import \(source.shellWord) --base CHECKPOINT --out FILE")
        }
        if tokenizer != nil || heads != nil || addTokens != nil {
            throw UsageError("slm import: an adapter has its base model's tokenizer and heads, and its own added tokens.")
        }
        let file = try ModelFile(base, chatTemplate: chatTemplate), model = file.checkpoint
        try file.verify()
        if model.adapter != nil { throw CommandError(description: "\(base): expected a whole model, found a LoRA adapter.") }
        try Folder.create(forFileAt: out)
        let basePath = try RelativePath.of(base, from: RelativePath.folder(ofFileAt: out))
        let adapter = try PEFT.read(source, base: model, basePath: basePath, on: try Processor())
        try adapter.write(to: out)
        let targets = adapter.adapter?.shape.targetNames.joined(separator: ", ") ?? ""
        let kind = adapter.adapter?.shape.usesDoRA ?? false ? "DoRA" : "LoRA"
        printLine("\(out): a \(kind) adapter of \(adapter.weights.elementCount) parameters for \(targets)")
        printNextStep("Chat with it", "slm chat \(out.shellWord)", unless: quiet || adapter.chatTemplate == nil)
        printNextStep("Train it further", "slm finetune \(base.shellWord) --init-adapter \(out.shellWord) --data FILE", unless: quiet)
    }

    private var tokenizerSource: TokenizerSource {
        get throws {
            switch tokenizer {
            case nil: .included
            case "none"?: .none
            case let path?: .vocabulary(try Vocabulary(ofFile: path))
            }
        }
    }
}
