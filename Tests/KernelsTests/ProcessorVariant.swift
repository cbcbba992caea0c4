import Kernels
import TestSupport
import Testing

/// An instruction set, a number of threads and a BLAS: kernel tests run on all variants that this CPU supports.
struct ProcessorVariant: Sendable, CustomTestStringConvertible {
    let instructionSet: String
    let threads: Int
    var blas: BLAS?
    /// The type of matmuls.
    var precision = DataType.float32
    /// Whether a Vulkan device computes.
    var usesGPU = false

    var testDescription: String {
        "\(instructionSet), \(threads) threads" + (blas.map { ", \($0.rawValue)" } ?? "") + (precision == .float32 ? "" : ", bf16")
            + (usesGPU ? ", vulkan" : "")
    }

    func processor() throws -> Processor {
        if blas == nil, !usesGPU { KernelPaths.record(instructionSet, precision) }
        return try Processor(
            threads: threads, cores: threads, instructionSet: instructionSet, blas: blas, gpu: usesGPU ? TestGPU.open() : nil)
    }

    static let all: [ProcessorVariant] = Processor.instructionSets.flatMap { (instructionSet: String) -> [ProcessorVariant] in
        [1, 2, 3].map { ProcessorVariant(instructionSet: instructionSet, threads: $0) }
    }
    /// All, and a Vulkan device: for operations that have shaders.
    static let devices = all + (TestGPU.device == nil ? [] : [
        ProcessorVariant(instructionSet: Processor.instructionSets[0], threads: 2, usesGPU: true)
    ])
    static let libraries: [ProcessorVariant] = [BLAS.onednn, .openblas].flatMap { (blas: BLAS) -> [ProcessorVariant] in
        [1, 2, 3].map { ProcessorVariant(instructionSet: Processor.instructionSets[0], threads: $0, blas: blas) }
    }
    /// Those of `variants` with bf16 matmul, in bf16. A test of them is skipped, and says so, if there are none: `.needsBFloat16`.
    static func bfloat16(of variants: [ProcessorVariant]) -> [ProcessorVariant] {
        variants.filter { KernelVariant.bfloat16InstructionSets.contains($0.instructionSet) }.map {
            ProcessorVariant(instructionSet: $0.instructionSet, threads: $0.threads, blas: $0.blas, precision: .bfloat16)
        }
    }
}

extension Processor {
    /// A buffer of these numbers, rounded to bf16 if that is the type.
    func buffer(_ values: [Float], _ type: DataType = .float32) -> Buffer {
        let exact = buffer(of: values.count, .float32)
        exact.write { span in for i in span.indices { span[i] = values[i] } }
        return type == .float32 ? exact : converted(exact, to: type)
    }

    func ids(_ values: [Int32]) -> Buffer {
        let result = buffer(of: values.count, .int32)
        result.writeIDs { span in for i in span.indices { span[i] = values[i] } }
        return result
    }

    func floats(_ buffer: Buffer) -> [Float] {
        (buffer.type == .float32 ? buffer : converted(buffer, to: .float32)).read { span in span.indices.map { span[$0] } }
    }

    private func converted(_ x: Buffer, to type: DataType) -> Buffer {
        let result = buffer(of: x.count, type)
        copy(shape: [1, 1, 1, x.count], x, strides: [0, 0, 0, 1], into: result, strides: [0, 0, 0, 1])
        return result
    }
}

extension Buffer {
    var integers: [Int32] { readIDs { span in span.indices.map { span[$0] } } }
}

/// The nearest bf16, ties to even; NaN stays NaN.
func rounded(_ x: Float) -> Float {
    if x.isNaN { return .nan }
    let low = x.bitPattern & 0xFFFF, high = x.bitPattern >> 16
    let up = low > 0x8000 || (low == 0x8000 && high & 1 == 1)
    return Float(bitPattern: (up ? high + 1 : high) << 16)
}
