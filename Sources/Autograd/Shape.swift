import Kernels

/// Up to four sizes, outermost first. No sizes at all is a single number.
///
///     let shape: Shape = [2, 3]
///     shape.count       // 6
package struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
    package let sizes: [Int]

    package init(_ sizes: [Int]) {
        require(sizes.count <= 4, "\(sizes): a tensor has at most four dimensions")
        require(sizes.allSatisfy { $0 >= 0 }, "\(sizes): a size below 0")
        self.sizes = sizes
    }

    package init(arrayLiteral sizes: Int...) { self.init(sizes) }

    package var rank: Int { sizes.count }
    package var count: Int { sizes.reduce(1, *) }
    package var description: String { "[" + sizes.map(String.init).joined(separator: ", ") + "]" }

    /// Size along an axis; negative ones count from the end.
    package subscript(axis: Int) -> Int { sizes[place(of: axis)] }

    /// The axis as 0 ..< rank.
    package func place(of axis: Int, for operation: StaticString = "a shape") -> Int {
        let place = axis < 0 ? axis + rank : axis
        require(sizes.indices.contains(place), "\(operation): axis \(axis) of a tensor \(self)")
        return place
    }

    /// The product of all sizes before the last, and the last.
    package var rows: (N: Int, C: Int) {
        guard let last = sizes.last else { return (1, 1) }
        return (sizes.dropLast().reduce(1, *), last)
    }

    /// Elements from one index to the next along each axis, when rows lie one after the other.
    package var strides: [Int] {
        var strides = [Int](repeating: 1, count: rank)
        for axis in stride(from: rank - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * sizes[axis + 1] }
        return strides
    }

    /// What two shapes are stretched to: sizes are matched from the last on, and a 1 repeats.
    package func broadcast(with other: Shape, for operation: StaticString) -> Shape {
        let rank = max(self.rank, other.rank)
        let (a, b) = (padded(to: rank), other.padded(to: rank))
        return Shape(zip(a, b).map { x, y in
            require(x == y || x == 1 || y == 1, "\(operation): \(self) and \(other) do not fit")
            return x == 1 ? y : x
        })
    }

    func padded(to rank: Int) -> [Int] { [Int](repeating: 1, count: rank - self.rank) + sizes }

    func replacing(_ axis: Int, with size: Int) -> Shape {
        var sizes = sizes
        sizes[place(of: axis)] = size
        return Shape(sizes)
    }
}
