import Kernels
import TestSupport
import Testing

/// A way to compute: every test of a kernel runs on each that this CPU has.
struct Machine: Sendable, CustomTestStringConvertible {
    let path: String
    let threads: Int
    var blas: BLAS?

    var testDescription: String { "\(path), \(threads) threads" + (blas.map { ", \($0.rawValue)" } ?? "") }

    func processor() throws -> Processor { try Processor(threads: threads, path: path, blas: blas) }

    static let all: [Machine] = Processor.paths.flatMap { (path: String) -> [Machine] in [1, 2, 3].map { Machine(path: path, threads: $0) } }
    static let libraries: [Machine] = [BLAS.onednn, .openblas].flatMap { (blas: BLAS) -> [Machine] in
        [1, 2, 3].map { Machine(path: Processor.paths[0], threads: $0, blas: blas) }
    }
}

extension Processor {
    /// These numbers, rounded where the type asks for it.
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

/// |found − wanted| ≤ (absolute + relative·|wanted|)·scale
struct Near {
    var absolute: Double, relative: Double

    /// One operation in f32 with sums of numbers near 1.
    static let float32 = Near(absolute: 2e-6, relative: 1e-5)
    /// A result that is rounded to bf16's 8 bits, or was made of such.
    static let bfloat16 = Near(absolute: 1e-2, relative: 1e-2)
    /// What no rounding excuses.
    static let exact = Near(absolute: 0, relative: 0)
}

/// Every number is where plain arithmetic in f64 has it; NaN and infinities too.
func expectNear(_ found: [Float], _ wanted: [Double], within near: Near, scale: Double = 1, _ what: @autoclosure () -> String = "",
                sourceLocation: SourceLocation = #_sourceLocation) {
    guard found.count == wanted.count else {
        Issue.record("\(what()): \(found.count) numbers, expected \(wanted.count)", sourceLocation: sourceLocation)
        return
    }
    let wrong = found.indices.filter { i in
        let (a, b) = (Double(found[i]), wanted[i])
        return a.isNaN || b.isNaN ? a.isNaN != b.isNaN : a != b && !(abs(a - b) <= (near.absolute + near.relative * abs(b)) * scale)
    }
    if let i = wrong.first {
        Issue.record("\(what()): \(wrong.count) of \(found.count) are off; number \(i) is \(found[i]), expected \(wanted[i])",
                     sourceLocation: sourceLocation)
    }
}

/// bf16 by the book: the nearest, ties to even, NaN stays NaN.
func rounded(_ x: Float) -> Float {
    if x.isNaN { return .nan }
    let low = x.bitPattern & 0xFFFF, high = x.bitPattern >> 16
    let up = low > 0x8000 || (low == 0x8000 && high & 1 == 1)
    return Float(bitPattern: (up ? high + 1 : high) << 16)
}
