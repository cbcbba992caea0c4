package import Kernels

/// Numbers, or token ids, in up to four dimensions. Copies and views share their elements.
///
///     let x = tape.constant([1, 2, 3, 4], [2, 2])
///     let y = tape.sum(tape.exp(x))                 // made by the tape, which remembers how
///     y.scalar
package struct Tensor {
    package let shape: Shape
    /// Elements from one index to the next, for each axis; 0 repeats. nil where rows lie one after the other.
    private let ownStrides: [Int]?
    /// From the first element of this view on; contiguous views see no more than their own elements.
    let buffer: Buffer
    /// Where the tape puts the gradient.
    let origin: Origin

    /// Elements that lie one after the other, about which no tape knows anything.
    package init(_ elements: Buffer, _ shape: Shape) {
        require(elements.count == shape.count, "\(elements.count) elements for a tensor \(shape)")
        self.init(elements, shape: shape)
    }

    init(_ buffer: Buffer, shape: Shape, strides: [Int]? = nil, origin: Origin = .constant) {
        (self.shape, self.buffer, self.origin) = (shape, buffer, origin)
        ownStrides = strides
    }

    /// Elements from one index to the next, for each axis; 0 repeats.
    var strides: [Int] { ownStrides ?? shape.strides }

    package var type: DataType { buffer.type }
    package var count: Int { shape.count }

    /// Whether the elements lie one after the other, in order.
    package var isContiguous: Bool {
        ownStrides == nil || zip(zip(strides, shape.strides), shape.sizes).allSatisfy { $0.0 == $0.1 || $1 <= 1 }
    }

    /// The elements in order, as f32.
    package var floats: [Float] {
        require(isContiguous, "the elements of a view are read after tape.contiguous(_:)")
        require(type == .float32, "the elements of a \(type.rawValue) tensor are read after tape.cast(_:to:)")
        return buffer[0..<count].read { span in span.indices.map { span[$0] } }
    }

    package var ids: [Int32] {
        require(isContiguous, "the elements of a view are read after tape.contiguous(_:)")
        return buffer[0..<count].readIDs { span in span.indices.map { span[$0] } }
    }

    /// The only element.
    package var scalar: Float {
        require(count == 1, "a tensor \(shape) is not a single number")
        return floats[0]
    }

    /// The same elements, about which the tape remembers nothing.
    package var detached: Tensor { Tensor(buffer, shape: shape, strides: strides) }

    func view(_ shape: Shape, strides: [Int]? = nil, from offset: Int = 0, origin: Origin) -> Tensor {
        Tensor(buffer[min(offset, buffer.count)..<buffer.count], shape: shape, strides: strides, origin: origin)
    }

    /// Exactly the elements of a contiguous tensor.
    package var elements: Buffer {
        require(isContiguous, "expected a contiguous tensor, found \(shape) with strides \(strides)")
        return buffer[0..<count]
    }

    /// As rows along the last axis.
    var matrix: Matrix {
        let (N, C) = shape.rows
        return Matrix(elements, rows: N, columns: C)
    }
}

/// Where a tensor comes from, and so where its gradient goes.
enum Origin: Sendable {
    /// Nobody asks for its gradient.
    case constant
    /// It was made by the operation at this place of the tape.
    case node(Int, Recording)
    case parameter(Parameter)
}

/// What a derivative needs to know of an input that it does not read.
struct Slot {
    let shape: Shape
    let type: DataType
    let origin: Origin

    init(_ tensor: Tensor) { (shape, type, origin) = (tensor.shape, tensor.type, tensor.origin) }

    var isWanted: Bool { if case .constant = origin { false } else { true } }
}
