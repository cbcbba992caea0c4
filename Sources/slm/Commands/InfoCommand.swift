import Checkpoint
import Formats
import Kernels
import Tuning

struct InfoOptions: MachineOptions {
    var checkpoint: String?
    var machine = MachineSettings()
    var json = false
}

extension Command {
    static var info: Command {
        Command(
            "info",
            "Describe a checkpoint, or this machine.",
            InfoOptions(),
            [
                OptionGroup("Main options", [
                    .checkpoint(\.checkpoint, "Describe this checkpoint, Hugging Face folder or GGUF file instead of the machine."),
                    .json(\.json, "Print one JSON object."),
                ]),
                OptionGroup("Machine", InfoOptions.machineOptions),
            ],
            examples: ["slm info", "slm info checkpoints/tiny/best.h5"]
        ) { options in
            if let path = options.checkpoint, EncoderFile.isEncoder(path) {
                let description = try EmbeddingModelDescription(at: path)
                return printLine(options.json ? description.json : description.text)
            }
            if let path = options.checkpoint {
                let description = try CheckpointDescription(at: path)
                return printLine(options.json ? description.json : description.text)
            }
            try options.describeMachine()
        }
    }
}

extension InfoOptions {
    fileprivate func describeMachine() throws {
        let processor = try processor()
        let precision = processor.precision(for: .auto)
        let libraries = BLAS.allCases.compactMap { blas -> String? in
            if blas == .slm { return nil }
            do { return try Processor(threads: 1, instructionSet: machine.cpu, blas: blas).libraryVersion } catch { return "\(error)" }
        }
        let tuned = (TuningUse.widths.map { TuningUse.training(width: $0) } + [.inference]).compactMap { use in
            Autotuning.stored(for: use, threads: processor.threads).flatMap { MeasuredChoice(use, $0) }
        }
        let megabytes = { (bytes: Int) in bytes >> 20 }
        let devices: [String]
        do throws(GPUError) {
            devices = try GPUDevice.all().enumerated().map { number, device in
                "vulkan:\(number)   \(device.name) (\(device.kind.rawValue)), \(megabytes(device.memoryBytes)) MB"
                    + (device.hasMatrixUnits ? ", matrix units for bf16" : "")
            }
        } catch .noLoader {
            devices = ["none: the Vulkan loader is not installed (libvulkan1)"]
        } catch .noDevice {
            devices = ["none"]
        } catch { devices = ["none: \(error)"] }
        let cores = CPU.cores, memory = CPU.memory
        if json {
            return printLine(JSONLine([
                "cpu": .text(CPU.name),
                "features": .text(CPU.features.joined(separator: " ")),
                "kernels": .text(processor.instructionSet),
                "kernels_available": .text(Processor.instructionSets.joined(separator: " ")),
                "dtype": .text(precision.rawValue),
                "blas": .text(processor.blas.rawValue),
                "threads": .whole(processor.threads),
                "cores": .whole(cores.amount),
                "cores_limited_by": cores.limitedBy.map { .text($0) },
                "memory_mb": .whole(megabytes(memory.amount)),
                "memory_limited_by": memory.limitedBy.map { .text($0) },
                "memory_available_mb": CPU.availableMemory.map { .whole(megabytes($0)) },
                "measured": .text(tuned.map { "\($0.use.name): \($0.choice)" }.joined(separator: "; ")),
                "libraries": .text(libraries.joined(separator: "; ")),
                "devices": .text(devices.joined(separator: "; ")),
                "version": .text(version),
            ]))
        }
        let reason = precision == .bfloat16
            ? "the CPU has bf16 instructions" : "\(processor.instructionSet) kernels have no bf16 instructions"
        let threads = CPU.hardwareThreads.amount
        let hardwareThreads = threads > cores.amount ? ", \(threads) hardware threads" : ""
        let limit = { (allowance: CPU.Allowance) in allowance.limitedBy.map { " (limited by \($0))" } ?? "" }
        let kernels = Processor.instructionSets.joined(separator: ", ")
        let measured = tuned.isEmpty ? ["nothing yet; the first training run and the first answer measure"] : tuned.map(\.description)
        let free = CPU.availableMemory.map { ", \(megabytes($0)) MB free" } ?? ""
        printLine("""
            slm        \(version)
            CPU        \(CPU.name), \(cores.amount) \(cores.amount == 1 ? "core" : "cores") available\(limit(cores))\(hardwareThreads)
            features   \(CPU.features.joined(separator: " "))
            kernels    \(processor.instructionSet)   (available: \(kernels); set with --cpu or SLM_CPU)
            matmul     \(processor.blas.rawValue)   (available: \(BLAS.choices.joined(separator: ", ")); set with --blas or SLM_BLAS)
            dtype      \(precision.rawValue): \(reason)
            measured   \(measured.joined(separator: "\n           "))
            threads    \(processor.threads)   (set with --threads or SLM_THREADS)
            memory     \(megabytes(memory.amount)) MB\(limit(memory))\(free)
            devices    \(devices.joined(separator: "\n           "))   (set with --device or SLM_DEVICE)
            libraries  \(libraries.joined(separator: "\n           "))
            """)
    }
}

/// What this machine uses where options leave it open, with what it gains.
private struct MeasuredChoice: CustomStringConvertible {
    let use: TuningUse
    let choice: KernelChoice
    private let others: [(choice: KernelChoice, slowdown: Double)]

    init?(_ use: TuningUse, _ result: TuningResult) {
        guard let best = result.best() else { return nil }
        self.use = use
        choice = best
        others = result.measurements.compactMap { measurement in
            measurement.choice == best ? nil : result.slowdown(of: measurement.choice).map { (measurement.choice, $0) }
        }
    }

    var description: String {
        let list = others.map { "\($0.choice): \($0.slowdown.fixed(2)) times as long" }
        return "\(use.text): \(choice)" + (list.isEmpty ? "" : "\n             " + list.joined(separator: "\n             "))
    }
}
