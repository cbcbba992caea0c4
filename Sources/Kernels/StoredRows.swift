package import Files

/// Rows of a weight matrix [O, I] that stay in a mapped file of another program until they are read.
///
///     let rows = StoredRows(in: file, at: range, .q8_0, rows: 0..<896)
///     let weights = QuantizedWeights(rows: [rows], outputs: 896, inputs: 896)
package struct StoredRows {
    package let file: MappedFile
    /// The bytes of the tensor.
    package let range: Range<Int>
    package let format: StoredFormat
    /// Which rows of the matrix these are.
    package let rows: Range<Int>
    /// For each of these rows, the row of the tensor; nil if they are in the same order.
    package var order: [Int32]?
    /// Whether the tensor is [I, rows]: each of its columns is a row of the matrix. Only for plain numbers.
    package var isTransposed = false
    /// The scales of MXFP4 blocks, if they are a tensor of their own; see ``MXFP4Blocks``.
    package var scales: (file: MappedFile, range: Range<Int>)?

    package init(in file: MappedFile, at range: Range<Int>, _ format: StoredFormat, rows: Range<Int>) {
        require(range.lowerBound >= 0 && range.upperBound <= file.count, "\(file.path): bytes \(range) of \(file.count)")
        self.file = file
        self.range = range
        self.format = format
        self.rows = rows
    }

    /// Bytes of a row of I numbers.
    func rowBytes(_ I: Int) -> Int { I / format.blockCount * format.blockSize }

    /// Bytes of a row's blocks in the tensor, without scales that are a tensor of their own.
    private func tensorRowBytes(_ I: Int) -> Int { scales == nil ? rowBytes(I) : I / format.blockCount * MXFP4Blocks.codeBytes }

    /// Bytes of all rows, with their scales.
    package var byteCount: Int { range.count + (scales?.range.count ?? 0) }

    /// Whether there are as many bytes as the rows of I numbers take.
    func hasBytes(inputs I: Int) -> Bool {
        let blocks = rows.count * I / format.blockCount
        guard let scales else { return range.count == blocks * format.blockSize }
        return format == .mxfp4 && !isTransposed && range.count == blocks * MXFP4Blocks.codeBytes && scales.range.count == blocks
    }

    /// Bytes of the copy that ``row(_:inputs:copy:)`` may need.
    func copyBytes(_ I: Int) -> Int { scales == nil ? 0 : rowBytes(I) }

    /// The bytes of a row of I numbers, given by its index in the matrix: in the file, or in a copy if its scales lie elsewhere.
    func row(_ row: Int, inputs I: Int, copy: UnsafeMutableRawPointer?) -> UnsafeRawPointer {
        if scales != nil, let copy {
            join(row, inputs: I, into: copy)
            return UnsafeRawPointer(copy)
        }
        return start(of: file, offset(ofRow: row, inputs: I))
    }

    /// Copies the bytes of a row out of the file.
    func copyRow(_ row: Int, inputs I: Int, into bytes: UnsafeMutableRawBufferPointer) {
        if scales != nil, let target = bytes.baseAddress { return join(row, inputs: I, into: target) }
        file.copy(offset(ofRow: row, inputs: I), into: bytes)
    }

    /// Copies the blocks of a row with their scales.
    private func join(_ row: Int, inputs I: Int, into target: UnsafeMutableRawPointer) {
        guard let scales else { preconditionFailure("the blocks of \(format.name) have their scales") }
        let count = I / format.blockCount, first = scales.range.lowerBound + tensorRow(of: row) * count
        MXFP4Blocks.join(start(of: file, offset(ofRow: row, inputs: I)), start(of: scales.file, first), count: count, into: target)
    }

    private func start(of file: MappedFile, _ offset: Int) -> UnsafeRawPointer {
        guard let start = file.baseAddress else { fatalError("\(file.path): an empty file has no rows") }
        return UnsafeRawPointer(start + offset)
    }

    private func tensorRow(of row: Int) -> Int {
        let own = row - rows.lowerBound
        return order.map { Int($0[own]) } ?? own
    }

    private func offset(ofRow row: Int, inputs I: Int) -> Int { range.lowerBound + tensorRow(of: row) * tensorRowBytes(I) }

    /// The kernel that reads blocks, as f32 or bf16.
    typealias Reader = @convention(c) (Int32, UnsafeRawPointer?, Int, UnsafeMutableRawPointer?, Int32) -> Void

    /// Reads rows of the matrix, which must be among these, into [rows, columns] of a type.
    ///
    /// - Parameter columns: Whole blocks.
    func read(
        _ wanted: Range<Int>, columns: Range<Int>, inputs I: Int, into values: UnsafeMutableRawPointer, as type: DataType,
        with reader: Reader
    ) {
        if isTransposed {
            let C = columns.count
            if type == .float32 {
                readColumns(wanted, columns, as: type, with: reader) { values.assumingMemoryBound(to: Float.self)[$0 * C + $1] = $2 }
            } else {
                readColumns(wanted, columns, as: type, with: reader) { values.assumingMemoryBound(to: UInt16.self)[$0 * C + $1] = $2 }
            }
            return
        }
        let code = Int32(format.rawValue)
        if order == nil && scales == nil && columns.count == I {
            return reader(code, row(wanted.lowerBound, inputs: I, copy: nil), wanted.count * I, values, type.code)
        }
        withUnsafeTemporaryAllocation(byteCount: copyBytes(I), alignment: 16) { copy in
            for (n, index) in wanted.enumerated() {
                let from = row(index, inputs: I, copy: copy.baseAddress) + rowBytes(columns.lowerBound)
                reader(code, from, columns.count, values + n * columns.count * type.size, type.code)
            }
        }
    }

    /// Reads columns of the matrix, each of which is a part of a row of the tensor, and calls `body` with each number.
    private func readColumns<Number: BitwiseCopyable>(
        _ wanted: Range<Int>, _ columns: Range<Int>, as type: DataType, with reader: Reader,
        _ body: (_ row: Int, _ column: Int, Number) -> Void
    ) {
        guard let start = file.baseAddress else { fatalError("\(file.path): an empty file has no rows") }
        let size = format.blockSize, first = wanted.lowerBound - rows.lowerBound
        withUnsafeTemporaryAllocation(of: Number.self, capacity: wanted.count) { part in
            for i in columns {
                reader(
                    Int32(format.rawValue), start + range.lowerBound + (i * rows.count + first) * size, wanted.count,
                    UnsafeMutableRawPointer(part.baseAddress), type.code)
                for n in part.indices { body(n, i - columns.lowerBound, part[n]) }
            }
        }
    }

    /// Returns the pages of some rows to the system, with those around them: they are read from the file again on the next access.
    func releasePages(_ wanted: Range<Int>, inputs I: Int) {
        if isTransposed { return }
        var first = wanted.lowerBound - rows.lowerBound, end = wanted.upperBound - rows.lowerBound
        // Gates and values that alternate in the tensor are far from each other in the matrix.
        if let own = order?[first..<end], let least = own.min(), let most = own.max() { (first, end) = (Int(least), Int(most) + 1) }
        func release(_ file: MappedFile, _ start: Int, rowBytes: Int) {
            file.releasePages(max(0, start + first * rowBytes - 1 << 20)..<min(file.count, start + end * rowBytes))
        }
        release(file, range.lowerBound, rowBytes: tensorRowBytes(I))
        if let scales { release(scales.file, scales.range.lowerBound, rowBytes: I / format.blockCount) }
    }
}
