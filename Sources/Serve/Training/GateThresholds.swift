import JSON
import Store

/// When a candidate is good enough, as owners have set it: the options of `slm gate`.
struct GateThresholds: Equatable {
    var maxReplayLossRise = 0.01
    var minHeldOutGain = 0.0
    var significance = 0.05
    /// The share of the owner's questions with known answers that must be answered right.
    var minRightAnswers = 0.0
    var requiresBetter = false
    /// Files of general chats on the server's machine; nil for those that the run mixed in.
    var general: [String]?

    static let members = [
        "max_replay_loss_rise", "min_held_out_gain", "significance", "min_right_answers", "requires_better", "general",
    ]

    init() {}

    /// Fields that are missing keep their defaults.
    init(_ fields: RequestFields) throws(APIError) {
        func number(_ name: String, _ range: ClosedRange<Double>, _ fallback: Double) throws(APIError) -> Double {
            guard let number = try fields.number(name) else { return fallback }
            guard range.contains(number) else {
                throw .invalid(name, "expected \(range.lowerBound) to \(range.upperBound), found \(number).")
            }
            return number
        }
        maxReplayLossRise = try number("max_replay_loss_rise", 0...10, maxReplayLossRise)
        minHeldOutGain = try number("min_held_out_gain", 0...100, minHeldOutGain)
        significance = try number("significance", 0.0001...0.5, significance)
        minRightAnswers = try number("min_right_answers", 0...1, minRightAnswers)
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
        var parser = JSONParser()
        guard let json, let root = try? parser.parse(json), let stored = try? GateThresholds(RequestFields(root)) else { return }
        self = stored
    }

    func write(to object: inout JSONWriter) {
        object["max_replay_loss_rise"] = maxReplayLossRise
        object["min_held_out_gain"] = minHeldOutGain
        object["significance"] = significance
        object["min_right_answers"] = minRightAnswers
        object["requires_better"] = requiresBetter
        object.key("general")
        if let general { object.array { list in for path in general { list.string(path) } } } else { object.null() }
    }

    var json: String {
        var writer = JSONWriter()
        writer.object { write(to: &$0) }
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// For `slm gate`.
    var arguments: [String] {
        ["--max-replay-loss-rise", "\(maxReplayLossRise)", "--min-held-out-gain", "\(minHeldOutGain)", "--significance", "\(significance)",
         "--min-right-answers", "\(minRightAnswers)"] + (requiresBetter ? ["--require-better"] : [])
    }
}
