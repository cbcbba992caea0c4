import Checkpoint
import Files
import Formats

struct AdapterMergeOptions: MachineOptions {
    var checkpoint: String?
    var base: String?
    var out: String?
    var machine = MachineSettings()
    var quiet = false
}

extension Command {
    static var adapterMerge: Command {
        Command(
            "adapter merge",
            "Merge a LoRA adapter into its base model.",
            AdapterMergeOptions(),
            [
                OptionGroup("Main options", [
                    .checkpoint(\.checkpoint, "Merge this adapter, as slm finetune --lora writes it."),
                    .option("out", \.out, value: "FILE", "Write the merged model to FILE.").short("o"),
                    .option("base", \.base, value: "CHECKPOINT", "Take the base model from this file.",
                            default: "the path stored in the adapter"),
                ]),
                OptionGroup("Machine", AdapterMergeOptions.machineOptions),
                OptionGroup("Output", [.quiet(\.quiet)]),
            ],
            examples: ["slm adapter merge checkpoints/support/best.h5 --out merged.h5"]
        ) { options in
            try options.run()
        }
    }
}

extension AdapterMergeOptions {
    func run() throws {
        guard let path = checkpoint else {
            throw UsageError("slm adapter merge: expected an adapter: slm adapter merge CHECKPOINT --out FILE")
        }
        guard let out else { throw UsageError("slm adapter merge: expected a file to write: --out FILE") }
        let file = try ModelFile(path, base: base), adapter = file.checkpoint
        try file.verify()
        guard adapter.adapter != nil else { throw CommandError(description: "\(path): expected a LoRA adapter, found a whole model.") }
        let merged = try adapter.merged(over: file.base, on: processor())
        try Folder.create(forFileAt: out)
        try merged.write(to: out)
        printLine("\(out): \(merged.weights.elementCount) parameters, adapter merged")
        printNextStep("Chat with it", "slm chat \(out.shellWord)", unless: quiet)
    }
}
