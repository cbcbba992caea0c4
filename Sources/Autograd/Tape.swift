package import Kernels

/// An operation on the tape, with all that its derivative needs.
protocol Operation {
    /// Adds the contribution of dy, the gradient of the result, to the gradients of the inputs: see ``Tape/addGradient(to:_:)``.
    func backward(_ dy: Tensor, on tape: Tape)
}

/// Runs operations, records them, and computes gradients by running their derivatives in reverse order (PyTorch's autograd graph).
///
///     let tape = Tape(processor)
///     let x = tape.variable([1, 2, 3], [3])
///     let y = tape.sum(tape.multiply(x, x))
///     tape.backward(from: y)
///     tape.gradient(of: x)?.floats                  // [2, 4, 6]
///
/// Each operation, or small group of operations, has a file in `Operations` with forward pass, shape rules and derivative.
/// Memory is freed as soon as nothing refers to it: a value that no derivative reads lives only as long as the variable that holds it.
package final class Tape {
    package let processor: Processor
    /// The type that activations between matmuls are stored as.
    package let precision: DataType
    /// The type that matmuls are computed in: `precision`, or f32 where the CPU has no bf16 instructions. Kernels then widen bf16.
    package let matmulPrecision: DataType
    /// Whether fewer rows of logits exist at a time: for training in little memory.
    package var savesMemory = false
    /// Whether logits are computed for the last position only.
    package var needsOnlyLastLogits = false
    /// The share of the load-balancing loss in the gradients: the part of a batch that the tape gets, per layer.
    package var balanceScale: Float = 1
    /// Whether operations are recorded. False inside ``withoutRecording(_:)``.
    package private(set) var isRecording = true
    /// Whether dropout is applied. Also true in the first pass of a recomputed block, which records nothing.
    private(set) var isTraining = true
    /// Whether a recomputed block runs for the second time, in the backward pass.
    private var isReplaying = false
    /// Whether linear layers that add to another tensor are not computed: see ``blockResult(_:)``.
    private var omitsSums = false
    /// The position in dropout's random stream. ``reset(seed:)`` sets it back to 0.
    var dropoutOffset: UInt64 = 0
    private(set) var seed: UInt64
    let parameters: Parameters?

    /// The rotary angles, which every layer needs.
    private var rotaryAngleCache: [RotaryPositions: Tensor] = [:]

    /// Whether an operation since the beginning of `runWithoutRecording` would have been recorded.
    private var skippedRecording = false

    private var nodes: [(any Operation)?] = []
    private var gradients: [Buffer?] = []
    private var recording = Recording()

    /// - Parameter parameters: The weights that layers refer to.
    package init(_ processor: Processor, parameters: Parameters? = nil, precision: DataType = .float32, seed: UInt64 = 0) {
        require(precision == .float32 || precision == .bfloat16, "a tape in \(precision.rawValue)")
        self.processor = processor
        self.parameters = parameters
        self.precision = precision
        matmulPrecision = processor.hasBFloat16 ? precision : .float32
        self.seed = seed
    }

    /// Deletes all recorded operations. Tensors made before can still be read, but not used on this tape.
    package func reset(seed: UInt64? = nil) {
        nodes.removeAll(keepingCapacity: true)
        gradients.removeAll(keepingCapacity: true)
        recording = Recording()
        dropoutOffset = 0
        if let seed { self.seed = seed }
    }

    /// Runs `body` in evaluation mode: nothing is recorded and no dropout is applied (PyTorch's `no_grad` and `eval`).
    package func withoutRecording<Result>(_ body: () -> Result) -> Result {
        let wasRecording = isRecording
        let wasTraining = isTraining
        isRecording = false
        isTraining = false
        defer {
            isRecording = wasRecording
            isTraining = wasTraining
        }
        return body()
    }

    /// Runs the first pass of a recomputed block: with dropout but without recording. See ``recompute(_:_:)``.
    ///
    /// - Returns: The result, and whether the backward pass needs the block.
    func runWithoutRecording(_ body: () -> Tensor) -> (y: Tensor, needsGradient: Bool) {
        let hadSkipped = skippedRecording
        isRecording = false
        skippedRecording = false
        defer {
            isRecording = true
            skippedRecording = hadSkipped || skippedRecording
        }
        return (body(), skippedRecording)
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

    /// A tensor that gets a gradient (`requires_grad=True`): see ``gradient(of:)``.
    package func variable(_ values: [Float], _ shape: Shape) -> Tensor { variable(constant(values, shape)) }

    package func variable(_ tensor: Tensor) -> Tensor { tensor.with(origin: append(Variable())) }

    package func value(of parameter: Parameter) -> Tensor {
        guard let parameters else { fatalError("this tape was made without parameters; \(parameter.name) is not on it") }
        return parameters.value(of: parameter)
    }

    /// An uninitialized tensor for a result.
    func empty(_ shape: Shape, _ type: DataType = .float32) -> Tensor {
        Tensor(processor.buffer(of: shape.count, type), shape: shape)
    }

    /// The rotary angles of the first T positions (or more) for heads of width D.
    func cachedRotaryAngles(of T: Int, width D: Int, _ positions: RotaryPositions) -> Tensor {
        let positions = positions.ofSequences(upTo: T)
        if let angles = rotaryAngleCache[positions], angles.shape[1] == D, angles.shape[0] >= T { return angles }
        let angles = rotaryAngles(of: T, width: D, positions)
        rotaryAngleCache[positions] = angles
        return angles
    }

    // MARK: Recording

    /// Returns `y`, recorded with its operation if an input needs a gradient.
    func record(_ y: Tensor, from inputs: [GradientTarget], _ operation: () -> any Operation) -> Tensor {
        guard needsGradient(for: inputs) else { return y }
        return record(y, operation())
    }

    func record(_ y: Tensor, _ operation: any Operation) -> Tensor { y.with(origin: append(operation)) }

    /// Whether an operation on these inputs has to be recorded.
    func needsGradient(for inputs: [GradientTarget]) -> Bool {
        for input in inputs { _ = nodeIndex(of: input.origin) }
        let needsGradient = inputs.contains { $0.needsGradient }
        if needsGradient { skippedRecording = true }
        return isRecording && needsGradient
    }

    private func append(_ operation: any Operation) -> Origin {
        nodes.append(operation)
        gradients.append(nil)
        return .node(nodes.count - 1, recording)
    }

    /// The index of the operation that produced a tensor; nil for constants and parameters.
    private func nodeIndex(of origin: Origin) -> Int? {
        guard case .node(let index, let recording) = origin else { return nil }
        require(
            recording === self.recording,
            "a tensor from before the tape was reset, or of another tape: made by its operation \(index)"
        )
        return index
    }

    // MARK: Backward pass

    /// Adds the gradient of `loss` to the gradient of every parameter and variable, and frees the recorded operations on the way.
    package func backward(from loss: Tensor) {
        require(loss.count == 1, "backward: expected a tensor with one element, found \(loss.shape). Reduce it first, or pass a gradient.")
        backward(from: loss, gradient: constant([1], loss.shape))
    }

    /// Starts from any tensor, given the gradient of the final result with respect to it.
    package func backward(from y: Tensor, gradient: Tensor) {
        require(y.shape == gradient.shape, "backward: a gradient \(gradient.shape) for a tensor \(y.shape)")
        guard let last = nodeIndex(of: y.origin) else { fatalError("backward: the tensor has no recorded operations") }
        require(nodes[last] != nil, "backward: called a second time for the same tensor; compute it again")
        passGradient(cast(contiguous(gradient.detached), to: y.type), to: GradientTarget(y))
        run(from: last, through: 0)
    }

    private func run(from last: Int, through first: Int) {
        let wasRecording = isRecording
        isRecording = false
        defer { isRecording = wasRecording }
        for i in stride(from: last, through: first, by: -1) {
            guard let dy = gradients[i] else { continue }
            guard let operation = nodes[i] else { fatalError("backward: operation \(i) was freed by an earlier call; compute it again") }
            if operation is Variable { continue }
            nodes[i] = nil
            gradients[i] = nil
            operation.backward(Tensor(dy, shape: [dy.count]), on: self)
        }
    }

    /// Runs `body` with recording, runs its backward pass, and deletes the recording: for operations that recompute their activations.
    func replay(gradient dy: Tensor, _ body: () -> Tensor) {
        let first = nodes.count
        let wasTraining = isTraining
        let wasReplaying = isReplaying
        isRecording = true
        isTraining = true
        isReplaying = true
        let y = body()
        isRecording = false
        isTraining = wasTraining
        isReplaying = wasReplaying
        passGradient(dy, to: GradientTarget(y))
        if let last = nodeIndex(of: y.origin), last >= first { run(from: last, through: first) }
        nodes.removeSubrange(first...)
        gradients.removeSubrange(first...)
    }

    /// Runs the last layer of the body of ``recompute(_:_:)``, and what follows it.
    ///
    /// When the body runs again to recompute its activations, no derivative reads its result. So if the result is the output of a linear
    /// layer that was added to another tensor, it is not computed, and contains anything.
    package func blockResult(_ layer: () -> Tensor) -> Tensor {
        guard isReplaying, isRecording else { return layer() }       // a block within another one runs without recording first
        omitsSums = true
        defer { omitsSums = false }
        return layer()
    }

    /// Whether a linear layer is not computed, because it is a block's result. Derivatives read what is stored before an activation.
    func omitsLinear(plus: Tensor?, before: Tensor?) -> Bool { omitsSums && plus != nil && before == nil }

    /// The gradient of a variable or parameter; nil if there is none.
    package func gradient(of x: Tensor) -> Tensor? {
        switch x.origin {
        case .constant: nil
        case .node: nodeIndex(of: x.origin).flatMap { gradients[$0] }.map { Tensor($0, shape: x.shape) }
        case .parameter(let parameter): parameters?.gradient(of: parameter)
        }
    }

    /// Lets a derivative add its part to the gradient of x.
    ///
    /// - Parameter body: Gets a contiguous buffer. Writes every element of it or, if `adding`, adds to the elements.
    ///   Not called if x needs no gradient.
    func addGradient(to x: GradientTarget, _ body: (_ target: Buffer, _ adding: Bool) -> Void) {
        switch x.origin {
        case .constant: return
        case .parameter(let parameter):
            guard let (target, adding) = parameters?.target(for: parameter) else { fatalError("\(parameter.name) is on no tape") }
            body(target, adding)
        case .node(let index, _):
            if var target = gradients[index] {
                gradients[index] = nil
                // `passGradient` may have given the same buffer to another value, which still needs it.
                if !target.isUnshared() { target = copy(of: target) }
                gradients[index] = target
                body(target, true)
            } else {
                let target = processor.buffer(of: x.shape.count, x.type)
                gradients[index] = target
                body(target, false)
            }
        }
    }

    /// Lets a derivative that can only overwrite add its part to the gradient of x. Uses a temporary buffer if there is a gradient already.
    func writeGradient(to x: GradientTarget, _ body: (_ target: Buffer) -> Void) {
        addGradient(to: x) { target, adding in
            let written = adding ? processor.buffer(of: target.count, target.type) : target
            body(written)
            if adding { processor.copy(written, into: target, adding: true) }
        }
    }

    /// Adds dy unchanged to the gradient of x. Copies nothing if it is the first part.
    func passGradient(_ dy: Tensor, to x: GradientTarget) {
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

/// Identifies what a tape records between two resets. Each recorded tensor refers to it.
final class Recording: Sendable {}

/// The tape's entry for a ``Tape/variable(_:)``, which has no inputs.
private struct Variable: Operation {
    func backward(_ dy: Tensor, on tape: Tape) {}
}
