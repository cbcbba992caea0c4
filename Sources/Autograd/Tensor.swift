package import Kernels

/// Floats or token ids in up to four dimensions. Copies and views share their elements.
///
///     let x = tape.constant([1, 2, 3, 4], [2, 2])
///     let y = tape.sum(tape.exp(x))
///     y.scalar
package struct Tensor {
    package let shape: Shape
    /// The distance in elements from one index to the next along each axis; 0 repeats. nil if the tensor is contiguous.
    private let viewStrides: [Int]?
    /// Starts at the first element of this view. A contiguous view has no elements beyond its own.
    let buffer: Buffer
    /// Identifies where the tape accumulates the gradient.
    let origin: Origin

    /// Wraps contiguous elements as a constant, which gets no gradient.
    package init(_ elements: Buffer, _ shape: Shape) {
        require(elements.count == shape.count, "\(elements.count) elements for a tensor \(shape)")
        self.init(elements, shape: shape)
    }

    init(_ buffer: Buffer, shape: Shape, strides: [Int]? = nil, origin: Origin = .constant) {
        self.shape = shape
        self.buffer = buffer
        self.origin = origin
        viewStrides = strides
    }

    /// The distance in elements from one index to the next along each axis; 0 repeats.
    var strides: [Int] { viewStrides ?? shape.strides }

    package var type: DataType { buffer.type }
    package var count: Int { shape.count }

    package var isContiguous: Bool {
        viewStrides == nil || zip(zip(strides, shape.strides), shape.sizes).allSatisfy { $0.0 == $0.1 || $1 <= 1 }
    }

    /// The elements in order. The tensor must be f32 and contiguous.
    package var floats: [Float] {
        require(isContiguous, "the elements of a view are read after tape.contiguous(_:)")
        require(type == .float32, "the elements of a \(type.rawValue) tensor are read after tape.cast(_:to:)")
        return buffer[0..<count].read { span in span.indices.map { span[$0] } }
    }

    package var ids: [Int32] {
        require(isContiguous, "the elements of a view are read after tape.contiguous(_:)")
        return buffer[0..<count].readIDs { span in span.indices.map { span[$0] } }
    }

    /// The value of a tensor with one element.
    package var scalar: Float {
        require(count == 1, "a tensor \(shape) is not a single number")
        return floats[0]
    }

    /// The same elements as a constant, which gets no gradient.
    package var detached: Tensor { Tensor(buffer, shape: shape, strides: strides) }

    func view(_ shape: Shape, strides: [Int]? = nil, from offset: Int = 0, origin: Origin) -> Tensor {
        Tensor(buffer[min(offset, buffer.count)..<buffer.count], shape: shape, strides: strides, origin: origin)
    }

    func with(origin: Origin) -> Tensor { Tensor(buffer, shape: shape, strides: isContiguous ? nil : strides, origin: origin) }

    /// Exactly the elements of a contiguous tensor.
    package var elements: Buffer {
        require(isContiguous, "expected a contiguous tensor, found \(shape) with strides \(strides)")
        return buffer[0..<count]
    }

    /// The tensor as a matrix whose rows run along the last axis.
    var matrix: Matrix {
        let (N, C) = shape.rows
        return Matrix(elements, rows: N, columns: C)
    }
}

extension Tensor {
    /// Strides in four dimensions that read this tensor as if it had been broadcast to `shape`.
    func broadcastStrides(to shape: Shape) -> [Int] {
        let missing = shape.rank - self.shape.rank
        return (0..<4).map { dimension in
            let axis = dimension - (4 - shape.rank) - missing
            return axis < 0 || self.shape.sizes[axis] == 1 ? 0 : strides[axis]
        }
    }
}

/// What produced a tensor, which determines where its gradient is accumulated.
enum Origin: Sendable {
    /// No gradient is needed.
    case constant
    /// The result of the operation at this index of the tape.
    case node(Int, Recording)
    case parameter(Parameter)
}

/// The input of an operation as its derivative needs it when it does not read the values: shape, type and where the gradient goes.
struct GradientTarget {
    let shape: Shape
    let type: DataType
    let origin: Origin

    init(_ tensor: Tensor) {
        shape = tensor.shape
        type = tensor.type
        origin = tensor.origin
    }

    var needsGradient: Bool { if case .constant = origin { false } else { true } }
}
