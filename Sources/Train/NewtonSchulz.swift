import Kernels

/// Turns a matrix into the nearest one whose singular values are all one, by products alone: x ← ax + (bA + cA²)x with A = x·xᵀ, five times
/// (Jordan et al. 2024, with the coefficients of Amsel et al. 2025, each the best for what the one before left).
///
///     let orthogonalizer = NewtonSchulz(for: parameters, on: processor, precision: .bfloat16)
///     orthogonalizer.apply(to: update, rows: 512, columns: 2_048)        // singular values are now from 0.7 to 1.2
final class NewtonSchulz {
    private static let coefficients: [(a: Float, b: Float, c: Float)] = [
        (4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012),
    ]
    private let processor: Processor
    private let precision: DataType
    /// The iterate and the next, as large as the largest matrix; A, bA + cA² and cA, as large as its smaller side squared.
    private let places: [Buffer], squares: [Buffer]

    /// - Parameter largest: the largest number of elements, and of rows or columns, whichever are fewer.
    init(largest: (count: Int, side: Int), on processor: Processor, precision: DataType) {
        (self.processor, self.precision) = (processor, precision)
        places = (0..<2).map { _ in processor.zeros(largest.count) }
        squares = (0..<3).map { _ in processor.zeros(largest.side * largest.side) }
    }

    /// - Parameter x: [rows, columns], replaced by its orthogonal factor.
    func apply(to x: Buffer, rows: Int, columns: Int) {
        let side = min(rows, columns), square = squares.map { Matrix($0[0..<side * side], rows: side, columns: side) }
        let length = Float(processor.sumOfSquares(x).squareRoot())
        var (now, next) = (places[0][0..<x.count], places[1][0..<x.count])
        // No singular value is above one then, also where bf16 rounds upwards.
        processor.copy(x, into: now, scale: 1 / (1.02 * length + 1e-12))
        for (a, b, c) in Self.coefficients {
            let wide = Matrix(now, rows: rows, columns: columns), short = rows <= columns ? wide : wide.transposed
            multiply(short, short.transposed, into: square[0])                                     // A
            processor.copy(square[0].buffer, into: square[1].buffer, scale: b)
            processor.copy(square[0].buffer, into: square[2].buffer, scale: c)
            multiply(square[2], square[0], into: square[1], adding: true)                          // bA + cA²
            processor.copy(now, into: next, scale: a)
            let result = Matrix(next, rows: rows, columns: columns)
            if rows <= columns { multiply(square[1], wide, into: result, adding: true) } else { multiply(wide, square[1], into: result, adding: true) }
            swap(&now, &next)
        }
        x.copy(from: now)
    }

    private func multiply(_ a: Matrix, _ b: Matrix, into c: Matrix, adding: Bool = false) {
        var product = Product(of: a, b, into: c)
        (product.precision, product.accumulates) = (precision, adding)
        processor.multiply(product, as: "Muon")
    }
}
