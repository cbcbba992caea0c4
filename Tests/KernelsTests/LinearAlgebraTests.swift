import Kernels
import TestSupport
import Testing

@Suite struct LinearAlgebraTests {
    @Test(arguments: [(0, 0), (3, 0), (1, 1), (1, 5), (17, 17), (33, 17), (17, 33), (130, 65)])
    func `the SVD has descending values and orthonormal factors, and its product is the matrix`(rows: Int, columns: Int) throws {
        let matrix = TestRandom.numbers(rows * columns, seed: 2), count = min(rows, columns)
        let (left, values, right) = try #require(
            LinearAlgebra(for: Processor.instructionSets[0]).singularValueDecomposition(of: matrix, rows: rows, columns: columns))
        #expect(left.count == rows * count && values.count == count && right.count == count * columns)
        #expect(zip(values, values.dropFirst()).allSatisfy { $0 >= $1 } && values.allSatisfy { $0 >= 0 })
        let identity = (0..<count * count).map { $0 / count == $0 % count ? 1.0 : 0 }
        let transposed = { (x: [Float], rows: Int, columns: Int) in (0..<rows * columns).map { x[$0 % rows * columns + $0 / rows] } }
        let leftSquared = referenceMatmul(transposed(left, rows, count), left, M: count, N: count, K: rows)
        expectClose(leftSquared.map { Float($0) }, identity, within: .gradient, "UᵀU")
        let rightSquared = referenceMatmul(right, transposed(right, count, columns), M: count, N: count, K: columns)
        expectClose(rightSquared.map { Float($0) }, identity, within: .gradient, "VVᵀ")
        let scaled = left.indices.map { left[$0] * values[$0 % count] }
        let product = referenceMatmul(scaled, right, M: rows, N: columns, K: count)
        expectClose(product.map { Float($0) }, matrix, within: .gradient, "U·diag(σ)·V")
    }
}
