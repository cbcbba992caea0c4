import Kernels
import TestSupport
import Testing

@Suite struct `Linear algebra` {
    @Test(arguments: [(0, 0), (3, 0), (1, 1), (3, 1), (17, 17), (33, 17), (130, 65)])
    func `orthonormal columns have a product of 1 with themselves, and span what was given`(rows: Int, columns: Int) throws {
        let given = TestRandom.numbers(rows * columns, seed: 1)
        var q = given
        try LinearAlgebra(for: Processor.instructionSets[0]).orthonormalize(&q, rows: rows, columns: columns)
        let across = (0..<rows * columns).map { q[$0 % max(rows, 1) * columns + $0 / max(rows, 1)] }
        let square = plainProduct(across, q, M: columns, N: columns, K: rows)
        expectClose(square.map(Float.init), (0..<columns * columns).map { $0 / columns == $0 % columns ? 1.0 : 0 }, within: .forward, "QᵀQ")
        // R = Qᵀ·A is upper triangular with a positive diagonal.
        let r = plainProduct(across, given, M: columns, N: columns, K: rows)
        for i in 0..<columns { #expect(r[i * columns + i] > 0) }
        let below = r.indices.map { $0 % columns < $0 / columns ? Float(r[$0]) : 0 }
        expectClose(below, below.map { _ in 0.0 }, within: .forward, terms: r.map(abs).max() ?? 0, "R below its diagonal")
    }

    @Test(arguments: [(0, 0), (3, 0), (1, 1), (1, 5), (17, 17), (33, 17), (17, 33), (130, 65)])
    func `singular values fall, between columns and rows at right angles, and give the matrix back`(rows: Int, columns: Int) throws {
        let given = TestRandom.numbers(rows * columns, seed: 2), count = min(rows, columns)
        let (left, values, right) = try #require(
            LinearAlgebra(for: Processor.instructionSets[0]).singularValues(of: given, rows: rows, columns: columns))
        #expect(left.count == rows * count && values.count == count && right.count == count * columns)
        #expect(zip(values, values.dropFirst()).allSatisfy { $0 >= $1 } && values.allSatisfy { $0 >= 0 })
        let one = (0..<count * count).map { $0 / count == $0 % count ? 1.0 : 0 }
        let across = { (x: [Float], rows: Int, columns: Int) in (0..<rows * columns).map { x[$0 % rows * columns + $0 / rows] } }
        expectClose(
            plainProduct(across(left, rows, count), left, M: count, N: count, K: rows).map { Float($0) }, one, within: .gradient, "UᵀU")
        expectClose(
            plainProduct(right, across(right, count, columns), M: count, N: count, K: columns).map { Float($0) }, one, within: .gradient,
            "VVᵀ")
        let scaled = left.indices.map { left[$0] * values[$0 % count] }
        expectClose(plainProduct(scaled, right, M: rows, N: columns, K: count).map { Float($0) }, given, within: .gradient, "U·diag(σ)·V")
    }
}
