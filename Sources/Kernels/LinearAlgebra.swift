internal import CLAPACKE
import Glibc

/// Factorisations, by LAPACK. Matrices are row-major.
package final class LinearAlgebra {
    private let sgeqrf: lapacke_sgeqrf, sorgqr: lapacke_sorgqr, sgesdd: lapacke_sgesdd

    /// `path` tells OpenBLAS, on which LAPACK stands, what CPU it is on: see ``Processor/path``.
    package init(for path: String) throws(ProcessorError) {
        _ = try SharedLibrary.openBLAS(for: path)
        let handle = try SharedLibrary.open("liblapacke.so.3", for: .openblas)
        guard let geqrf = dlsym(handle, "LAPACKE_sgeqrf"), let orgqr = dlsym(handle, "LAPACKE_sorgqr"),
              let gesdd = dlsym(handle, "LAPACKE_sgesdd") else {
            throw .noLibrary(.openblas, because: "liblapacke.so.3 lacks its QR or its singular value factorisation")
        }
        sgeqrf = unsafeBitCast(geqrf, to: lapacke_sgeqrf.self)
        sorgqr = unsafeBitCast(orgqr, to: lapacke_sorgqr.self)
        sgesdd = unsafeBitCast(gesdd, to: lapacke_sgesdd.self)
    }

    /// Makes the columns of a tall matrix [rows, columns], rows ≥ columns, orthonormal: the Q of its QR factorisation, with the
    /// signs that make R's diagonal positive, so that a random matrix gives an evenly distributed Q (Mezzadri 2007).
    package func orthonormalize(_ matrix: inout [Float], rows: Int, columns: Int) {
        require(rows >= columns && matrix.count == rows * columns, "QR of [\(rows), \(columns)] in \(matrix.count) numbers")
        if columns == 0 { return }
        var tau = [Float](repeating: 0, count: columns)
        let layout = LAPACK_ROW_MAJOR, width = Int32(columns)
        var status = sgeqrf(layout, Int32(rows), width, &matrix, width, &tau)
        let signs = (0..<columns).map { matrix[$0 * columns + $0] < 0 ? Float(-1) : 1 }
        if status == 0 { status = sorgqr(layout, Int32(rows), width, width, &matrix, width, tau) }
        require(status == 0, "LAPACK's QR refused argument \(-status)")
        for i in matrix.indices { matrix[i] *= signs[i % columns] }
    }

    /// A = left·diag(values)·right, the values falling: left [rows, K], right [K, columns], K = min(rows, columns). nil where A is not
    /// finite.
    package func singularValues(of matrix: [Float], rows: Int, columns: Int) -> (left: [Float], values: [Float], right: [Float])? {
        require(matrix.count == rows * columns, "singular values of [\(rows), \(columns)] in \(matrix.count) numbers")
        let count = min(rows, columns)
        if count == 0 { return ([], [], []) }
        guard matrix.allSatisfy(\.isFinite) else { return nil }
        var matrix = matrix
        var values = [Float](repeating: 0, count: count)
        var left = [Float](repeating: 0, count: rows * count)
        var right = [Float](repeating: 0, count: count * columns)
        // LAPACK counts in columns, and so sees Aᵀ = rightᵀ·diag(values)·leftᵀ, each already as we want it.
        let m = Int32(columns)
        let n = Int32(rows)
        let k = Int32(count)
        let status = sgesdd(LAPACK_COL_MAJOR, CChar(UInt8(ascii: "S")), m, n, &matrix, m, &values, &right, m, &left, k)
        require(status >= 0, "LAPACK's singular values refused argument \(-status)")
        return status == 0 ? (left, values, right) : nil
    }
}
