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
        case .long(let factors):
            func list(_ numbers: [Double]) -> String { numbers.map { "\($0)" }.joined(separator: ",") }
            words += ["scaling=long", "short=\(list(factors.short))", "long=\(list(factors.long))", "context=\(factors.context)"]
            words.append("magnitude=\(factors.magnitude)")
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
        func list(_ name: String) -> [Double]? {
            let numbers = words.removeValue(forKey: name)?.split(separator: ",").map { Double($0) ?? 0 } ?? []
            return !numbers.isEmpty && numbers.allSatisfy { Self.possibleFactors.contains($0) } ? numbers : nil
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
        case "long":
            guard let short = list("short"), let long = list("long"), short.count == long.count,
                  let context = number("context", 1...16_777_216), let magnitude = number("magnitude")
            else { return nil }
            scaling = .long(LongFactors(short: short, long: long, context: Int(context), magnitude: magnitude))
        default: return nil
        }
        guard words.isEmpty else { return nil }
    }

    /// Whether heads of `width` channels have as many channels, and pairs, as this has numbers for.
    func fits(_ width: Int) -> Bool {
        let rotating = self.width ?? width
        guard case .long(let factors) = scaling else { return rotating <= width }
        return rotating <= width && factors.short.count == rotating / 2
    }
}
