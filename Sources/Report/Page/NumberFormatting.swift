import Files

extension Double {
    /// Formats with fixed decimals and thousands separators.
    func fixed(_ decimals: Int) -> String {
        guard isFinite, magnitude < 1e15 else { return isFinite ? "\(self)" : "–" }
        let factor = (0..<decimals).reduce(1.0) { power, _ in power * 10 }
        let scaled = (magnitude * factor).rounded(), whole = (scaled / factor).rounded(.down), rest = "\(Int(scaled - whole * factor))"
        let sign = self < 0 && scaled > 0 ? "−" : ""
        let fraction = decimals == 0 ? "" : "." + String(repeating: "0", count: max(0, decimals - rest.count)) + rest
        return sign + Int(whole).grouped + fraction
    }

    /// Formats with three significant digits: 950, 12.3 k, 1.25 M.
    var abbreviated: String {
        for (limit, unit) in [(1e9, "B"), (1e6, "M"), (1e4, "k")] where magnitude >= limit * 0.9995 {
            let scaled = self / (limit == 1e4 ? 1e3 : limit)
            return scaled.fixed(scaled.magnitude < 9.995 ? 2 : scaled.magnitude < 99.95 ? 1 : 0) + " " + unit
        }
        return fixed(0)
    }

    /// Formats a share: 12.5 %.
    var percentage: String { "\((100 * self).fixed(1)) %" }

    /// Formats with all digits, such as a learning rate.
    var plain: String { self == rounded() && magnitude < 1e15 ? fixed(0) : "\(self)" }

    /// Formats seconds as 45 s, 12:05 or 3:02:10.
    var duration: String {
        guard isFinite, magnitude < 1e12 else { return "–" }
        let whole = Int(rounded()), two = { (n: Int) in n < 10 ? "0\(n)" : "\(n)" }
        if whole < 60 { return "\(whole) s" }
        if whole < 3_600 { return "\(whole / 60):\(two(whole % 60))" }
        return "\(whole / 3_600):\(two(whole / 60 % 60)):\(two(whole % 60))"
    }
}

extension RunSetting {
    var title: String { String(name.map { $0 == "_" ? " " : $0 }) }

    var text: String {
        switch value {
        case .text(let text): text
        case .number(let number): number.plain
        // A seed is an identifier, not a quantity.
        case .whole(let number): name == "seed" ? "\(number)" : number.grouped
        }
    }
}
