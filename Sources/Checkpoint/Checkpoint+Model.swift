package import Autograd
import Files
package import Kernels
package import Model

extension Checkpoint {
    /// Builds the model with its weights: for a LoRA adapter, the base model with the adapter applied.
    ///
    ///     let checkpoint = try Checkpoint(reading: "checkpoints/finetuned/best.h5")
    ///     let (model, parameters) = try checkpoint.model(on: processor)
    ///
    /// Weights stay memory-mapped where the file allows, so that adapters of one base share it.
    ///
    /// - Parameters:
    ///   - base: the base model of a LoRA adapter; by default, the checkpoint at the path that the adapter names.
    ///   - copying: copies all trainable weights into memory, for callers that will overwrite them.
    ///   - keepingQuantized: leaves ``quantized`` matrices out of the f32 buffer, for callers that compute with them directly.
    ///   - basePrecision: how to keep the base model of a LoRA adapter: see ``keeping(_:on:)``.
    package func model(
        over base: Checkpoint? = nil, copying: Bool = false, keepingQuantized: Bool = false, basePrecision: WeightPrecision? = nil,
        on processor: Processor
    ) throws(CheckpointError) -> (model: GPT, parameters: Parameters) {
        let (model, parameters, _) = try adaptedModel(
            base, copying: copying, keepingQuantized: keepingQuantized, basePrecision: basePrecision, on: processor)
        return (model, parameters)
    }

    /// Reads the base model of a LoRA adapter from a checkpoint and checks its digest. Returns `self` for a whole model.
    ///
    /// ``ModelFile`` also reads base models of other formats.
    package func adapterBase() throws(CheckpointError) -> Checkpoint {
        guard adapter != nil else { return self }
        let path = adapterBasePath()
        let base: Checkpoint
        do throws(CheckpointError) { base = try Checkpoint(reading: path) } catch {
            guard case .unreadable(_, let reason) = error else { throw error }
            throw .noBaseModel(path: name, base: path, reason: reason)
        }
        try check(base: base, at: path)
        return base
    }

    /// Where the base model of a LoRA adapter is.
    ///
    /// - Parameter path: the path if it has moved.
    package func adapterBasePath(_ path: String? = nil) -> String {
        path ?? RelativePath.resolve(adapter?.basePath ?? "", from: RelativePath.folder(ofFileAt: self.path ?? ""))
    }

    /// Throws unless this LoRA adapter was trained on that base model.
    package func check(base: Checkpoint, at path: String) throws(CheckpointError) {
        guard let adapter else { return }
        if base.adapter != nil { throw .noBaseModel(path: name, base: path, reason: "it is a LoRA adapter itself") }
        let digest = base.weightsDigest
        guard digest == adapter.baseDigest else {
            throw .wrongBaseModel(path: name, base: path, expected: adapter.baseDigest, found: digest)
        }
    }

    /// Merges a LoRA adapter into its base model.
    ///
    ///     try adapter.merged(on: processor).write(to: "checkpoints/merged.h5")
    ///
    /// If the adapter changes the embedding or the head, they are two matrices in the result, even if they are one in the base.
    package func merged(over base: Checkpoint? = nil, on processor: Processor) throws(CheckpointError) -> Checkpoint {
        var (_, parameters, list) = try adaptedModel(base, on: processor)
        var configuration = configuration
        if let adapter, configuration.isTied && adapter.shape.dividesVocabulary || !adapter.shape.wholeLayers.isEmpty {
            if adapter.shape.dividesVocabulary { configuration.isTied = false }
            (parameters, list) = withWholeLayers(parameters, configuration, adapter.shape, on: processor)
        }
        for change in list.loraLayers { parameters.mergeLoRA(change) }
        var result = Checkpoint(configuration, weights: OrderedDictionary(parameters.frozenValues, of: parameters.frozen))
        result.describe(as: self)
        return result
    }

    /// Returns the parameters of a model with the whole layers of an adapter in it, and with the adapter's A and B. A head that the base
    /// does not have is a copy of its embedding.
    private func withWholeLayers(
        _ adapted: Parameters, _ configuration: GPTConfiguration, _ shape: LoRAConfiguration, on processor: Processor
    ) -> (Parameters, ParameterList) {
        var shape = shape
        shape.wholeLayers = []
        shape.addedTokens = nil
        var list = ParameterList(lora: shape)
        _ = GPT(configuration, in: &list)
        let base = Dictionary(adapted.frozen.map { ($0.name, adapted.frozenValues[$0.range]) }) { first, _ in first }
        let own = Dictionary(adapted.list.map { ($0.name, adapted.values[$0.range]) }) { first, _ in first }
        let frozen = processor.zeros(list.frozen.count), values = processor.zeros(list.count)
        for parameter in list.frozen.parameters {
            let table = parameter.name == "head.weight" ? base["tokens.weight"] : nil
            if let source = own[parameter.name] ?? base[parameter.name] ?? table { frozen[parameter.range].copy(from: source) }
        }
        for parameter in list.parameters { if let source = own[parameter.name] { values[parameter.range].copy(from: source) } }
        return (Parameters(list, values: values, over: frozen, on: processor), list)
    }

    /// Returns the frozen base weights. With PiSSA, subtracts the initial A and B, because training started from W − (α/r)·B₀·A₀.
    private func frozenWeights(
        of base: Checkpoint, _ list: ParameterList, on processor: Processor
    ) throws(CheckpointError) -> Buffer {
        let frozen = try base.values(of: list.frozen, on: processor)
        guard let principals = try principalValues(of: list.trainable, on: processor) else { return frozen }
        let parameters = Parameters(list, values: principals, over: frozen, on: processor)
        for change in list.loraLayers { parameters.addLoRA(change, scaledBy: -1, from: principals) }
        return frozen
    }

    private func adaptedModel(
        _ base: Checkpoint?, copying: Bool = false, keepingQuantized: Bool = false, basePrecision: WeightPrecision? = nil,
        on processor: Processor
    ) throws(CheckpointError) -> (GPT, Parameters, ParameterList) {
        var list = ParameterList(lora: adapter?.shape)
        let model = GPT(configuration, in: &list)
        try adapter?.checkBlocks(list, path: name)
        let learned = try values(of: list.trainable, copying: copying, keepingQuantized: keepingQuantized, on: processor)
        guard let adapter else {
            let quantized = keepingQuantized ? quantizedWeights(of: list.trainable) : [:]
            return (model, Parameters(list, values: learned, quantized: quantized, on: processor), list)
        }
        let original = if let base { base } else { try adapterBase() }
        let base = try original.keeping(basePrecision, on: processor)
        // PiSSA changes the base's weights, so they must be in f32.
        if keepingQuantized, adapter.principals.count == 0 {
            let frozen = try base.values(of: list.frozen, keepingQuantized: true, on: processor)
            let quantized = base.quantizedWeights(of: list.frozen)
            return (model, Parameters(list, values: learned, over: frozen, quantized: quantized, on: processor), list)
        }
        let frozen = try frozenWeights(of: base, list, on: processor)
        return (model, Parameters(list, values: learned, over: frozen, on: processor), list)
    }
}
