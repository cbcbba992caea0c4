internal import CKernels
internal import COpenBLAS
import Glibc

/// OpenBLAS, opened when it is asked for. It chooses its kernels while it is loaded and takes CPUs it does not
/// know for Haswell, so it is told its core type first; and it is kept to the calling thread.
final class OpenBLAS: MatmulLibrary {
    private let sgemm: openblas_sgemm
    let version: String

    init(for path: String) throws(ProcessorError) {
        let handle = try SharedLibrary.openBLAS(for: path)
        guard let sgemm = dlsym(handle, "cblas_sgemm"), let configuration = dlsym(handle, "openblas_get_config") else {
            throw .noLibrary(.openblas, because: "libopenblas.so.0 has no cblas_sgemm")
        }
        self.sgemm = unsafeBitCast(sgemm, to: openblas_sgemm.self)
        let text = unsafeBitCast(configuration, to: openblas_configuration.self)()
        version = text.map { String(cString: $0) } ?? "OpenBLAS"
    }

    func multiplies(_ type: DataType) -> Bool { type == .float32 }

    func multiply(_ p: PreparedMatmul, rows: Range<Int>, into c: UnsafeMutablePointer<Float>, stride: Int, adding: Bool) {
        let a = p.a.data.assumingMemoryBound(to: Float.self) + rows.lowerBound * p.a.outer, b = p.b.data.assumingMemoryBound(to: Float.self)
        let aInOrder = p.a.inner == 1, bInOrder = p.b.inner == 1
        // A vector's stride says nothing, but must not be shorter than a row.
        let aStride = aInOrder ? max(p.K, p.a.outer) : max(rows.count, p.a.inner)
        let bStride = bInOrder ? max(p.K, p.b.outer) : max(p.N, p.b.inner)
        sgemm(CblasRowMajor, aInOrder ? CblasNoTrans : CblasTrans, bInOrder ? CblasTrans : CblasNoTrans,
               blasint(rows.count), blasint(p.N), blasint(p.K), 1,
               a, blasint(max(1, aStride)), b, blasint(max(1, bStride)), adding ? 1 : 0, c, blasint(max(p.N, stride)))
    }
}

/// Libraries that are opened by hand.
enum SharedLibrary {
    /// OpenBLAS with the core type that fits our path, unless whoever started us said otherwise.
    static func openBLAS(for path: String) throws(ProcessorError) -> UnsafeMutableRawPointer {
        if path.hasPrefix("avx512") { setenv("OPENBLAS_CORETYPE", "SkylakeX", 0) }
        if path == "avx2" { setenv("OPENBLAS_CORETYPE", "Haswell", 0) }
        let handle = try open("libopenblas.so.0", for: .openblas)
        // Whatever OPENBLAS_NUM_THREADS says: the threads are ours, each calling it.
        if let setThreads = dlsym(handle, "openblas_set_num_threads") { unsafeBitCast(setThreads, to: openblas_set_threads.self)(1) }
        return handle
    }

    static func open(_ name: String, for blas: BLAS) throws(ProcessorError) -> UnsafeMutableRawPointer {
        guard let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
            throw .noLibrary(blas, because: dlerror().map { String(cString: $0) } ?? "\(name) does not open")
        }
        return handle
    }
}
