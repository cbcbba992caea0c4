internal import CLAPACKE
import Glibc

/// Matrix factorization by LAPACK. Matrices are row-major.
package final class LinearAlgebra {
    private let sgesdd: lapacke_sgesdd

    /// - Parameter instructionSet: Tells OpenBLAS, which LAPACK uses, the type of the CPU; see ``Processor/instructionSet``.
    package init(for instructionSet: String) throws(ProcessorError) {
        _ = try SharedLibrary.openBLAS(for: instructionSet)
        let handle = try SharedLibrary.open("liblapacke.so.3", for: .openblas)
        guard let gesdd = dlsym(handle, "LAPACKE_sgesdd") else {
            throw .noLibrary(.openblas, because: "liblapacke.so.3 has no LAPACKE_sgesdd")
        }
        sgesdd = unsafeBitCast(gesdd, to: lapacke_sgesdd.self)
    }

    /// The singular value decomposition A = left·diag(values)·right with K = min(rows, columns). nil if A is not finite.
    ///
    /// - Returns: left [rows, K]; values [K], in descending order; right [K, columns].
    package func singularValueDecomposition(
        of matrix: [Float], rows: Int, columns: Int
    ) -> (left: [Float], values: [Float], right: [Float])? {
        require(matrix.count == rows * columns, "SVD of [\(rows), \(columns)] from \(matrix.count) elements")
        let count = min(rows, columns)
        if count == 0 { return ([], [], []) }
        guard matrix.allSatisfy(\.isFinite) else { return nil }
        var matrix = matrix
        var values = [Float](repeating: 0, count: count)
        var left = [Float](repeating: 0, count: rows * count)
        var right = [Float](repeating: 0, count: count * columns)
        // LAPACK is column-major and thus sees Aᵀ = rightᵀ·diag(values)·leftᵀ, whose factors are left and right in row-major order.
        let m = Int32(columns)
        let n = Int32(rows)
        let k = Int32(count)
        let status = sgesdd(LAPACK_COL_MAJOR, CChar(UInt8(ascii: "S")), m, n, &matrix, m, &values, &right, m, &left, k)
        require(status >= 0, "LAPACKE_sgesdd rejected argument \(-status)")
        return status == 0 ? (left, values, right) : nil
    }
}
