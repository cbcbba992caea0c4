/// Directions, vectors of length 1, as int8 with a scale each, for an exact search by cosine similarity.
///
///     var table = Int8Vectors(width: 384)
///     table.append(bytes, scale: 0.01)
///     table.products(with: Int8Vectors.Code(directionOf: query))         // one for each vector
package struct Int8Vectors: Sendable {
    /// A vector in whole steps of its scale, from −127 to 127.
    package struct Code: Sendable, Equatable {
        package let codes: [Int8]
        package let scale: Float

        package init(codes: [Int8], scale: Float) {
            self.codes = codes
            self.scale = scale
        }

        /// The vector with the same direction and the length 1. One that has no direction is similar to nothing: its scale is 0.
        package init(directionOf vector: [Float]) {
            let length = vector.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            let step = (vector.map { Double(abs($0)) }.max() ?? 0) / 127
            guard length > 0, length.isFinite, step > 0 else {
                self.init(codes: Array(repeating: 0, count: vector.count), scale: 0)
                return
            }
            self.init(codes: vector.map { Int8(max(-127, min(127, (Double($0) / step).rounded()))) }, scale: Float(step / length))
        }
    }

    package let width: Int
    private var codes: [Int8] = []
    private var scales: [Float] = []

    package init(width: Int) {
        require(width > 0, "vectors of \(width) numbers")
        self.width = width
    }

    package mutating func reserveCapacity(_ count: Int) {
        codes.reserveCapacity(count * width)
        scales.reserveCapacity(count)
    }

    /// - Parameter bytes: The codes, as unsigned bytes.
    package mutating func append(_ bytes: Span<UInt8>, scale: Float) {
        require(bytes.count == width, "a vector of \(bytes.count) numbers among vectors of \(width)")
        bytes.withUnsafeBytes { codes.append(contentsOf: $0.bindMemory(to: Int8.self)) }
        scales.append(scale)
    }

    /// The dot products of all vectors with another one, in order.
    package func products(with other: Code) -> [Float] {
        require(other.codes.count == width, "a vector of \(other.codes.count) numbers for vectors of \(width)")
        return codes.withUnsafeBufferPointer { codes in
            other.codes.withUnsafeBufferPointer { query in
                scales.indices.map { i in
                    var sum: Int32 = 0
                    let row = UnsafeBufferPointer(rebasing: codes[i * width..<(i + 1) * width])
                    // A simple loop, which the compiler turns into vectors.
                    for c in 0..<width { sum &+= Int32(row[c]) &* Int32(query[c]) }
                    return Float(sum) * scales[i] * other.scale
                }
            }
        }
    }
}
