import Kernels

/// A tensor of another format that makes up some rows of a parameter.
struct TensorPart {
    var name: String
    /// In the file; without the first dimension of a tensor that stacks the matrices of experts.
    var shape: [Int]
    /// Which of the matrices that a tensor stacks this is; nil if it is the whole tensor.
    var slice: (index: Int, count: Int)?
    /// The rows of the parameter. A parameter with one dimension has rows of one number.
    let rows: Range<Int>
    /// nil if the rows have the same order in the file.
    var order: RowOrder?
    var isTransposed = false
    /// What the parameter's numbers have more than the file's.
    var offset: Float = 0

    var count: Int { shape.reduce(1, *) }
    /// The shape of the whole tensor.
    var tensorShape: [Int] { (slice.map { [$0.count] } ?? []) + shape }
    /// Whether no other part of the same tensor follows, or precedes.
    var isLast: Bool { slice.map { $0.index == $0.count - 1 } ?? true }
    var isFirst: Bool { slice.map { $0.index == 0 } ?? true }

    /// Numbers to convert at once: whole rows of the file, about 64 KB.
    var step: Int {
        guard shape.count > 1, let row = shape.last, row > 0 else { return max(1, count) }
        return max(1, 16_384 / row) * row
    }

    /// Fills the rows of a parameter with the tensor's numbers.
    ///
    /// - Parameter read: Reads the tensor's numbers in a range into a span of as many.
    func copy(into parameter: Buffer, columns: Int, _ read: (Range<Int>, inout MutableSpan<Float>) -> Void) {
        let target = parameter[rows.lowerBound * columns..<rows.upperBound * columns]
        if order == nil, !isTransposed, offset == 0 { return target.write { read(0..<count, &$0) } }
        for first in stride(from: 0, to: count, by: step) {
            let range = first..<min(first + step, count)
            var numbers = [Float](repeating: 0, count: range.count)
            var span = numbers.mutableSpan
            read(range, &span)
            target.write { target in
                forEachIndex(in: range, columns: columns) { target[$1] = offset == 0 ? numbers[$0] : numbers[$0] + offset }
            }
        }
    }

    /// The tensor's numbers in a range, from the parameter that it is part of.
    func numbers(_ range: Range<Int>, of parameter: Buffer, columns: Int) -> [Float] {
        var numbers = [Float](repeating: 0, count: range.count)
        parameter[rows.lowerBound * columns..<rows.upperBound * columns].read { source in
            forEachIndex(in: range, columns: columns) { numbers[$0] = offset == 0 ? source[$1] : source[$1] - offset }
        }
        return numbers
    }

    /// Calls `body` with each index within the range of the tensor, and the index in the part of the parameter.
    @inline(__always)
    private func forEachIndex(in range: Range<Int>, columns: Int, _ body: (Int, Int) -> Void) {
        if isTransposed {
            // The file has `columns` rows of `rows.count` numbers: a row is a column of the parameter.
            let first = range.lowerBound / rows.count, end = range.upperBound / rows.count
            for own in 0..<rows.count {
                let target = order?[own] ?? own
                for row in first..<end { body((row - first) * rows.count + own, target * columns + row) }
            }
        } else {
            for row in range.lowerBound / columns..<range.upperBound / columns {
                let own = order?[row] ?? row, start = row * columns - range.lowerBound
                for column in 0..<columns { body(start + column, own * columns + column) }
            }
        }
    }
}

/// For each row of a tensor in a file, that of the part of a parameter. A row is computed when it is asked for, because the sizes in a
/// damaged file are checked against its tensors only after their layout is known.
struct RowOrder {
    let count: Int
    private let row: (Int) -> Int

    init(count: Int, _ row: @escaping (Int) -> Int) {
        self.count = count
        self.row = row
    }

    subscript(_ index: Int) -> Int { row(index) }
}
