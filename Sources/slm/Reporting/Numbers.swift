import Kernels

func median(_ values: [Double]) -> Double {
    require(!values.isEmpty, "the median of no values")
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

extension String {
    /// Adds spaces at the end up to a width.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
    /// Adds spaces at the beginning up to a width.
    func leftPadded(to width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}

extension Double {
    /// With a number of digits after the decimal point.
    func fixed(_ digits: Int) -> String {
        guard isFinite else { return "\(self)" }
        let factor = (0..<digits).reduce(1.0) { power, _ in power * 10 }
        let scaled = (magnitude * factor).rounded()
        let whole = Int(scaled / factor)
        let fraction = String(Int(scaled - Double(whole) * factor))
        let sign = self < 0 && scaled > 0 ? "-" : ""
        let zeros = String(repeating: "0", count: max(0, digits - fraction.count))
        return digits == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(zeros)\(fraction)"
    }
}
