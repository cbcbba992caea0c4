import Kernels

func median(_ values: [Double]) -> Double {
    require(!values.isEmpty, "the median of nothing")
    let sorted = values.sorted(), middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

extension String {
    /// With spaces behind, or before, up to a width.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
    func leftPadded(to width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}

extension Double {
    /// With so many digits behind the point.
    func fixed(_ digits: Int) -> String {
        guard isFinite else { return "\(self)" }
        let factor = (0..<digits).reduce(1.0) { power, _ in power * 10 }
        let scaled = (magnitude * factor).rounded(), whole = Int(scaled / factor), rest = Int(scaled - Double(whole) * factor)
        let sign = self < 0 && scaled > 0 ? "-" : ""
        return digits == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(String(rest).zeroPadded(to: digits))"
    }
}

extension String {
    fileprivate func zeroPadded(to width: Int) -> String { String(repeating: "0", count: max(0, width - count)) + self }
}
