internal import CLAPACKE
import SharedLibraries

/// Matrix factorization by LAPACK. Matrices are row-major.
package final class LinearAlgebra {
    private let sgesdd: lapacke_sgesdd
    private let spotrf: lapacke_spotrf
    private let strtri: lapacke_strtri

    /// - Parameter instructionSet: Tells OpenBLAS, which LAPACK uses, the type of the CPU; see ``Processor/instructionSet``.
    package init(for instructionSet: String) throws(ProcessorError) {
        _ = try SharedLibrary.openBLAS(for: instructionSet)
        let library = try SharedLibrary.open("liblapacke.so.3", package: "liblapacke", for: .openblas)
        do throws(MissingLibrary) {
            sgesdd = unsafeBitCast(try library.address(of: "LAPACKE_sgesdd"), to: lapacke_sgesdd.self)
            spotrf = unsafeBitCast(try library.address(of: "LAPACKE_spotrf"), to: lapacke_spotrf.self)
            strtri = unsafeBitCast(try library.address(of: "LAPACKE_strtri"), to: lapacke_strtri.self)
        } catch { throw .noLibrary(.openblas, error) }
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

    /// L⁻¹ of a symmetric matrix A = L·Lᵀ [count, count]; nil if A is not positive definite.
    package func inverseOfCholeskyFactor(of matrix: [Float], count: Int) -> [Float]? {
        require(matrix.count == count * count, "Cholesky factor of [\(count), \(count)] from \(matrix.count) elements")
        var matrix = matrix
        // LAPACK is column-major: the upper factor that it writes is the lower one in row-major order.
        let n = Int32(count), upper = CChar(UInt8(ascii: "U"))
        guard spotrf(LAPACK_COL_MAJOR, upper, n, &matrix, n) == 0 else { return nil }
        guard strtri(LAPACK_COL_MAJOR, upper, CChar(UInt8(ascii: "N")), n, &matrix, n) == 0 else { return nil }
        return matrix
    }
}
