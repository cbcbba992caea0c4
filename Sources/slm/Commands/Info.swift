import Checkpoint
import Kernels

struct InfoOptions: MachineOptions {
    var checkpoint: String?
    var threads: Int?
    var cpu: String?
    var blas: BLAS?
    var json = false
}

extension Command {
    static var info: Command {
        Command(
            "info", "What this machine is and what slm makes of it, or what a checkpoint holds.", InfoOptions(),
            [.argument("CHECKPOINT", \.checkpoint, "A checkpoint to tell about, instead of this machine.")]
                + InfoOptions.rows + [.option("json", \.json, "One JSON object instead of lines.")],
            example: "slm info checkpoints/tiny/best.h5"
        ) { options in
            if let path = options.checkpoint {
                let contents = CheckpointContents(try Checkpoint(reading: path))
                return say(options.json ? contents.json : contents.text)
            }
            let processor = try options.processor()
            let type = processor.dataType(for: .auto)
            let reason =
                type == .bfloat16 ? "the CPU has bf16 instructions" : "\(processor.instructionSet) kernels have no bf16 instructions"
            let libraries = BLAS.allCases.compactMap { blas -> String? in
                if blas == .slm { return nil }
                do { return try Processor(threads: 1, instructionSet: options.cpu, blas: blas).libraryVersion } catch { return "\(error)" }
            }
            let megabytes = { (bytes: Int) in bytes >> 20 }
            if options.json {
                return say(
                    JSONLine([
                        "cpu": .text(CPU.name), "features": .text(CPU.features.joined(separator: " ")),
                        "kernels": .text(processor.instructionSet),
                        "kernels_available": .text(Processor.instructionSets.joined(separator: " ")), "dtype": .text(type.rawValue),
                        "blas": .text(processor.blas.rawValue),
                        "threads": .whole(processor.threads), "cores": .whole(CPU.availableCores),
                        "memory_mb": .whole(megabytes(CPU.memoryBytes)),
                        "memory_available_mb": CPU.availableMemory.map { .whole(megabytes($0)) },
                        "libraries": .text(libraries.joined(separator: "; ")),
                        "version": .text(version),
                    ]))
            }
            say("""
                slm        \(version)
                CPU        \(CPU.name), \(CPU.availableCores) cores to use
                has        \(CPU.features.joined(separator: " "))
                kernels    \(processor.instructionSet)   (can run \(Processor.instructionSets.joined(separator: ", ")); --cpu or SLM_CPU forces one)
                products   \(processor.blas.rawValue)   (--blas \(BLAS.hint))
                dtype      \(type.rawValue): \(reason)
                threads    \(processor.threads)   (--threads or SLM_THREADS)
                memory     \(megabytes(CPU.memoryBytes)) MB\(CPU.availableMemory.map { ", \(megabytes($0)) MB of it free" } ?? "")
                libraries  \(libraries.joined(separator: "\n           "))
                """)
        }
    }
}
