import Autograd
import Kernels
package import Model

extension GPTConfiguration {
    /// The numbers by the names that a checkpoint gives them.
    package var values: Named<Value> {
        ["layers": .integer(layers), "heads": .integer(heads), "width": .integer(width), "context": .integer(context), "vocabulary": .integer(vocabulary),
         "dropout": .number(Double(dropout)), "bias": .integer(hasBias ? 1 : 0), "tied": .integer(isTied ? 1 : 0),
         "norm": .text(norm.rawValue), "activation": .text("\(activation)"),
         "positions": .text(positions.rawValue), "qk_norm": .integer(hasQKNorm ? 1 : 0)]
    }

    /// Checks each number: they come from a file, and a model of impossible numbers would stop the program.
    ///
    /// What was added after the first files were written has a default: what every model was before.
    package init(_ values: Named<Value>, path: String) throws(CheckpointError) {
        var values = values
        for (name, value) in [("positions", Value.text(Positions.learned.rawValue)), ("qk_norm", 0)] where values[name] == nil { values[name] = value }
        func wrong(_ name: String, _ expected: String) -> CheckpointError {
            .mismatch(path: path, name: "configuration/\(name)", expected: expected, found: values[name].map(\.shown) ?? "nothing")
        }
        func integer(_ name: String, _ range: ClosedRange<Int>) throws(CheckpointError) -> Int {
            guard case .integer(let value)? = values[name], range.contains(value) else {
                throw wrong(name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        func word<Choice>(_ name: String, _ choices: [(String, Choice)]) throws(CheckpointError) -> Choice {
            guard case .text(let text)? = values[name], let choice = choices.first(where: { $0.0 == text }) else {
                throw wrong(name, "one of \(choices.map(\.0).joined(separator: ", "))")
            }
            return choice.1
        }
        let heads = try integer("heads", 1...65_536), width = try integer("width", 1...1_048_576)
        guard width % heads == 0 else { throw wrong("width", "a multiple of the \(heads) heads") }
        self.init(layers: try integer("layers", 0...1_024), heads: heads, width: width,
                  context: try integer("context", 1...16_777_216), vocabulary: try integer("vocabulary", 1...16_777_216))
        guard case .number(let dropout)? = values["dropout"], dropout >= 0, dropout < 1 else { throw wrong("dropout", "a number from 0 to below 1") }
        self.dropout = Float(dropout)
        hasBias = try integer("bias", 0...1) == 1
        isTied = try integer("tied", 0...1) == 1
        norm = try word("norm", Norm.Kind.allCases.map { ($0.rawValue, $0) })
        activation = try word("activation", Function.allCases.map { ("\($0)", $0) })
        positions = try word("positions", Positions.allCases.map { ($0.rawValue, $0) })
        if positions == .rotary, headWidth % 2 != 0 { throw wrong("positions", "no rotary ones with heads \(headWidth) wide") }
        hasQKNorm = try integer("qk_norm", 0...1) == 1
        let known = Set(self.values.names)
        for name in values.names where !known.contains(name) { throw wrong(name, "nothing of that name in version \(Seal.version)") }
    }
}
