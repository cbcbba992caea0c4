import Infer
import Kernels

/// Threads and kernels. What is nil is chosen by the machine.
struct MachineSettings {
    var threads: Int?
    /// The instruction set of the kernels.
    var cpu: String?
    var device: DeviceChoice?
    var blas: BLAS?
}

/// The options of a command that computes.
protocol MachineOptions {
    var machine: MachineSettings { get set }
}

extension BLAS: OptionValue {}

/// What computes: this CPU, or a GPU with a Vulkan driver.
enum DeviceChoice: OptionValue, Equatable, Sendable {
    case cpu
    /// A device by its number in `slm info`; nil: the first GPU.
    case vulkan(Int?)

    init?(optionText text: String) {
        switch text.split(separator: ":", omittingEmptySubsequences: false) {
        case ["cpu"]: self = .cpu
        case ["vulkan"]: self = .vulkan(nil)
        case let parts where parts.count == 2 && parts[0] == "vulkan":
            guard let number = Int(parts[1]), number >= 0 else { return nil }
            self = .vulkan(number)
        default: return nil
        }
    }

    var optionText: String {
        switch self {
        case .cpu: "cpu"
        case .vulkan(let number): "vulkan" + (number.map { ":\($0)" } ?? "")
        }
    }

    static var metavariable: String { "DEVICE" }
    static var expectation: String { "cpu, vulkan or vulkan:N" }
}

/// The precision of matmuls in training, as a user chooses it.
enum TrainingPrecisionOption: String, CaseIterable, OptionValue {
    case auto, bf16, f32

    static var metavariable: String { "TYPE" }

    init(_ precision: DataType) { self = precision == .bfloat16 ? .bf16 : .f32 }
}

extension MachineOptions {
    func processor() throws -> Processor { try makeProcessor() }

    /// Opens a processor, also on another thread.
    var makeProcessor: @Sendable () throws -> Processor {
        let machine = machine
        return {
            do {
                var gpu: GPU?
                if case .vulkan(let number) = machine.device {
                    let chosen = try GPUDevice.choose(number)
                    if chosen.kind == .software { printNote("\(chosen) computes on the CPU, more slowly than --device cpu.") }
                    gpu = try GPU(chosen)
                }
                return try Processor(threads: machine.threads, instructionSet: machine.cpu, blas: machine.blas, gpu: gpu)
            } catch ProcessorError.unknownInstructionSet(let name, let known) {
                throw UsageError("slm: \(ProcessorError.unknownInstructionSet(name, known: known))")
            }
        }
    }

    static var machineOptions: [CommandOption<Self>] {
        [
            .option("threads", \.machine.threads, in: 1...1_024, "Compute on N threads.", default: "all cores"),
            .option("cpu", \.machine.cpu, value: "NAME",
                    "Use the kernels of one instruction set: avx512amx, avx512bf16, avx512, avx2vnni, avx2, neonbf16, neondotprod, neon or "
                        + "plain.",
                    default: "the fastest"),
            .option("device", \.machine.device, "Compute on this device: cpu, vulkan (the first GPU) or vulkan:N.", default: "cpu"),
            .option("blas", \.machine.blas, "Multiply matrices with this library.", default: "the fastest in training, otherwise slm"),
        ]
    }
}

extension CommandOption {
    static func checkpoint(_ path: WritableKeyPath<Options, String?>, _ help: String, default defaultText: String = "") -> CommandOption {
        option("checkpoint", path, value: "CHECKPOINT", help, default: defaultText).short("c").positional()
    }

    static func json(_ path: WritableKeyPath<Options, Bool>, _ help: String = "Print JSON, one object per line.") -> CommandOption {
        option("json", path, help)
    }

    static func quiet(_ path: WritableKeyPath<Options, Bool>) -> CommandOption {
        option("quiet", path, "Print no progress and no hints.").short("q")
    }

    static func background(_ path: WritableKeyPath<Options, Bool>) -> CommandOption {
        option("background", path, "Compute only while no other program wants the CPU, at idle priority.")
    }

    static func skipBad(_ path: WritableKeyPath<Options, Bool>) -> CommandOption {
        option("skip-bad", path, "Skip and count records that cannot be read, instead of stopping.")
    }
}

extension Processor {
    /// The precision of activations. Chosen by the CPU's features, bf16 if it has instructions for it.
    ///
    /// - Parameter isChosen: Whether the user has chosen it, and not a measurement. A note then says what the CPU lacks.
    func precision(for option: TrainingPrecisionOption, isChosen: Bool = true) -> DataType {
        let precision: DataType = option == .bf16 || (option == .auto && hasBFloat16) ? .bfloat16 : .float32
        if precision == .bfloat16, isChosen, !hasBFloat16 {
            printNote("\(instructionSet) kernels have no bf16 instructions: activations are stored in bf16 and multiplied in f32.")
        }
        if precision == .bfloat16, blas == .openblas { printNote("OpenBLAS has no bf16 matmul: using slm's own kernels for bf16.") }
        return precision
    }
}
