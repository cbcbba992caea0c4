import Kernels

extension RotaryPositions {
    /// The positions in a checkpoint's notation, such as `base=500000 scaling=llama3 factor=32 low=1 high=4 context=8192`.
    var text: String {
        var words = ["base=\(base)"]
        if let width { words.append("width=\(width)") }
        switch scaling {
        case .none: break
        case .linear(let factor): words += ["scaling=linear", "factor=\(factor)"]
        case .llama3(let factor, let low, let high, let context):
            words += ["scaling=llama3", "factor=\(factor)", "low=\(low)", "high=\(high)", "context=\(context)"]
        case .yarn(let factor, let fast, let slow, let context, let magnitude, let truncates):
            words += ["scaling=yarn", "factor=\(factor)", "fast=\(fast)", "slow=\(slow)", "context=\(context)"]
            words += ["magnitude=\(magnitude)", "truncates=\(truncates ? 1 : 0)"]
        }
        return words.joined(separator: " ")
    }

    /// Parses ``text``; nil if it is not in that notation or has impossible values.
    init?(text: String) {
        var words: [String: String] = [:]
        for word in text.split(separator: " ") {
            let parts = word.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, words.updateValue(String(parts[1]), forKey: String(parts[0])) == nil else { return nil }
        }
        func number(_ name: String, _ range: ClosedRange<Double> = 1e-6...1e9) -> Double? {
            guard let value = words.removeValue(forKey: name).flatMap({ Double($0) }), range.contains(value) else { return nil }
            return value
        }
        guard let base = number("base", 1.0...1e12) else { return nil }
        self.init(base: base)
        if let text = words.removeValue(forKey: "width") {
            guard let width = Int(text), width >= 0, width % 2 == 0 else { return nil }
            self.width = width
        }
        switch words.removeValue(forKey: "scaling") {
        case nil: break
        case "linear":
            guard let factor = number("factor") else { return nil }
            scaling = .linear(factor: factor)
        case "llama3":
            guard let factor = number("factor"), let low = number("low"), let high = number("high"), let context = number("context"),
                  high > low
            else { return nil }
            scaling = .llama3(factor: factor, low: low, high: high, context: context)
        case "yarn":
            guard let factor = number("factor"), let fast = number("fast"), let slow = number("slow"), let context = number("context"),
                  let magnitude = number("magnitude"), let truncates = number("truncates", 0...1)
            else { return nil }
            scaling = .yarn(factor: factor, fast: fast, slow: slow, context: context, magnitude: magnitude, truncates: truncates == 1)
        default: return nil
        }
        guard words.isEmpty else { return nil }
    }
}
