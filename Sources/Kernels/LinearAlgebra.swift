internal import CLAPACKE
import Glibc

/// Factorisations, by LAPACK. Matrices are row-major.
package final class LinearAlgebra {
    private let sgeqrf: lapacke_sgeqrf, sorgqr: lapacke_sorgqr

    /// `path` tells OpenBLAS, on which LAPACK stands, what CPU it is on: see ``Processor/path``.
    package init(for path: String) throws(ProcessorError) {
        _ = try SharedLibrary.openBLAS(for: path)
        let handle = try SharedLibrary.open("liblapacke.so.3", for: .openblas)
        guard let geqrf = dlsym(handle, "LAPACKE_sgeqrf"), let orgqr = dlsym(handle, "LAPACKE_sorgqr") else {
            throw .noLibrary(.openblas, because: "liblapacke.so.3 lacks its QR factorisation")
        }
        (sgeqrf, sorgqr) = (unsafeBitCast(geqrf, to: lapacke_sgeqrf.self), unsafeBitCast(orgqr, to: lapacke_sorgqr.self))
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
}
