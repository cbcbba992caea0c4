internal import CKernels
internal import COpenBLAS
import Glibc
import SharedLibraries

/// OpenBLAS, loaded on demand. It runs on the calling thread.
///
/// OpenBLAS chooses its kernels when it is loaded and treats unknown CPUs as Haswell, so the core type is set before.
final class OpenBLAS: MatmulLibrary {
    private let sgemm: openblas_sgemm
    let version: String

    init(for instructionSet: String) throws(ProcessorError) {
        let library = try SharedLibrary.openBLAS(for: instructionSet)
        let configuration: UnsafeMutableRawPointer
        do throws(MissingLibrary) {
            sgemm = unsafeBitCast(try library.address(of: "cblas_sgemm"), to: openblas_sgemm.self)
            configuration = try library.address(of: "openblas_get_config")
        } catch { throw .noLibrary(.openblas, error) }
        let text = unsafeBitCast(configuration, to: openblas_configuration.self)()
        version = text.map { String(cString: $0) } ?? "OpenBLAS"
    }

    func supports(_ type: DataType) -> Bool { type == .float32 }

    func multiply(_ p: MatmulOperands, rows: Range<Int>, into c: UnsafeMutablePointer<Float>, stride: Int, adding: Bool) {
        let a = p.a.data.assumingMemoryBound(to: Float.self) + rows.lowerBound * p.a.outer, b = p.b.data.assumingMemoryBound(to: Float.self)
        let aIsRowMajor = p.a.inner == 1, bIsColumnMajor = p.b.inner == 1
        // The stride of a single row or column is not used, but OpenBLAS requires it to be at least a row long.
        let aStride = aIsRowMajor ? max(p.K, p.a.outer) : max(rows.count, p.a.inner)
        let bStride = bIsColumnMajor ? max(p.K, p.b.outer) : max(p.N, p.b.inner)
        sgemm(CblasRowMajor, aIsRowMajor ? CblasNoTrans : CblasTrans, bIsColumnMajor ? CblasTrans : CblasNoTrans,
               blasint(rows.count), blasint(p.N), blasint(p.K), 1,
               a, blasint(max(1, aStride)), b, blasint(max(1, bStride)), adding ? 1 : 0, c, blasint(max(p.N, stride)))
    }
}

extension SharedLibrary {
    /// OpenBLAS with the core type of an instruction set, unless OPENBLAS_CORETYPE is already set.
    static func openBLAS(for instructionSet: String) throws(ProcessorError) -> SharedLibrary {
        if instructionSet.hasPrefix("avx512") { setenv("OPENBLAS_CORETYPE", "SkylakeX", 0) }
        if instructionSet.hasPrefix("avx2") { setenv("OPENBLAS_CORETYPE", "Haswell", 0) }
        let library = try open("libopenblas.so.0", package: "libopenblas0-pthread", for: .openblas)
        // Overrides OPENBLAS_NUM_THREADS: every thread of the worker pool calls OpenBLAS.
        if let setThreads = try? library.address(of: "openblas_set_num_threads") {
            unsafeBitCast(setThreads, to: openblas_set_threads.self)(1)
        }
        return library
    }

    static func open(_ name: String, package: String, for blas: BLAS) throws(ProcessorError) -> SharedLibrary {
        do { return try SharedLibrary(name, package: package) } catch { throw .noLibrary(blas, error) }
    }
}
