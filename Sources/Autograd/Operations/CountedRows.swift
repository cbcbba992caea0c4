import Kernels

/// The rows of a head's input whose targets count. The others need no logits.
struct CountedRows {
    let features: Tensor             // [M, C]
    let adapter: HeadAdapter?        // with the same rows
    let targets: Tensor              // [M]; empty with soft targets
    let indices: [Int]               // [M]: where the rows are in x
    /// The rows of x.
    let N: Int

    /// - Parameter x: Contiguous.   [.., C]
    init(of x: Tensor, _ adapter: HeadAdapter?, targets: Tensor, on tape: Tape) {
        let all = targets.ids
        N = all.count
        indices = all.indices.filter { all[$0] >= 0 }
        guard indices.count < N else {
            features = x
            self.adapter = adapter
            self.targets = targets
            return
        }
        let rows = tape.ids(indices.map { Int32($0) }, [indices.count])
        features = tape.selecting(rows, of: x)
        self.adapter = adapter.map { HeadAdapter(low: tape.selecting(rows, of: $0.low), b: $0.b) }
        self.targets = tape.ids(indices.map { all[$0] }, [indices.count])
    }

    /// All rows, for soft targets.
    init(all x: Tensor, on tape: Tape) {
        N = x.shape.rows.0
        features = x
        adapter = nil
        targets = tape.ids([], [0])
        indices = Array(0..<N)
    }

    /// A gradient of these rows. A row of zeros follows the last, for the rows of x without a target.
    func gradientBuffer(width: Int, type: DataType, on tape: Tape) -> Buffer {
        let count = indices.count * width
        guard indices.count < N else { return tape.processor.buffer(of: count, type) }
        let gradient = tape.processor.buffer(of: count + width, type)
        tape.processor.clear(gradient[count..<count + width])
        return gradient
    }

    /// The gradient of all rows of x, which is 0 where a target does not count.
    func scattered(_ gradient: Buffer?, width: Int, on tape: Tape) -> Buffer? {
        guard let gradient, indices.count < N else { return gradient }
        let all = tape.processor.buffer(of: N * width, gradient.type)
        scatter(gradient, width: width, into: all, on: tape)
        return all
    }

    /// Writes the gradient of these rows to that of all rows of x, which is 0 elsewhere.
    func scatter(_ gradient: Buffer, width: Int, into all: Buffer, on tape: Tape) {
        guard indices.count < N else { return tape.processor.copy(gradient, into: all) }
        var sources = [Int32](repeating: Int32(indices.count), count: N)
        for (i, row) in indices.enumerated() { sources[row] = Int32(i) }
        let rows = tape.ids(sources, [N])
        tape.processor.embed(rows.elements, table: gradient, C: width, plus: nil, period: 1, into: all)
    }
}

extension Tape {
    /// Some rows of x, without a derivative.   rows [M], x [.., C]; y [M, C]
    func selecting(_ rows: Tensor, of x: Tensor) -> Tensor {
        let C = x.shape.rows.1
        let y = empty([rows.count, C], x.type)
        processor.embed(rows.elements, table: x.elements, C: C, plus: nil, period: 1, into: y.elements)
        return y
    }
}
