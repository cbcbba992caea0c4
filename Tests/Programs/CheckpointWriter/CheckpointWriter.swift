import Formats
import Autograd
import Checkpoint
import Glibc
import JSON
import Kernels
import Model
import TestSupport

/// Writes checkpoints in a separate process, for tests that limit or kill the writer or compare with other programs.
///
///     CheckpointWriter sample PATH            a checkpoint with every kind of content, and the content as JSON on standard output
///     CheckpointWriter forever PATH           one generation after another, until it is killed
///     CheckpointWriter limited PATH BYTES     a checkpoint, with a limit on the file size
///     CheckpointWriter unprivileged PATH      a checkpoint, as a user without permissions
///     CheckpointWriter parrot PATH CONTEXT    a chat model that always gives the same answer
///     CheckpointWriter tools PATH             a chat model that calls a function and repeats its result
///     CheckpointWriter thinking PATH          a chat model that thinks before it answers
///     CheckpointWriter adapters FOLDER        base.h5 and LoRA adapters for it: wide.h5, narrow.h5, principal.h5
///     CheckpointWriter pytorch PATH FILE      imports a .pt of nanoGPT
///     CheckpointWriter to-gguf PATH FORMAT    a GGUF file, and its original as PATH.h5
///     CheckpointWriter from-gguf FILE PATH    imports a GGUF file
///     CheckpointWriter imatrix FILE PATH      reads an importance matrix of llama.cpp, and writes it
///     CheckpointWriter time PATH PRESET       measures writing and reading a model of a preset's size
@main
struct CheckpointWriter {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3 else { return print("usage: see CheckpointWriter.swift") }
        let path = arguments[2]
        do {
            switch arguments[1] {
            case "sample":
                let checkpoint = try SampleCheckpoint().checkpoint
                try checkpoint.write(to: path)
                print(json(of: checkpoint))
            case "parrot": try OneSentenceModel.checkpoint(context: Int(arguments[3]) ?? 64).write(to: path)
            case "tools": try ToolCallModel.checkpoint().write(to: path)
            case "thinking": try ThinkingModel.checkpoint().write(to: path)
            case "adapters": _ = try SampleAdapters(in: path)
            case "forever":
                for generation in 1... { try SampleCheckpoint(generation: generation, layers: 8).checkpoint.write(to: path) }
            case "limited":
                var limit = rlimit(rlim_cur: UInt(arguments[3]) ?? 0, rlim_max: UInt(arguments[3]) ?? 0)
                setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
                try SampleCheckpoint(generation: 2).checkpoint.write(to: path)
            case "unprivileged":
                if getuid() == 0 { setuid(65_534) }
                try SampleCheckpoint(generation: 2).checkpoint.write(to: path)
            case "pytorch": try Checkpoint(importingPyTorch: arguments[3], on: Processor(threads: 1)).write(to: path)
            case "to-gguf": try writeGGUF(path, arguments[3], isTied: arguments.last == "tied")
            case "from-gguf": try Checkpoint(readingGGUF: path, on: Processor(threads: 1)).write(to: arguments[3])
            case "imatrix": try ImportanceMatrix(at: path)?.write(to: arguments[3])
            default: try measure(path, preset: arguments.last ?? "eugpt")
            }
        } catch let error as CheckpointError {
            print("\(error)")
            exit(1)
        }
    }

    private static func writeGGUF(_ path: String, _ name: String, isTied: Bool) throws {
        guard let format = GGUFFormat(rawValue: name) else { return print("unknown format \(name)") }
        let checkpoint = try SampleGGUF(tied: isTied).checkpoint
        try checkpoint.writeGGUF(to: path, as: format, name: "sample", on: format.isFitted ? Processor(threads: 1) : nil)
        try checkpoint.write(to: path + ".h5")
    }

    private static func json(of checkpoint: Checkpoint) -> String {
        var writer = JSONWriter()
        writer.array { list in
            for (path, shape, bits) in checkpoint.everything {
                list.object {
                    $0["path"] = path
                    $0.key("shape"); $0.array { for size in shape { $0.integer(size) } }
                    $0.key("bits"); $0.array { for number in bits { $0.integer(number) } }
                }
            }
        }
        return writer.text
    }

    private static func measure(_ path: String, preset: String) throws {
        guard let configuration = GPTConfiguration.presets.first(where: { $0.name == preset })?.configuration else {
            return print("unknown preset \(preset)")
        }
        let processor = try Processor(), list = ParameterList(of: configuration)
        let parameters = Parameters(list, on: processor, seed: 1)
        var checkpoint = Checkpoint(configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
        func time(_ what: String, _ body: () throws -> Void) rethrows {
            let clock = ContinuousClock(), spent = try (0..<5).map { _ in try clock.measure(body) }.sorted()
            print("\(what): best \(spent[0]), median \(spent[2])")
        }
        checkpoint.training = ["step": 1]
        try time("write weights") { try checkpoint.write(to: path) }
        try time("read and map") { _ = try Checkpoint(reading: path).model(on: processor) }
        try time("read and copy") { try Checkpoint(reading: path).copyWeights(into: parameters) }
        print("\(list.count * 4 / 1_000_000) MB")
        try time("read all weights") { _ = try processor.sumOfSquares(Checkpoint(reading: path).model(on: processor).parameters.values) }
        for moment in ["first", "second"] { checkpoint.optimizer.add(processor.zeros(list.count), of: parameters.list, in: moment) }
        try time("write with moments") { try checkpoint.write(to: path) }
        try time("read with moments") { _ = try Checkpoint(reading: path).model(on: processor) }
    }
}
