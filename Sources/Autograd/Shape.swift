import Kernels

/// Up to four sizes, outermost first. The shape of a scalar has no sizes.
///
///     let shape: Shape = [2, 3]
///     shape.count       // 6
package struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
    package let rank: Int
    // Four stored sizes instead of an array: inference creates many small shapes, and an array would allocate. Sizes beyond the rank are 1.
    private let a, b, c, d: Int

    package init(_ sizes: [Int]) {
        require(sizes.count <= 4, "\(sizes): a tensor has at most four dimensions")
        require(sizes.allSatisfy { $0 >= 0 }, "\(sizes): a size below 0")
        rank = sizes.count
        a = sizes.count > 0 ? sizes[0] : 1
        b = sizes.count > 1 ? sizes[1] : 1
        c = sizes.count > 2 ? sizes[2] : 1
        d = sizes.count > 3 ? sizes[3] : 1
    }

    package init(_ a: Int, _ b: Int, _ c: Int) {
        require(a >= 0 && b >= 0 && c >= 0, "[\(a), \(b), \(c)]: a size below 0")
        rank = 3
        self.a = a
        self.b = b
        self.c = c
        d = 1
    }

    package init(arrayLiteral sizes: Int...) { self.init(sizes) }

    package var sizes: [Int] { Array([a, b, c, d].prefix(rank)) }
    package var count: Int { a * b * c * d }
    package var description: String { "[" + sizes.map(String.init).joined(separator: ", ") + "]" }

    /// The size along an axis; negative axes count from the end.
    package subscript(axis: Int) -> Int {
        switch axisIndex(axis) { case 0: a; case 1: b; case 2: c; default: d }
    }

    /// The axis as 0 ..< rank.
    package func axisIndex(_ axis: Int, for operation: StaticString = "a shape") -> Int {
        let index = axis < 0 ? axis + rank : axis
        require(index >= 0 && index < rank, "\(operation): axis \(axis) of a tensor \(self)")
        return index
    }

    /// The shape as a matrix: the product of all sizes before the last, and the last.
    package var rows: (N: Int, C: Int) {
        switch rank {
        case 0: (1, 1)
        case 1: (1, a)
        case 2: (a, b)
        case 3: (a * b, c)
        default: (a * b * c, d)
        }
    }

    /// The strides of a contiguous tensor: the distance in elements from one index to the next along each axis.
    package var strides: [Int] {
        var strides = [Int](repeating: 1, count: rank)
        for axis in stride(from: rank - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * sizes[axis + 1] }
        return strides
    }

    /// The common shape of two operands, by NumPy's broadcasting rules: sizes are matched from the last on, and a 1 repeats.
    package func broadcast(with other: Shape, for operation: StaticString) -> Shape {
        let rank = max(self.rank, other.rank)
        return Shape(zip(padded(to: rank), other.padded(to: rank)).map { x, y in
            require(x == y || x == 1 || y == 1, "\(operation): \(self) and \(other) do not fit")
            return x == 1 ? y : x
        })
    }

    func padded(to rank: Int) -> [Int] { [Int](repeating: 1, count: rank - self.rank) + sizes }

    func replacing(_ axis: Int, with size: Int) -> Shape {
        var sizes = sizes
        sizes[axisIndex(axis)] = size
        return Shape(sizes)
    }
}
