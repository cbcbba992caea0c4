internal import CKernels

/// A matmul with fused operations: C = activation(scale·A·B + bias) + plus. Everything but A and B is optional.
///
///     var matmul = Matmul(of: x, weight.transposed, into: y)       // [N, I]·[I, O] → [N, O]
///     matmul.bias = b
///     processor.run(matmul, as: "linear")
package struct Matmul {
    package let a, b, c: Matrix
    /// bf16 rounds A and B before they are multiplied; sums are f32 either way.
    package var precision = DataType.float32
    package var scale: Float = 1
    /// C += instead of C =. Excludes bias, activation, `preActivation` and `plus`.
    package var accumulates = false
    package var bias: Buffer?
    package var activation = UnaryFunction.identity
    /// Receives the input of the activation.
    package var preActivation: Buffer?
    /// Added after the activation; may be C's own buffer.
    package var plus: Buffer?

    package init(of a: Matrix, _ b: Matrix, into c: Matrix) {
        require(a.columns == b.rows && c.rows == a.rows && c.columns == b.columns,
                "matmul: [\(a.rows), \(a.columns)]·[\(b.rows), \(b.columns)] does not give [\(c.rows), \(c.columns)]")
        require(c.columnStride == 1 || c.columns <= 1, "matmul: the rows of the result must be contiguous")
        self.a = a
        self.b = b
        self.c = c
    }

    package var flops: Int { 2 * a.rows * a.columns * b.columns }

    var bytes: Int {
        let size = { (m: Matrix) in m.rows * m.columns * m.buffer.type.size }
        return size(a) + size(b) + size(c) * (accumulates || plus != nil || preActivation != nil ? 2 : 1)
    }

    func checkPrecision(on processor: Processor, as name: StaticString) {
        require(
            precision == .float32 || processor.hasBFloat16, "\(name): \(processor.instructionSet) kernels do not support bf16 matmul")
    }

    func checkOperands() {
        require(!accumulates || (bias == nil && activation == .identity && preActivation == nil && plus == nil),
                "matmul: a result that accumulates cannot have a bias, an activation, `preActivation` or `plus`")
        require(bias.map { $0.count == c.columns } ?? true, "matmul: \(bias?.count ?? 0) biases for \(c.columns) columns")
        let reach = c.rows * c.columns == 0 ? 0 : (c.rows - 1) * c.rowStride + c.columns      // of preActivation and plus, laid out like C
        require(preActivation.map { $0.count >= reach && $0.type == c.buffer.type } ?? true,
                "matmul: `preActivation` must have the size and type of the result")
        require(plus.map { $0.count >= reach } ?? true, "matmul: \(plus?.count ?? 0) elements to add to [\(c.rows), \(c.columns)]")
    }

    /// The arguments for the kernels, without a plan.
    func arguments() -> slm_matmul {
        slm_matmul(
            M: c.rows, N: c.columns, K: a.columns,
            a: slm_operand(data: a.buffer.pointer, type: a.buffer.type.code, outer: a.rowStride, inner: a.columnStride),
            b: slm_operand(data: b.buffer.pointer, type: b.buffer.type.code, outer: b.columnStride, inner: b.rowStride),
            precision: precision.code, c: c.buffer.pointer, c_type: c.buffer.type.code, c_stride: c.rowStride, accumulate: accumulates,
            scale: scale, bias: bias?.floats, activation: activation.rawValue, pre_activation: preActivation?.pointer,
            plus: plus?.floats, m_block: 0, n_block: 0, k_block: 0, left_bytes: 0, right_bytes: 0)
    }
}
