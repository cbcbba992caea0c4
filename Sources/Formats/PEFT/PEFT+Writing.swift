package import Checkpoint
import Autograd
import JSON
package import Kernels
import Model

extension PEFT {
    /// Writes a LoRA adapter as a folder for `PeftModel.from_pretrained(base, folder)` of PEFT, without its base model.
    ///
    /// A layer that transformers has as several modules is written as several pairs with the same A. An adapter that was initialized with
    /// PiSSA is written as the difference from the original base model, which has twice the rank.
    ///
    /// - Parameter baseModel: The name of the base model for PEFT's AutoPeftModel: a folder or a repository of Hugging Face's hub.
    package static func write(
        _ checkpoint: Checkpoint, to folder: String, as format: WeightFormat = .f32, baseModel: String? = nil, on processor: Processor
    ) throws(CheckpointError) {
        guard let adapter = checkpoint.adapter else {
            throw .notExpressible(format: "A PEFT adapter", reason: "it is a whole model, not a LoRA adapter")
        }
        let modules = try PEFTModules(checkpoint.configuration)
        var list = ParameterList(lora: adapter.shape)
        _ = GPT(checkpoint.configuration, in: &list)
        try adapter.checkBlocks(list, path: checkpoint.name)
        let trained = try checkpoint.values(of: list.trainable, on: processor)
        let initial = try checkpoint.principalValues(of: list.trainable, on: processor)
        let written = self.modules(of: list, modules, trained, minus: initial, on: processor)
        let whole = PEFTWholeLayers.arrays(of: list, trained, modules, checkpoint.configuration)
        // PEFT's AutoPeftModel makes room for added tokens if the folder has a tokenizer.
        let tokenizer = adapter.shape.addedTokens == nil ? [] : try HuggingFace.tokenizerFiles(of: checkpoint).files
        let config = adapterConfig(written, adapter.shape, modules, whole.modules, baseModel)
        let arrays = written.flatMap(\.arrays) + whole.arrays
        try SafeTensorsWriter.write(arrays, as: format, named: weights, with: [(configuration, config)] + tokenizer, to: folder)
    }

    /// A and B of one module, in the order of the file. Of an embedding, slm's Aᵀ and B.
    private struct Module {
        let part: PEFTModules.Part
        let rank, inputs, outputs: Int
        let a, b: Buffer
        let magnitude: Buffer?

        var arrays: [SafeTensorsWriter.Array] {
            func array(_ matrix: String, _ shape: [Int], _ values: Buffer) -> SafeTensorsWriter.Array {
                let part = TensorPart(name: PEFTTensors.name(part, matrix), shape: shape, rows: 0..<shape[0])
                return SafeTensorsWriter.Array(part: part, parameter: (values, columns: shape[1]))
            }
            guard part.isEmbedding else {
                return [array("A", [rank, inputs], a), array("B", [outputs, rank], b)] + (magnitude.map { magnitude in
                    let part = TensorPart(name: PEFTTensors.magnitudeName(part), shape: [outputs], rows: 0..<outputs)
                    return [SafeTensorsWriter.Array(part: part, parameter: (magnitude, columns: 1))]
                } ?? [])
            }
            var table = TensorPart(name: PEFTTensors.name(part, "A"), shape: [rank, outputs], rows: 0..<outputs)
            table.isTransposed = true
            return [SafeTensorsWriter.Array(part: table, parameter: (b, columns: rank)), array("B", [inputs, rank], a)]
        }
    }

    private static func modules(
        of list: ParameterList, _ modules: PEFTModules, _ trained: Buffer, minus initial: Buffer?, on processor: Processor
    ) -> [Module] {
        let layers = Dictionary(list.loraLayers.map { ($0.name, $0) }) { first, _ in first }
        return modules.layers.flatMap { layer -> [Module] in
            guard let adapted = layers[layer.name] else { return [] }
            if adapted.isEmbedding, let part = layer.parts.first {
                let a = trained[adapted.a.range], b = trained[adapted.b.range], rank = adapted.b.shape[1]
                return [Module(part: part, rank: rank, inputs: layer.inputs, outputs: layer.outputs, a: a, b: b, magnitude: nil)]
            }
            let ranges = adapted.blockRanges
            return layer.parts.compactMap { part in
                // The block that contains the rows of the part; a module that the family does not divide has all blocks, and the numbers of
                // B outside of them are 0.
                let block = ranges.first { $0.rows.contains(part.rows.lowerBound) && $0.rows.upperBound >= part.rows.upperBound }
                let columns = block?.columns ?? 0..<adapted.b.shape[1]
                if columns.isEmpty { return nil }
                return module(part, layer, adapted, columns: columns, trained, minus: initial, on: processor)
            }
        }
    }

    /// A = [A; A₀] and B = [B, −B₀] for some columns of B. A₀ and B₀ are the initial matrices of PiSSA, if there are any.
    private static func module(
        _ part: PEFTModules.Part, _ layer: PEFTModules.Layer, _ adapted: LoRALayer, columns: Range<Int>, _ trained: Buffer,
        minus initial: Buffer?, on processor: Processor
    ) -> Module {
        let sources = [(trained, Float(1))] + (initial.map { [($0, Float(-1))] } ?? [])
        let I = layer.inputs, width = adapted.a.shape[0], rows = part.rows.count, R = columns.count, rank = R * sources.count
        let a = processor.buffer(of: rank * I, .float32), b = processor.buffer(of: rows * rank, .float32)
        for (index, (values, sign)) in sources.enumerated() {
            let own = values[adapted.a.range]
            a[index * R * I..<(index + 1) * R * I].copy(from: own[columns.lowerBound * I..<columns.upperBound * I])
            values[adapted.b.range].read { source in
                b.write { target in
                    for row in 0..<rows {
                        let start = (part.rows.lowerBound + (part.order?[row] ?? row)) * width
                        for (r, column) in columns.enumerated() { target[row * rank + index * R + r] = sign * source[start + column] }
                    }
                }
            }
        }
        let magnitude = adapted.magnitude.map { parameter in
            let own = processor.buffer(of: rows, .float32)
            trained[parameter.range].read { source in
                own.write { target in for row in 0..<rows { target[row] = source[part.rows.lowerBound + (part.order?[row] ?? row)] } }
            }
            return own
        }
        return Module(part: part, rank: rank, inputs: I, outputs: rows, a: a, b: b, magnitude: magnitude)
    }

    private static func adapterConfig(
        _ written: [Module], _ shape: LoRAConfiguration, _ modules: PEFTModules, _ whole: [String], _ baseModel: String?
    ) -> [UInt8] {
        let scale = shape.scale
        // The most frequent rank is that of all modules which `rank_pattern` does not name.
        let counts = written.reduce(into: [Int: Int]()) { $0[$1.rank, default: 0] += 1 }
        let rank = counts.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key ?? 1
        func alpha(_ rank: Int) -> Double { Double("\(scale)").map { $0 * Double(rank) } ?? Double(scale) * Double(rank) }
        func write(_ number: Double, to object: inout JSONWriter) {
            if let whole = Int(exactly: number) { object.integer(whole) } else { object.number(number) }
        }
        let others = Pattern(written, modules).ranks(except: rank)
        return JSONWriter.file {
            for (key, text) in [("peft_type", "LORA"), ("task_type", "CAUSAL_LM")] { $0[key] = text }
            $0["base_model_name_or_path"] = baseModel
            $0["inference_mode"] = true
            $0["r"] = rank
            $0.key("lora_alpha"); write(alpha(rank), to: &$0)
            $0["lora_dropout"] = Double("\(shape.dropout)") ?? 0
            $0["target_modules"] = Pattern(written, modules).targets
            $0.object("rank_pattern") { for (name, rank) in others { $0[name] = rank } }
            $0.object("alpha_pattern") { for (name, rank) in others { $0.key(name); write(alpha(rank), to: &$0) } }
            $0["bias"] = "none"
            $0["fan_in_fan_out"] = modules.family.names.transposed == .all
            $0["init_lora_weights"] = true
            $0["use_rslora"] = false
            $0["use_dora"] = shape.usesDoRA
            $0["modules_to_save"] = whole.isEmpty ? nil : whole
        }
    }

    /// Names of modules: short ones where all layers have them.
    private struct Pattern {
        /// By the name in each layer.
        private var written: [(name: String, modules: [Module])] = []
        private let isInAllLayers: Bool
        private let shortNames: [String]

        init(_ modules: [Module], _ all: PEFTModules) {
            for module in modules {
                let index = written.firstIndex { $0.name == module.part.shortName }
                if let index { written[index].modules.append(module) } else { written.append((module.part.shortName, [module])) }
            }
            let counts = all.layers.flatMap(\.parts).reduce(into: [String: Int]()) { $0[$1.shortName, default: 0] += 1 }
            isInAllLayers = written.allSatisfy { $0.modules.count == counts[$0.name] }
            shortNames = counts.keys.sorted() + all.frozenNames
        }

        /// The last part of a name, if it is that of no module that is not written.
        private func target(_ name: String) -> String {
            let last = LoRAConfiguration.target(of: name)
            let same = shortNames.filter { LoRAConfiguration.target(of: $0) == last }
            return same.allSatisfy { name in written.contains { $0.name == name } } ? last : name
        }

        var targets: [String] {
            let names = isInAllLayers ? written.map { target($0.name) } : written.flatMap { $0.modules.map(\.part.module) }
            var seen: Set<String> = []
            return names.filter { seen.insert($0).inserted }
        }

        func ranks(except usual: Int) -> [(name: String, rank: Int)] {
            written.flatMap { name, modules -> [(String, Int)] in
                let ranks = Set(modules.map(\.rank))
                if ranks == [usual] { return [] }
                if ranks.count == 1, isInAllLayers { return [(name, modules[0].rank)] }
                return modules.filter { $0.rank != usual }.map { ($0.part.module, $0.rank) }
            }
        }
    }
}
