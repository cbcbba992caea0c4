import Autograd
package import Kernels
import Model

/// The change of one weight [O, I] by a LoRA adapter, as f32 matrices: W + scale·B·A.
///
///     let updates = try adapter.loraUpdates(of: base, digest: base.weightsDigest, on: processor)
package struct LoRAUpdate {
    /// The name of the weight, such as `layer0.qkv.weight`.
    package let weight: String
    package let a: FloatArray                          // [R, I]; of an embedding Aᵀ [I, R]
    package let b: FloatArray                          // [O, R]
    package let scale: Float
    /// Whether it changes the rows that are looked up, and not the logits of a head that has the same weight.
    package let isEmbedding: Bool

    package init(weight: String, a: FloatArray, b: FloatArray, scale: Float, isEmbedding: Bool = false) {
        self.weight = weight
        self.isEmbedding = isEmbedding
        self.a = a
        self.b = b
        self.scale = scale
    }
}

extension Checkpoint {
    /// The changes that a LoRA adapter makes to the weights of its base model, for an engine that serves several adapters of one base.
    ///
    /// - Parameter digest: `weightsDigest` of the base, computed once for all adapters.
    package func loraUpdates(of base: Checkpoint, digest: String, on processor: Processor) throws(CheckpointError) -> [LoRAUpdate] {
        guard let adapter else {
            throw .mismatch(path: name, name: "adapter", expected: "a LoRA adapter of \(base.name)", found: "a whole model")
        }
        guard adapter.baseDigest == digest else {
            throw .mismatch(
                path: name, name: "adapter/base_digest", expected: "\(digest), the weights of \(base.name)",
                found: "\(adapter.baseDigest): it was trained on another model")
        }
        guard !adapter.shape.usesDoRA, adapter.shape.wholeLayers.isEmpty else {
            let found = adapter.shape.usesDoRA ? "DoRA" : adapter.shape.wholeLayers.joined(separator: ", ")
            throw .mismatch(
                path: name, name: adapter.shape.usesDoRA ? "adapter/dora" : "adapter/whole_layers",
                expected: "A and B alone, to share the weights of \(base.name)",
                found: "\(found): serve it as the model, or merge it: slm adapter merge")
        }
        var list = ParameterList(lora: adapter.shape)
        _ = GPT(base.configuration, in: &list)
        try adapter.checkBlocks(list, path: name)
        let values = try values(of: list.trainable, on: processor)
        let principals = try principalValues(of: list.trainable, on: processor)
        return list.loraLayers.map { layer in
            let matrices = principals.map { layer.difference(values, $0, on: processor) }
            return LoRAUpdate(
                weight: layer.weight.name,
                a: matrices?.a ?? FloatArray(values[layer.a.range], shape: layer.a.shape),
                b: matrices?.b ?? FloatArray(values[layer.b.range], shape: layer.b.shape),
                scale: layer.scale, isEmbedding: layer.isEmbedding)
        }
    }
}

extension LoRALayer {
    /// The matrices of B·A − B₀·A₀, the change by an adapter that PiSSA has initialized with A₀ and B₀.
    ///
    /// It is B·(A − A₀) + (B − B₀)·A₀: two products as small as the change itself, so that rounding the matrices to bf16 does little. B·A
    /// and B₀·A₀ are as large as the weights.
    fileprivate func difference(_ trained: Buffer, _ principals: Buffer, on processor: Processor) -> (a: FloatArray, b: FloatArray) {
        let R = a.shape[0], I = a.shape[1], O = b.shape[0]
        let wide = processor.buffer(of: 2 * R * I, .float32), tall = processor.buffer(of: O * 2 * R, .float32)
        trained[a.range].read { a in principals[self.a.range].read { a0 in wide.write { span in
            for i in 0..<R * I {
                span[i] = a[i] - a0[i]
                span[R * I + i] = a0[i]
            }
        } } }
        trained[b.range].read { b in principals[self.b.range].read { b0 in tall.write { span in
            for o in 0..<O {
                for r in 0..<R {
                    span[2 * R * o + r] = b[R * o + r]
                    span[2 * R * o + R + r] = b[R * o + r] - b0[R * o + r]
                }
            }
        } } }
        return (FloatArray(wide, shape: [2 * R, I]), FloatArray(tall, shape: [O, 2 * R]))
    }
}
