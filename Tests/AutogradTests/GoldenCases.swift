import Autograd
import Kernels
import Testing
import TestSupport

/// A call of a tape operation, named as in Tests/Golden/make_golden.py.
struct GoldenCase: Sendable, CustomTestStringConvertible {
    let name: String
    let call: @Sendable (Tape, Inputs) -> Tensor
    var testDescription: String { name }

    init(_ name: String, _ call: @escaping @Sendable (Tape, Inputs) -> Tensor) {
        self.name = name
        self.call = call
    }

    static let all = products + linears + arithmetic + functions + reductions + rows + lookupsAndViews + attentions + heads + losses

    private static let products = [
        GoldenCase("matmul") { $0.matmul($1.a, $1.b) },
        GoldenCase("matmul of vectors") { $0.matmul($1.a, $1.b) },
        GoldenCase("matmul of columns, both transposed") { $0.matmul($0.transpose($1.a), $0.transpose($1.b)) },
        GoldenCase("matmul of a column and a row") { $0.matmul($1.a, $1.b) },
        GoldenCase("matmul, a transposed") { $0.matmul($0.transpose($1.a), $1.b) },
        GoldenCase("matmul, b transposed") { $0.matmul($1.a, $0.transpose($1.b)) },
        GoldenCase("matmul, both transposed") { $0.matmul($0.transpose($1.a), $0.transpose($1.b)) },
        GoldenCase("matmul along 1025") { $0.matmul($1.a, $1.b) },
        GoldenCase("matmul batched") { $0.matmul($1.a, $1.b) },
        GoldenCase("matmul batched twice, b transposed") { $0.matmul($1.a, $0.transpose($1.b)) },
        GoldenCase("matmul, one b for all") { $0.matmul($1.a, $1.b) },
        GoldenCase("matmul, one a for all") { $0.matmul($1.a, $1.b) },
        GoldenCase("matmul stretched both ways") { $0.matmul($1.a, $1.b) },
    ]

    /// The activations of MLPs.
    private static let activations: [UnaryFunction] = [.tanh, .sigmoid, .relu, .reluSquared, .gelu, .exactGELU, .silu]

    private static let linears = [
        GoldenCase("linear") { $0.linear($1.input, weight: $1.weight) },
        GoldenCase("linear of one row") { $0.linear($1.input, weight: $1.weight, bias: $1.bias) },
        GoldenCase("linear with bias") { $0.linear($1.input, weight: $1.weight, bias: $1.bias) },
        GoldenCase("linear plus") { $0.linear($1.input, weight: $1.weight, plus: $1.plus) },
        GoldenCase("linear with bias, plus") { $0.linear($1.input, weight: $1.weight, bias: $1.bias, plus: $1.plus) },
        GoldenCase("linear then gelu, plus") { $0.linear($1.input, weight: $1.weight, bias: $1.bias, then: .gelu, plus: $1.plus) },
    ] + activations.map { f in
        GoldenCase("linear then \(f)") { $0.linear($1.input, weight: $1.weight, bias: $1.bias, then: f) }
    }

    private static let arithmetic = ["alike", "a row", "a column", "a number", "both ways", "four axes"].flatMap { stretch in
        [
            GoldenCase("add \(stretch)") { $0.add($1.input, $1.other) },
            GoldenCase("subtract \(stretch)") { $0.subtract($1.input, $1.other) },
            GoldenCase("multiply \(stretch)") { $0.multiply($1.input, $1.other) },
            GoldenCase("divide \(stretch)") { $0.divide($1.input, by: $1.other) },
        ]
    } + [
        GoldenCase("subtract a larger one") { $0.subtract($1.input, $1.other) },
        GoldenCase("divide by a larger one") { $0.divide($1.input, by: $1.other) },
        GoldenCase("scale") { $0.scale($1.x, by: 1.75) },
    ]

    private static let functions = [
        GoldenCase("exp") { $0.exp($1.x) },
        GoldenCase("log") { $0.log($1.x) },
        GoldenCase("sqrt") { $0.sqrt($1.x) },
        GoldenCase("softCap") { $0.softCap($1.x, at: 1.5) },
    ] + activations.map { f in
        GoldenCase("\(f)") { $0.apply(f, to: $1.x) }
    }

    private static let reductions = [
        GoldenCase("sum") { $0.sum($1.input) },
        GoldenCase("mean") { $0.mean($1.input) },
        GoldenCase("sum of columns") { $0.sum($1.x, along: 0) },
        GoldenCase("sum of rows") { $0.sum($1.x, along: -1) },
    ] + (0..<3).flatMap { axis in
        [
            GoldenCase("sum along \(axis)") { $0.sum($1.x, along: axis) },
            GoldenCase("mean along \(axis)") { $0.mean($1.x, along: axis) },
            GoldenCase("max along \(axis)") { $0.max($1.x, along: axis) },
        ]
    }

    private static let rows = [1, 33, 65].flatMap { C in
        [
            GoldenCase("softmax of \(C)") { $0.softmax($1.x) },
            GoldenCase("logSoftmax of \(C)") { $0.logSoftmax($1.x) },
        ]
    } + [(1, 16), (3, 1e-5), (17, 1e-5), (65, 1e-5)].flatMap { (C, epsilon: Float) in
        [
            GoldenCase("layerNorm of \(C)") { $0.layerNorm($1.x, scale: $1.weight, shift: $1.bias, epsilon: epsilon) },
            GoldenCase("layerNorm of \(C) without bias") { $0.layerNorm($1.x, scale: $1.weight, epsilon: epsilon) },
            GoldenCase("rmsNorm of \(C)") { $0.rmsNorm($1.x, scale: $1.weight, epsilon: epsilon) },
        ]
    }

    private static let lookupsAndViews = [
        GoldenCase("embed") { $0.embed($1.ids, in: $1.table) },
        GoldenCase("embed with positions") { $0.embed($1.ids, in: $1.table, plus: $1.positions) },
        GoldenCase("gather") { $0.gather($1.x, rows: $1.ids) },
        GoldenCase("concat along 0") { $0.concat([$1.a, $1.b, $1.c], along: 0) },
        GoldenCase("concat along 1") { $0.concat([$1.a, $1.b, $1.c], along: 1) },
        GoldenCase("concat along 2") { $0.concat([$1.a, $1.b, $1.c], along: 2) },
        GoldenCase("slice along 0") { $0.slice($1.x, along: 0, 1..<3) },
        GoldenCase("slice along 1") { $0.slice($1.x, along: 1, 2..<3) },
        GoldenCase("slice along 2") { $0.slice($1.x, along: -1, 4..<17) },
        GoldenCase("transpose") { $0.transpose($1.x) },
        GoldenCase("transpose 0 and 2") { $0.transpose($1.x, 0, 2) },
        GoldenCase("reshape") { $0.reshape($1.x, [6, 5]) },
        GoldenCase("reshape of a transpose") { $0.reshape($0.transpose($1.x, 0, 1), [-1, 3]) },
    ]

    private static let attentions = [(1, 2, 3), (17, 3, 5), (17, 1, 33), (65, 2, 9), (129, 1, 8)].map { (T, H, D) in
        GoldenCase("causalAttention over \(T), \(H) heads of \(D)") { $0.causalAttention($1.qkv, heads: H) }
    } + [
        GoldenCase("causalAttention in documents of 1 to 65") { $0.causalAttention($1.qkv, heads: 2, documentStarts: $1.documents) },
        GoldenCase("causalAttention with capped scores") { $0.causalAttention($1.qkv, AttentionHeads(2, width: 9, scoreCap: 1.5)) },
    ]

    private static let heads = [(2, 3, 2), (5, 3, 6), (3, 1, 66)].flatMap { (T, H, D) in
        [
            GoldenCase("rotate from 0 on, \(H) heads of \(D)") {
                $0.applyRotaryEmbedding($1.qkv, heads: H, by: $0.rotaryAngles(of: T, width: D))
            },
            GoldenCase("rotate from 300 on, \(H) heads of \(D)") {
                $0.applyRotaryEmbedding($1.qkv, heads: H, by: $0.rotaryAngles(of: T + 1, width: D, from: 300))
            },
            GoldenCase("normHeads, \(H) heads of \(D)") { $0.applyQKNorm($1.qkv, heads: H) },
        ]
    }

    private static let losses = [3, 65].flatMap { C in
        [
            GoldenCase("crossEntropy of \(C)") { $0.crossEntropy($1.x, targets: $1.targets) },
            GoldenCase("crossEntropy of \(C), some ignored") { $0.crossEntropy($1.x, targets: $1.targets) },
        ]
    } + [
        GoldenCase("linearCrossEntropy") { $0.linearCrossEntropy($1.x, weight: $1.weight, targets: $1.targets) },
        GoldenCase("linearCrossEntropy") { $0.linearCrossEntropy($1.x, weight: $1.weight, targets: $1.targets, rows: 5) },
        GoldenCase("linearCrossEntropy of capped logits") {
            $0.linearCrossEntropy($1.x, weight: $1.weight, softCap: 0.5, targets: $1.targets, rows: 20)
        },
    ]
}

/// The inputs of a case, by name: floats as variables of the tape, in the variant's storage type, and ids.
@dynamicMemberLookup struct Inputs {
    let tape: Tape
    let kernels: KernelVariant
    /// In f32, so that gradients are f32.
    let variables: [String: Tensor]
    private let ids: [String: Tensor]

    init(of name: String, from golden: GoldenTensors, on tape: Tape, _ kernels: KernelVariant) {
        var variables: [String: Tensor] = [:], ids: [String: Tensor] = [:]
        for key in golden.names where key.hasPrefix("\(name)/") {
            let input = String(key.dropFirst(name.count + 1))
            if golden.isIDs(key) {
                ids[input] = tape.ids(golden.ids(key), golden.shape(key))
            } else if golden.has("\(name)/d\(input)") {
                variables[input] = tape.variable(golden.floats(key), golden.shape(key))
            }
        }
        self.tape = tape
        self.kernels = kernels
        self.variables = variables
        self.ids = ids
    }

    /// Parameters and residual inputs are always f32.
    private static let alwaysFloat32: Set<String> = ["weight", "bias", "plus", "table", "positions"]

    subscript(dynamicMember name: String) -> Tensor {
        if let ids = ids[name] { return ids }
        guard let variable = variables[name] else { preconditionFailure("no input is named \(name)") }
        return Self.alwaysFloat32.contains(name) ? variable : tape.cast(variable, to: kernels.storage)
    }
}
