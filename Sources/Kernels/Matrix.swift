/// Rows and columns laid over a buffer. A transposed matrix is the same buffer walked the other way.
package struct Matrix {
    package let buffer: Buffer
    package let rows, columns: Int
    let rowStride, columnStride: Int

    package init(_ buffer: Buffer, rows: Int, columns: Int, rowStride: Int? = nil, columnStride: Int = 1) {
        let rowStride = rowStride ?? columns
        require(rows == 0 || columns == 0 || (rows - 1) * rowStride + (columns - 1) * columnStride < buffer.count,
                "a matrix [\(rows), \(columns)] with strides \(rowStride), \(columnStride) leaves its buffer of \(buffer.count)")
        self.buffer = buffer
        self.rows = rows
        self.columns = columns
        self.rowStride = rowStride
        self.columnStride = columnStride
    }

    package var transposed: Matrix {
        Matrix(buffer, rows: columns, columns: rows, rowStride: columnStride, columnStride: rowStride)
    }
}
