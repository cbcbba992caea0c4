import Autograd
import Kernels
import Model

/// Which tensors of a format make up each parameter of a model, in the order of the parameters.
///
///     let layout = TensorLayout(configuration, TensorNames.llama)
///     layout.parameters[2].parts.map(\.name)                   // …q_proj.weight, …k_proj.weight, …v_proj.weight
struct TensorLayout {
    private(set) var parameters: [(parameter: Parameter, parts: [TensorPart])] = []

    init(_ configuration: GPTConfiguration, _ names: TensorNames) {
        var list = ParameterList()
        _ = GPT(configuration, in: &list)
        let rows = QueryKeyRows(configuration, names), experts = configuration.experts?.count ?? 0
        parameters = list.parameters.map { ($0, Self.parts(of: $0, names, rows, experts: experts)) }
    }

    /// The parts of each parameter in the order of a file, in which those of one tensor follow each other.
    var fileOrder: [(parameter: Parameter, part: TensorPart)] {
        var order: [String] = [], byTensor: [String: [(Parameter, TensorPart)]] = [:]
        for (parameter, parts) in parameters {
            for part in parts {
                if byTensor[part.name] == nil { order.append(part.name) }
                byTensor[part.name, default: []].append((parameter, part))
            }
        }
        return order.flatMap { byTensor[$0] ?? [] }
    }

    private static func parts(
        of parameter: Parameter, _ names: TensorNames, _ rows: QueryKeyRows, experts: Int
    ) -> [TensorPart] {
        let tensors = names.names(of: parameter.name), shape = parameter.shape.sizes
        let isWeight = parameter.name.hasSuffix(".weight")
        let isVector = names.vectors.contains(TensorNames.part(of: parameter.name))
        let isNorm = parameter.name.contains("norm"), isLinear = isWeight && !isNorm && parameter.name.hasPrefix("layer")
        let heights = tensors.count == 3 ? rows.heights : [Int](repeating: shape[0] / max(1, tensors.count), count: tensors.count)
        var parts: [TensorPart] = [], start = 0
        for (i, name) in tensors.enumerated() {
            var part = TensorPart(name: name, shape: [heights[i]] + shape.dropFirst(), rows: start..<start + heights[i])
            // A row of the queries' and keys' weights, or the only row.
            if isNorm && shape.count == 2 || isVector { part.shape = [shape[1]] }
            if parameter.name.contains(".qkv.") {
                part.order = tensors.count == 1 ? rows.all : i == 0 ? rows.queries : i == 1 ? rows.keys : nil
            }
            let isOfExpert = parameter.name.contains(".expert")
            part.isTransposed = isLinear && (names.transposed == .all || names.transposed == .experts && isOfExpert)
            if names.alternatesGates, parameter.name.contains(".up.") {
                let half = heights[i] / 2
                part.order = RowOrder(count: heights[i]) { $0 % 2 * half + $0 / 2 }
            }
            if part.isTransposed { part.shape.reverse() }
            if isNorm, isWeight { part.offset = names.normOffset }
            if let expert = names.stackedExpert(of: parameter.name) { part.slice = (expert, experts) }
            parts.append(part)
            start += heights[i]
        }
        return parts
    }
}

/// The order of the rows of queries, keys and values in a file. nil if it is that of slm.
private struct QueryKeyRows {
    let heights: [Int]
    private(set) var queries: RowOrder?, keys: RowOrder?
    /// The order of queries, keys and values in one tensor.
    private(set) var all: RowOrder?

    init(_ configuration: GPTConfiguration, _ names: TensorNames) {
        let heads = AttentionHeads(configuration.heads, keys: configuration.keyValueHeads, width: configuration.headWidth), D = heads.width
        heights = [heads.queryWidth, heads.keyWidth, heads.keyWidth]
        let order = names.rotaryOrder, R = min(configuration.rotary.width ?? D, D)
        func channel(_ i: Int) -> Int { Self.channel(i, order, width: D, rotating: R) }
        let isSame = configuration.positions != .rotary || (0..<D).allSatisfy { channel($0) == $0 }
        func row(_ i: Int) -> Int { isSame ? i : i / D * D + channel(i % D) }
        if !isSame {
            queries = RowOrder(count: heads.queryWidth, row)
            keys = RowOrder(count: heads.keyWidth, row)
        }
        let positioned = heads.queryWidth + heads.keyWidth
        if names.alternatesHeads {
            // A head has D queries, D keys and D values. There are as many heads of each.
            all = RowOrder(count: heads.rowWidth) { i in
                let own = i / D % 3 * heads.queryWidth + i / (3 * D) * D + i % D
                return own < positioned ? row(own) : own
            }
        } else if !isSame {
            all = RowOrder(count: heads.rowWidth) { $0 < positioned ? row($0) : $0 }
        }
    }

    /// The channel in slm of a channel of a head in the file.
    private static func channel(_ i: Int, _ order: TensorNames.RotaryOrder, width D: Int, rotating R: Int) -> Int {
        switch order {
        case .halves: return i
        case .neighbors: return i % 2 * (D / 2) + i / 2
        case .halvesOfRotating:
            // slm keeps the channels that do not rotate at the end of each half.
            if i < R { return i < R / 2 ? i : i - R / 2 + D / 2 }
            return i - R < (D - R) / 2 ? R / 2 + i - R : i
        }
    }
}

extension Parameter {
    /// The numbers of a row. The rows of a parameter with one dimension are numbers.
    var columns: Int { shape.count / max(1, shape[0]) }
}
