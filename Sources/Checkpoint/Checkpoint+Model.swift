package import Autograd
import Files
package import Kernels
package import Model

extension Checkpoint {
    /// The model, ready to compute with: that of the file or, of an adapter, its base with what the adapter changes. Weights are mapped where they can be, so
    /// that adapters of one base share it.
    ///
    ///     let checkpoint = try Checkpoint(reading: "checkpoints/finetuned/best.h5")
    ///     let (model, parameters) = try checkpoint.model(on: processor)
    ///
    /// - Parameters:
    ///   - base: the model that an adapter is for, where that is not where it was.
    ///   - copying: for who will write to all that is learned.
    ///   - leavingRounded: for who takes ``rounded`` weights as they are.
    package func model(base: String? = nil, copying: Bool = false, leavingRounded: Bool = false,
                       on processor: Processor) throws(CheckpointError) -> (model: GPT, parameters: Parameters) {
        let (model, parameters, _) = try adaptedModel(base: base, copying: copying, leavingRounded: leavingRounded, on: processor)
        return (model, parameters)
    }

    /// The model that an adapter was made for: the one that it names, unless another place is given.
    package func adapterBase(at place: String? = nil) throws(CheckpointError) -> Checkpoint {
        guard let adapter else { return self }
        let found = place ?? RelativePath.resolve(adapter.basePath, from: RelativePath.folder(ofFileAt: path ?? ""))
        let base: Checkpoint
        do throws(CheckpointError) { base = try Checkpoint(reading: found) } catch {
            guard case .unreadable(_, let reason) = error else { throw error }
            throw .noBase(path: name, base: found, reason: reason)
        }
        if base.adapter != nil { throw .noBase(path: name, base: found, reason: "it is an adapter itself") }
        let digest = base.weightsDigest
        guard digest == adapter.baseDigest else { throw .wrongBase(path: name, base: found, expected: adapter.baseDigest, found: digest) }
        return base
    }

    /// An adapter and its base as one ordinary model.
    ///
    ///     try adapter.merged(on: processor).write(to: "checkpoints/merged.h5")
    package func merged(base: String? = nil, on processor: Processor) throws(CheckpointError) -> Checkpoint {
        let (_, parameters, list) = try adaptedModel(base: base, on: processor)
        for change in list.changes { parameters.add(1, of: change, from: parameters.values) }
        var result = Checkpoint(configuration, weights: Named(parameters.frozenValues, of: parameters.frozen))
        (result.tokenizer, result.chatTemplate, result.metrics) = (tokenizer, chatTemplate, metrics)
        return result
    }

    /// The weights of the base for the adapter to change, without what its learning began by taking off.
    private func frozenWeights(of base: Checkpoint, _ list: ParameterList, _ adapter: Adapter, on processor: Processor) throws(CheckpointError) -> Buffer {
        let frozen = try base.values(of: list.frozen, on: processor)
        guard adapter.principals.count > 0 else { return frozen }
        let principals = processor.zeros(list.count), parameters = Parameters(list, values: principals, over: frozen, on: processor)
        try copy(adapter.principals, "principals", into: principals, list.parameters)
        for change in list.changes { parameters.add(-1, of: change, from: principals) }
        return frozen
    }

    private func adaptedModel(base: String?, copying: Bool = false, leavingRounded: Bool = false, on processor: Processor) throws(CheckpointError) -> (GPT, Parameters, ParameterList) {
        var list = ParameterList(adapting: adapter?.shape)
        let model = GPT(configuration, in: &list), learned = try values(of: list.learned, copying: copying, leavingRounded: leavingRounded, on: processor)
        guard let adapter else { return (model, Parameters(list, values: learned, on: processor), list) }
        let frozen = try frozenWeights(of: try adapterBase(at: base), list, adapter, on: processor)
        return (model, Parameters(list, values: learned, over: frozen, on: processor), list)
    }
}
