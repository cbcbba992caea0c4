internal import CKernels

/// What multiplies large matrices.
package enum BLAS: String, Sendable, CaseIterable {
    /// Our own kernels: on the machines we measured the fastest, and the only ones with everything fused.
    case slm
    case onednn
    case openblas

    func open(for path: String, pool: WorkerPool) throws(ProcessorError) -> (any MatmulLibrary)? {
        switch self {
        case .slm: nil
        case .onednn: try OneDNN(pool: pool)
        case .openblas: try OpenBLAS(for: path)
        }
    }
}

/// A library that multiplies on the calling thread: each thread of our pool has it compute a slice of the rows.
protocol MatmulLibrary: AnyObject {
    var version: String { get }
    func multiplies(_ type: DataType) -> Bool
    func multiply(_ p: PreparedMatmul, rows: Range<Int>, into c: UnsafeMutablePointer<Float>, stride: Int, adding: Bool)
}

/// A product whose operands the library can read as they are.
struct PreparedMatmul {
    let M, N, K: Int
    let type: DataType
    let a, b: slm_operand
    /// Keeps what had to be converted alive.
    private let copies: [Buffer]

    fileprivate init(_ p: slm_product, on processor: Processor) {
        M = p.M
        N = p.N
        K = p.K
        let type: DataType = p.product == 0 ? .float32 : .bfloat16
        var copies: [Buffer] = []
        func readable(_ operand: slm_operand, rows: Int, columns: Int) -> slm_operand {
            var operand = operand
            // Of a single row or column one stride is never used, but OpenBLAS refuses, in silence, what is less than the other side.
            if rows == 1 { operand.outer = operand.inner == 1 ? columns : 1 }
            if columns == 1 { operand.inner = operand.outer == 1 ? rows : 1 }
            let isReadable = (operand.inner == 1 && operand.outer >= columns) || (operand.outer == 1 && operand.inner >= rows)
            if operand.type == type.code, isReadable { return operand }
            let copy = processor.buffer(of: rows * columns, type)
            copies.append(copy)
            let shape = [1, 1, rows, columns], from = [0, 0, operand.outer, operand.inner], to = [0, 0, columns, 1]
            processor.table.copy(shape, operand.data, operand.type, from, copy.pointer, type.code, to, 1, false)
            return slm_operand(data: copy.pointer, type: type.code, outer: columns, inner: 1)
        }
        a = readable(p.a, rows: p.M, columns: p.K)
        b = readable(p.b, rows: p.N, columns: p.K)
        self.copies = copies
        self.type = type
    }
}

extension MatmulLibrary {
    func prepare(_ p: slm_product, on processor: Processor) -> PreparedMatmul { PreparedMatmul(p, on: processor) }
}

extension Processor {
    /// Name and version of the library that multiplies, if it is not ours.
    package var libraryVersion: String? { library?.version }
}
