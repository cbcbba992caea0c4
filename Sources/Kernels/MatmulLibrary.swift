internal import CKernels

/// The implementation of matmul.
package enum BLAS: String, Sendable, CaseIterable {
    /// slm's own kernels: the fastest on the machines that we measured, and the only ones that fuse all operations.
    case slm
    case onednn
    case openblas

    func open(for instructionSet: String, pool: WorkerPool) throws(ProcessorError) -> (any MatmulLibrary)? {
        switch self {
        case .slm: nil
        case .onednn: try OneDNN(pool: pool)
        case .openblas: try OpenBLAS(for: instructionSet)
        }
    }
}

/// A matmul library that runs on the calling thread. Each thread of the worker pool calls it for a slice of the rows.
protocol MatmulLibrary: AnyObject {
    var version: String { get }
    func supports(_ type: DataType) -> Bool
    func multiply(_ p: MatmulOperands, rows: Range<Int>, into c: UnsafeMutablePointer<Float>, stride: Int, adding: Bool)
}

/// The operands of a matmul in a type and layout that a ``MatmulLibrary`` can read.
struct MatmulOperands {
    let M, N, K: Int
    let type: DataType
    let a, b: slm_operand
    /// Keeps converted operands alive.
    private let copies: [Buffer]

    init(_ p: slm_matmul, on processor: Processor) {
        M = p.M
        N = p.N
        K = p.K
        let type: DataType = p.precision == DataType.float32.code ? .float32 : .bfloat16
        var copies: [Buffer] = []
        func readable(_ operand: slm_operand, rows: Int, columns: Int) -> slm_operand {
            var operand = operand
            // One stride of a single row or column is never used, but OpenBLAS silently fails if it is less than the other dimension.
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

extension Processor {
    /// Name and version of the matmul library; nil with slm's own kernels.
    package var libraryVersion: String? { library?.version }
}
