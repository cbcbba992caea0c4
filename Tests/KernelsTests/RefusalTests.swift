import Kernels
import Testing

/// What the floor refuses because it would write or read where it must not.
@Suite struct Refusals {
    enum Mistake: String, CaseIterable, Codable, Sendable {
        case product, result, plus, bias, precision, matrix, buffer, type, strides, attention, norm, maximum, adamW

        var sentence: String {
            switch self {
            case .product: "product: [2, 3]·[2, 3] does not give [2, 3]"
            case .result: "product: the result must have its rows contiguous"
            case .plus: "product: 6 numbers to add to [2, 3]"
            case .bias: "product: 2 biases for 3 columns"
            case .precision: "test: bf16 products on plain kernels, which have none"
            case .matrix: "a matrix [3, 3] with strides 3, 1 leaves its buffer of 6"
            case .buffer: "elements 4..<7 of a buffer of 6"
            case .type: "expected f32, found bf16"
            case .strides: "[1, 1, 2, 3] with strides [0, 0, 4, 1] leaves a buffer of 6"
            case .attention: "causalAttention: [1, 2, 1·2] with stride 6 leaves buffers of 6, 6, 6"
            case .norm: "norm: [2, 3] from 6 numbers with 2 scales"
            case .maximum: "max: of nothing"
            case .adamW: "AdamW: 6 weights with 2 gradients"
            }
        }

        func make() throws {
            let p = try Processor(threads: 1, instructionSet: "plain")
            let six = p.zeros(6), two = p.zeros(2), a = Matrix(six, rows: 2, columns: 3), square = Matrix(p.zeros(9), rows: 3, columns: 3)
            var good = Matmul(of: a, square, into: Matrix(p.zeros(8), rows: 2, columns: 3, rowStride: 4))
            switch self {
            case .product: _ = Matmul(of: a, a, into: a)
            case .result: _ = Matmul(of: a, square, into: Matrix(six, rows: 2, columns: 3, rowStride: 1, columnStride: 2))
            case .plus:
                good.plus = six
                p.multiply(good, as: "test")
            case .bias:
                good.bias = two
                p.multiply(good, as: "test")
            case .precision:
                good.precision = .bfloat16
                p.multiply(good, as: "test")
            case .matrix: _ = Matrix(six, rows: 3, columns: 3)
            case .buffer: _ = six[4..<7]
            case .type: p.zeros(2, .bfloat16).read { _ in }
            case .strides: p.copy(shape: [1, 1, 2, 3], six, strides: [0, 0, 4, 1], into: six, strides: [0, 0, 3, 1])
            case .attention: _ = Attention(q: six, k: six, v: six, B: 1, T: 2, H: 1, D: 2, stride: 6)
            case .norm: p.norm(six, N: 2, C: 3, scale: two, shift: nil, into: six, mean: nil, rstd: two, epsilon: 0)
            case .maximum: p.maximum(six, outer: 1, R: 0, inner: 1, into: two, at: p.ids([0]))
            case .adamW:
                let step = AdamWStep(rate: 1, beta1: 0, beta2: 0, epsilon: 0, decay: 0, number: 1)
                p.adamW(step, weights: six, gradients: two, first: six, second: six)
            }
        }
    }

    @Test(arguments: Mistake.allCases)
    func `say what was expected and what came`(mistake: Mistake) async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [mistake] in
            try mistake.make()
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains(mistake.sentence), "\(mistake.rawValue): \(said.prefix(200))")
    }
}
