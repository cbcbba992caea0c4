import Glibc
import Infer
import Kernels

/// The options that choose what computes, the same for every command.
protocol MachineOptions {
    var threads: Int? { get set }
    var cpu: String? { get set }
    var blas: BLAS? { get set }
}

extension BLAS: OptionValue {}

/// What products are computed in.
enum Precision: String, CaseIterable, OptionValue {
    case auto, bf16, f32
}

extension MachineOptions {
    func processor() throws -> Processor { try processorMaker() }

    /// For whoever computes on a thread of its own.
    var processorMaker: @Sendable () throws -> Processor {
        let threads = threads
        let cpu = cpu
        let blas = blas
        return {
            do { return try Processor(threads: threads, instructionSet: cpu, blas: blas) } catch ProcessorError.unknownInstructionSet(
                let name, let known)
            {
                throw UsageError("slm: \(ProcessorError.unknownInstructionSet(name, known: known))")
            }
        }
    }

    static var rows: [OptionRow<Self>] {
        [.option("threads", \.threads, in: 1...1_024, "Threads that compute; all cores when not given."),
         .option("cpu", \.cpu, "Kernels to use instead of the best: \(Processor.instructionSets.joined(separator: ", "))."),
         .option("blas", \.blas, "What multiplies matrices.")]
    }
}

extension Processor {
    /// bf16 where this machine computes it, f32 elsewhere: said once when it is not what was asked for.
    func dataType(for precision: Precision) -> DataType {
        if precision == .bf16, !hasBFloat16 { note("\(path) kernels have no bf16 instructions: computing in f32.") }
        let type: DataType = precision != .f32 && hasBFloat16 ? .bfloat16 : .float32
        if type == .bfloat16, blas == .openblas { note("openblas has no bf16 products: our own kernels make them.") }
        return type
    }
}

extension Processor {
    /// Said once when it is not what was asked for.
    ///
    /// - Parameter stored: what the weights are rounded to in their file.
    func weightPrecision(for type: PrecisionOption, stored: WeightPrecision? = nil) -> WeightPrecision {
        let form = type.precision(on: self, stored: stored)
        if type == .bf16, form != .bfloat16 { note("\(path) kernels have no bf16 instructions: weights are kept in \(form.rawValue).") }
        return form
    }
}

/// A result, on standard output at once: whoever reads along, or is there when we are stopped, has it.
func say(_ line: Any) {
    print(line)
    fflush(nil)
}

/// Progress and remarks go to standard error; results alone to standard output.
func note(_ text: String) { complain("slm: \(text)") }

func complain(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
