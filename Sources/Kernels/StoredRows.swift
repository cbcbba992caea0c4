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

    package init(in file: MappedFile, at range: Range<Int>, _ format: StoredFormat, rows: Range<Int>) {
        require(range.lowerBound >= 0 && range.upperBound <= file.count, "\(file.path): bytes \(range) of \(file.count)")
        self.file = file
        self.range = range
        self.format = format
        self.rows = rows
    }

    /// Bytes of a row of I numbers.
    func rowBytes(_ I: Int) -> Int { I / format.blockCount * format.blockSize }

    /// The bytes of a row of I numbers, given by its index in the matrix.
    func row(_ row: Int, inputs I: Int) -> UnsafeRawPointer {
        guard let start = file.baseAddress else { fatalError("\(file.path): an empty file has no rows") }
        return UnsafeRawPointer(start + offset(ofRow: row, inputs: I))
    }

    /// Copies the bytes of a row out of the file.
    func copyRow(_ row: Int, inputs I: Int, into bytes: UnsafeMutableRawBufferPointer) {
        file.copy(offset(ofRow: row, inputs: I), into: bytes)
    }

    private func offset(ofRow row: Int, inputs I: Int) -> Int {
        let own = row - rows.lowerBound
        return range.lowerBound + (order.map { Int($0[own]) } ?? own) * rowBytes(I)
    }

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
        if order == nil && columns.count == I {
            return reader(code, row(wanted.lowerBound, inputs: I), wanted.count * I, values, type.code)
        }
        for (n, index) in wanted.enumerated() {
            let from = row(index, inputs: I) + rowBytes(columns.lowerBound)
            reader(code, from, columns.count, values + n * columns.count * type.size, type.code)
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
        let first = (wanted.lowerBound - rows.lowerBound) * rowBytes(I), end = (wanted.upperBound - rows.lowerBound) * rowBytes(I)
        file.releasePages(max(0, range.lowerBound + first - 1 << 20)..<min(file.count, range.lowerBound + end))
    }
}
