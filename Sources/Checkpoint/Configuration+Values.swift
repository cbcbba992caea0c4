import Autograd
import Kernels
package import Model

extension GPTConfiguration {
    /// The configuration as the checkpoint's `configuration` group.
    package var values: OrderedDictionary<CheckpointValue> {
        [
            "layers": .integer(layers), "heads": .integer(heads), "width": .integer(width), "context": .integer(context),
            "vocabulary": .integer(vocabulary), "dropout": .number(Double(dropout)), "bias": .integer(hasBias ? 1 : 0),
            "tied": .integer(isTied ? 1 : 0), "norm": .text(norm.rawValue), "activation": .text("\(activation)"),
            "positions": .text(positions.rawValue), "qk_norm": .integer(hasQKNorm ? 1 : 0),
        ]
    }

    /// Reads a `configuration` group and checks every field, because an impossible one would trap later.
    ///
    /// Fields that older files lack have a default.
    package init(_ values: OrderedDictionary<CheckpointValue>, path: String) throws(CheckpointError) {
        var values = values
        if values["positions"] == nil { values["positions"] = .text(Positions.learned.rawValue) }
        if values["qk_norm"] == nil { values["qk_norm"] = 0 }
        func mismatch(_ name: String, _ expected: String) -> CheckpointError {
            .mismatch(path: path, name: "configuration/\(name)", expected: expected, found: values[name].map(\.displayText) ?? "nothing")
        }
        func integer(_ name: String, _ range: ClosedRange<Int>) throws(CheckpointError) -> Int {
            guard case .integer(let value)? = values[name], range.contains(value) else {
                throw mismatch(name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        func choice<Choice>(_ name: String, _ choices: [(String, Choice)]) throws(CheckpointError) -> Choice {
            guard case .text(let text)? = values[name], let choice = choices.first(where: { $0.0 == text }) else {
                throw mismatch(name, "one of \(choices.map(\.0).joined(separator: ", "))")
            }
            return choice.1
        }
        let heads = try integer("heads", 1...65_536)
        let width = try integer("width", 1...1_048_576)
        guard width % heads == 0 else { throw mismatch("width", "a multiple of the \(heads) heads") }
        self.init(
            layers: try integer("layers", 0...1_024), heads: heads, width: width,
            context: try integer("context", 1...16_777_216), vocabulary: try integer("vocabulary", 1...16_777_216)
        )
        guard case .number(let dropout)? = values["dropout"], dropout >= 0, dropout < 1 else {
            throw mismatch("dropout", "a number from 0 to below 1")
        }
        self.dropout = Float(dropout)
        hasBias = try integer("bias", 0...1) == 1
        isTied = try integer("tied", 0...1) == 1
        norm = try choice("norm", Norm.Kind.allCases.map { ($0.rawValue, $0) })
        activation = try choice("activation", UnaryFunction.allCases.map { ("\($0)", $0) })
        positions = try choice("positions", Positions.allCases.map { ($0.rawValue, $0) })
        if positions == .rotary, headWidth % 2 != 0 { throw mismatch("positions", "learned or none, since heads are \(headWidth) wide") }
        hasQKNorm = try integer("qk_norm", 0...1) == 1
        let known = Set(self.values.names)
        for name in values.names where !known.contains(name) {
            throw mismatch(name, "no such field in version \(CheckpointHeader.version)")
        }
    }
}
