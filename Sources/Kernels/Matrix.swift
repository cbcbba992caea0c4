/// A strided view of a buffer as a matrix. Transposing swaps the strides and copies nothing.
package struct Matrix {
    package let buffer: Buffer
    package let rows, columns: Int
    let rowStride, columnStride: Int

    package init(_ buffer: Buffer, rows: Int, columns: Int, rowStride: Int? = nil, columnStride: Int = 1) {
        let rowStride = rowStride ?? columns
        require(rows == 0 || columns == 0 || (rows - 1) * rowStride + (columns - 1) * columnStride < buffer.count,
                "matrix [\(rows), \(columns)] with strides \(rowStride), \(columnStride) exceeds its buffer of \(buffer.count) elements")
        self.buffer = buffer
        self.rows = rows
        self.columns = columns
        self.rowStride = rowStride
        self.columnStride = columnStride
    }

    package func columns(_ range: Range<Int>) -> Matrix {
        require(range.lowerBound >= 0 && range.upperBound <= columns, "matrix: columns \(range) of \(columns)")
        let start = min(range.lowerBound * columnStride, buffer.count)
        return Matrix(buffer[start..<buffer.count], rows: rows, columns: range.count, rowStride: rowStride, columnStride: columnStride)
    }

    package var transposed: Matrix {
        Matrix(buffer, rows: columns, columns: rows, rowStride: columnStride, columnStride: rowStride)
    }
}
