package import Kernels

/// A step that can be taken back. Whatever it needs for that, it holds.
protocol Operation {
    /// Adds what follows from dy, the gradient of its result, to the gradients of its inputs: see ``Tape/addGradient(to:_:)``.
    func backward(_ dy: Tensor, on tape: Tape)
}

/// Carries out operations, remembers them, and runs them back.
///
///     let tape = Tape(processor)
///     let x = tape.variable([1, 2, 3], [3])
///     let y = tape.sum(tape.multiply(x, x))
///     tape.backward(from: y)
///     tape.gradient(of: x)?.floats                  // [2, 4, 6]
///
/// Each operation has a file in `Operations`: what it computes, the shapes it takes, and its derivative.
/// Memory is given back as soon as nothing refers to it: a value that no derivative reads lives as long as
/// the variable it was assigned to.
package final class Tape {
    package let processor: Processor
    /// What products are computed in, and what activations between them are stored as.
    package let precision: DataType
    /// Whether operations are remembered. Off for evaluation: see ``withoutRecording(_:)``.
    package private(set) var isRecording = true
    /// Whether dropout takes place: also while a checkpointed block runs for the first time, which records nothing.
    private(set) var isTraining = true
    /// Random numbers drawn so far by dropout; the same again after ``reset(seed:)``.
    var drawn: UInt64 = 0
    private(set) var seed: UInt64
    let parameters: Parameters?

    /// The angles of rotary positions, which every layer asks for.
    private var knownAngles: Tensor?

    /// Whether a gradient was asked for since a rehearsal began.
    private var rehearsalIsWanted = false

    private var nodes: [(any Operation)?] = []
    private var gradients: [Buffer?] = []
    private var recording = Recording()

    /// - Parameters:
    ///   - parameters: the weights that layers refer to.
    ///   - precision: bf16 needs a processor that ``Processor/hasBFloat16``.
    package init(_ processor: Processor, parameters: Parameters? = nil, precision: DataType = .float32, seed: UInt64 = 0) {
        require(precision != .int32 && (precision == .float32 || processor.hasBFloat16), "a tape in \(precision.rawValue) on \(processor.path) kernels")
        (self.processor, self.parameters, self.precision, self.seed) = (processor, parameters, precision, seed)
    }

    /// Forgets every operation. Tensors made before may still be read, but not used on this tape.
    package func reset(seed: UInt64? = nil) {
        nodes.removeAll(keepingCapacity: true)
        gradients.removeAll(keepingCapacity: true)
        recording = Recording()
        drawn = 0
        if let seed { self.seed = seed }
    }

    /// Runs `body` as evaluation: nothing is remembered, and no dropout takes place.
    package func withoutRecording<Result>(_ body: () -> Result) -> Result {
        let (wasRecording, wasTraining) = (isRecording, isTraining)
        (isRecording, isTraining) = (false, false)
        defer { (isRecording, isTraining) = (wasRecording, wasTraining) }
        return body()
    }

    /// Runs `body` as training will see it again, and says whether it will have to: see ``checkpoint(_:_:)``.
    func rehearse(_ body: () -> Tensor) -> (y: Tensor, isWanted: Bool) {
        let wasWanted = rehearsalIsWanted
        (isRecording, rehearsalIsWanted) = (false, false)
        defer { (isRecording, rehearsalIsWanted) = (true, wasWanted || rehearsalIsWanted) }
        return (body(), rehearsalIsWanted)
    }

    // MARK: Values

    package func constant(_ values: [Float], _ shape: Shape) -> Tensor {
        require(values.count == shape.count, "\(values.count) numbers for a tensor \(shape)")
        let buffer = processor.buffer(of: values.count, .float32)
        buffer.write { span in for i in span.indices { span[i] = values[i] } }
        return Tensor(buffer, shape: shape)
    }

    package func ids(_ values: [Int32], _ shape: Shape) -> Tensor {
        require(values.count == shape.count, "\(values.count) ids for a tensor \(shape)")
        let buffer = processor.buffer(of: values.count, .int32)
        buffer.writeIDs { span in for i in span.indices { span[i] = values[i] } }
        return Tensor(buffer, shape: shape)
    }

    /// A constant whose gradient is kept: see ``gradient(of:)``.
    package func variable(_ values: [Float], _ shape: Shape) -> Tensor { variable(constant(values, shape)) }

    package func variable(_ tensor: Tensor) -> Tensor {
        tensor.with(origin: append(Variable()))
    }

    package func value(of parameter: Parameter) -> Tensor {
        guard let parameters else { fatalError("this tape was made without parameters; \(parameter.name) is not on it") }
        return parameters.value(of: parameter)
    }

    /// A place for a result: whatever the memory holds.
    func empty(_ shape: Shape, _ type: DataType = .float32) -> Tensor {
        Tensor(processor.buffer(of: shape.count, type), shape: shape)
    }

    /// The angles of the first T positions for heads D wide.
    func angles(of T: Int, width D: Int) -> Tensor {
        if let knownAngles, knownAngles.shape[1] == D, knownAngles.shape[0] >= T { return knownAngles }
        let angles = rotations(of: T, width: D)
        knownAngles = angles
        return angles
    }

    // MARK: Recording

    /// `y`, and how to take it back where an input's gradient is wanted.
    func record(_ y: Tensor, from inputs: [Slot], _ operation: () -> any Operation) -> Tensor {
        guard wantsGradient(of: inputs) else { return y }
        return record(y, operation())
    }

    func record(_ y: Tensor, _ operation: any Operation) -> Tensor { y.with(origin: append(operation)) }

    /// Whether an operation on these inputs will be asked for its derivative.
    func wantsGradient(of inputs: [Slot]) -> Bool {
        for input in inputs { _ = place(of: input.origin) }
        let isWanted = inputs.contains { $0.isWanted }
        if isWanted { rehearsalIsWanted = true }
        return isRecording && isWanted
    }

    private func append(_ operation: any Operation) -> Origin {
        nodes.append(operation)
        gradients.append(nil)
        return .node(nodes.count - 1, recording)
    }

    /// The operation that made a tensor, if one did.
    private func place(of origin: Origin) -> Int? {
        guard case .node(let index, let recording) = origin else { return nil }
        require(recording === self.recording, "a tensor from before the tape was reset, or of another tape: made by its operation \(index)")
        return index
    }

    // MARK: Back

    /// Adds d`loss`/d… to the gradient of every parameter and variable, times `scale`.
    ///
    /// The operations are used up on the way, unless they are to be kept for another call.
    package func backward(from loss: Tensor, scale: Float = 1, keeping: Bool = false) {
        require(loss.count == 1, "backward: from a tensor \(loss.shape); a derivative has a direction only from a single number")
        backward(from: loss, gradient: constant([scale], loss.shape), keeping: keeping)
    }

    /// The same from any tensor, given the gradient of something with respect to it.
    package func backward(from y: Tensor, gradient: Tensor, keeping: Bool = false) {
        require(y.shape == gradient.shape, "backward: a gradient \(gradient.shape) for a tensor \(y.shape)")
        guard let last = place(of: y.origin) else { fatalError("backward: from a tensor that nothing was recorded for") }
        require(nodes[last] != nil, "backward: for the second time; say `keeping: true` the first time")
        pass(cast(contiguous(gradient.detached), to: y.type), to: Slot(y))
        run(from: last, through: 0, keeping: keeping)
    }

    private func run(from last: Int, through first: Int, keeping: Bool) {
        let wasRecording = isRecording
        isRecording = false
        defer { isRecording = wasRecording }
        for i in stride(from: last, through: first, by: -1) {
            guard let dy = gradients[i] else { continue }
            guard let operation = nodes[i] else { fatalError("backward: operation \(i) was used up by an earlier call; say `keeping: true` there") }
            if operation is Variable { continue }
            if !keeping { nodes[i] = nil }
            gradients[i] = nil
            operation.backward(Tensor(dy, shape: [dy.count]), on: self)
        }
    }

    /// Runs back what `body` records, and forgets it: for operations that compute their inputs again.
    func replay(gradient dy: Tensor, _ body: () -> Tensor) {
        let first = nodes.count, wasTraining = isTraining
        (isRecording, isTraining) = (true, true)
        let y = body()
        (isRecording, isTraining) = (false, wasTraining)
        pass(dy, to: Slot(y))
        if let last = place(of: y.origin), last >= first { run(from: last, through: first, keeping: false) }
        nodes.removeSubrange(first...)
        gradients.removeSubrange(first...)
    }

    /// The gradient of a variable, once there is one.
    package func gradient(of x: Tensor) -> Tensor? {
        switch x.origin {
        case .constant: nil
        case .node: place(of: x.origin).flatMap { gradients[$0] }.map { Tensor($0, shape: x.shape) }
        case .parameter(let parameter): parameters?.gradient(of: parameter)
        }
    }

    /// Where a derivative puts its part of x's gradient: `body` must write every element of the contiguous buffer it
    /// is given or, where `adding`, add to every element it wants to. It is not called when nobody wants the gradient.
    func addGradient(to x: Slot, _ body: (_ target: Buffer, _ adding: Bool) -> Void) {
        switch x.origin {
        case .constant: return
        case .parameter(let parameter):
            guard let (target, adding) = parameters?.target(for: parameter) else { fatalError("\(parameter.name) is on no tape") }
            body(target, adding)
        case .node(let index, _):
            if var target = gradients[index] {
                gradients[index] = nil
                if !target.isUnshared() { target = copy(of: target) }   // passed on to another value, which still needs it
                gradients[index] = target
                body(target, true)
            } else {
                let target = processor.buffer(of: x.shape.count, x.type)
                gradients[index] = target
                body(target, false)
            }
        }
    }

    /// The same for a derivative that can only write: what it adds to a gradient that is there already is made beside it.
    func writeGradient(to x: Slot, _ body: (_ target: Buffer) -> Void) {
        addGradient(to: x) { target, adding in
            let written = adding ? processor.buffer(of: target.count, target.type) : target
            body(written)
            if adding { processor.copy(written, into: target, adding: true) }
        }
    }

    /// dy itself is x's gradient, or a part of it. Nothing is copied when it is the first part.
    func pass(_ dy: Tensor, to x: Slot) {
        require(dy.count == x.shape.count, "a gradient \(dy.shape) for \(x.shape)")
        if case .node(let index, _) = x.origin, gradients[index] == nil, dy.type == x.type {
            gradients[index] = dy.elements
        } else {
            addGradient(to: x) { target, adding in
                processor.copy(dy.elements, into: target, adding: adding)
            }
        }
    }

    private func copy(of buffer: Buffer) -> Buffer {
        let result = processor.buffer(of: buffer.count, buffer.type)
        processor.copy(buffer, into: result)
        return result
    }
}

extension Tensor {
    func with(origin: Origin) -> Tensor { Tensor(buffer, shape: shape, strides: isContiguous ? nil : strides, origin: origin) }
}

/// What a tape records between two resets: tensors remember which one they belong to.
final class Recording: Sendable {}

/// Stands on the tape for a value that was put there.
private struct Variable: Operation {
    func backward(_ dy: Tensor, on tape: Tape) {}
}
