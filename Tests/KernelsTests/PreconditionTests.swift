import Kernels
import Testing

/// Invalid arguments, which would access memory out of bounds.
@Suite struct PreconditionTests {
    enum InvalidCall: String, CaseIterable, Codable, Sendable {
        case matmul, result, plus, bias, precision, matrix, buffer, type, strides, attention, attentionGradient, norm, maximum, adamW

        var message: String {
            switch self {
            case .matmul: "matmul: [2, 3]·[2, 3] does not give [2, 3]"
            case .result: "matmul: the rows of the result must be contiguous"
            case .plus: "matmul: 6 elements to add to [2, 3]"
            case .bias: "matmul: 2 biases for 3 columns"
            case .precision: "test: plain kernels do not support bf16 matmul"
            case .matrix: "matrix [3, 3] with strides 3, 1 exceeds its buffer of 6 elements"
            case .buffer: "elements 4..<7 exceed a buffer of 6"
            case .type: "expected f32, found bf16"
            case .strides: "[1, 1, 2, 3] with strides [0, 0, 4, 1] exceeds a buffer of 6 elements"
            case .attention: "causalAttention: [1, 2, 1·2] with stride 6 exceeds buffers of 6, 6, 6"
            case .attentionGradient:
                "causalAttention: gradients of [1, 2, 1·1] with stride 3 exceed dq, dk, dv of 4, 4, 4, y and dy of 2, 2 or 1 sums"
            case .norm: "norm: [2, 3] from 6 elements with 2 scales"
            case .maximum: "max: an axis of length 0"
            case .adamW: "AdamW: 6 weights with 2 gradients"
            }
        }

        func make() throws {
            let p = try Processor(threads: 1, instructionSet: "plain")
            let six = p.zeros(6), two = p.zeros(2), a = Matrix(six, rows: 2, columns: 3), square = Matrix(p.zeros(9), rows: 3, columns: 3)
            var valid = Matmul(of: a, square, into: Matrix(p.zeros(8), rows: 2, columns: 3, rowStride: 4))
            switch self {
            case .matmul: _ = Matmul(of: a, a, into: a)
            case .result: _ = Matmul(of: a, square, into: Matrix(six, rows: 2, columns: 3, rowStride: 1, columnStride: 2))
            case .plus:
                valid.plus = six
                p.run(valid, as: "test")
            case .bias:
                valid.bias = two
                p.run(valid, as: "test")
            case .precision:
                valid.precision = .bfloat16
                p.run(valid, as: "test")
            case .matrix: _ = Matrix(six, rows: 3, columns: 3)
            case .buffer: _ = six[4..<7]
            case .type: p.zeros(2, .bfloat16).read { _ in }
            case .strides: p.copy(shape: [1, 1, 2, 3], six, strides: [0, 0, 4, 1], into: six, strides: [0, 0, 3, 1])
            case .attention: _ = Attention(q: six, k: six, v: six, B: 1, T: 2, heads: .init(1, width: 2), stride: 6, on: p)
            case .attentionGradient:
                let a = Attention(q: six, k: six, v: six, B: 1, T: 2, heads: .init(1, width: 1), stride: 3, on: p), four = p.zeros(4)
                p.attentionGradient(a, y: two, logSums: two, dy: two, dq: four, dk: four, dv: four)        // each exactly large enough
                p.attentionGradient(a, y: two, logSums: p.zeros(1), dy: two, dq: four, dk: four, dv: four)
            case .norm: p.norm(six, N: 2, C: 3, scale: two, shift: nil, into: six, mean: nil, rstd: two, epsilon: 0)
            case .maximum: p.maximum(six, outer: 1, R: 0, inner: 1, into: two, at: p.ids([0]))
            case .adamW:
                let step = AdamWStep(rate: 1, beta1: 0, beta2: 0, epsilon: 0, decay: 0, number: 1)
                p.adamW(step, weights: six, gradients: two, first: six, second: six)
            }
        }
    }

    @Test(arguments: InvalidCall.allCases)
    func `invalid arguments stop the program with a message`(call: InvalidCall) async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [call] in
            try call.make()
        }
        let output = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(output.contains(call.message), "\(call.rawValue): \(output.prefix(200))")
    }
}
