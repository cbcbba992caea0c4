import JSON
import Store

/// When a candidate is good enough, as owners have set it: the options of `slm gate`.
package struct GateThresholds: Equatable {
    /// By their names; those that are missing have their defaults.
    private var numbers: [String: Double] = [:]
    var requiresBetter = false
    /// Files of general chats on the server's machine; nil for those that the run mixed in.
    var general: [String]?

    /// By their names in requests, which are those of the options of `slm gate` and `slm training gate`.
    package static let numbers: [(name: String, range: ClosedRange<Double>, defaultValue: Double, help: String)] = [
        ("max_replay_loss_rise", 0...10, 0.01, "Fail if the loss on general chats rises by more than this share."),
        ("min_held_out_gain", 0...100, 0, "Call a candidate better only if it needs X bits per byte fewer."),
        ("min_right_answers", 0...1, 0, "Fail if it answers less than this share of the questions right."),
        ("significance", 0.0001...0.5, 0.05, "Accept this chance of taking noise for a difference."),
    ]
    static let members = numbers.map(\.name) + ["requires_better", "general"]

    init() {}

    /// Fields that are missing keep their defaults.
    init(_ fields: RequestFields) throws(APIError) {
        for (name, range, defaultValue, _) in Self.numbers { numbers[name] = try fields.number(name, range) ?? defaultValue }
        requiresBetter = try fields.boolean("requires_better") ?? requiresBetter
        if let value = fields["general"] {
            guard let elements = value.elements else { throw .invalid("general", "expected a list of paths.") }
            var paths: [String] = []
            for element in elements {
                guard let path = element.string, !path.isEmpty else { throw .invalid("general", "expected a list of paths.") }
                paths.append(path)
            }
            general = paths
        }
    }

    /// Thresholds that are stored; the defaults if a later version stored something else.
    init(json: String?) {
        self.init()
        guard let json, let root = try? JSONElement(parsing: json), let stored = try? GateThresholds(RequestFields(root)) else { return }
        self = stored
    }

    func write(to object: inout JSONWriter) {
        for (name, _, defaultValue, _) in Self.numbers { object[name] = numbers[name] ?? defaultValue }
        object["requires_better"] = requiresBetter
        object["general"] = general
    }

    var json: String {
        return JSONWriter.text { write(to: &$0) }
    }

    /// For `slm gate`.
    var arguments: [String] {
        Self.numbers.flatMap { name, _, defaultValue, _ in ["--" + name.replacing("_", with: "-"), "\(numbers[name] ?? defaultValue)"] }
            + (requiresBetter ? ["--require-better"] : [])
    }
}
