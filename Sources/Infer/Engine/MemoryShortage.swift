package import Kernels

/// A model whose weights do not fit into the memory that is free. It is refused before they are packed: the system would end the process,
/// or another one.
package struct MemoryShortage: Error, CustomStringConvertible {
    /// In bytes.
    package let needed, free: Int
    package let precision: WeightPrecision
    /// The most precise other data type in which the weights fit, with its size in bytes.
    package let alternative: (precision: WeightPrecision, bytes: Int)?

    /// Nil if there is no shortage.
    ///
    /// - Parameter bitsPerWeight: The size of a weight in `precision`; those of a quantized file keep the file's.
    package init?(needed: Int, free: Int, precision: WeightPrecision, bitsPerWeight: Double) {
        guard needed > free else { return nil }
        self.needed = needed
        self.free = free
        self.precision = precision
        let smaller = Self.bitsPerWeight.filter { $0.bits < 0.9 * bitsPerWeight }.map { type, bits in
            (precision: type, bytes: Int(Double(needed) * bits / bitsPerWeight))
        }
        alternative = smaller.first { $0.bytes < free }
    }

    /// With the scales of groups, from the most precise one.
    private static let bitsPerWeight: [(type: WeightPrecision, bits: Double)] = [(.bfloat16, 16), (.int8, 8.5), (.int4, 5.5)]

    package var description: String {
        func text(_ bytes: Int) -> String { (bytes < 1_000_000_000 ? "\(bytes / 1_000_000) MB" : "\(Double(bytes / 100_000_000) / 10) GB") }
        let advice = alternative.map { "use --dtype \($0.precision.rawValue) (\(text($0.bytes)))" } ?? "use a smaller model"
        return "the weights need \(text(needed)) of memory in \(precision.rawValue), and \(text(free)) are free: \(advice)."
    }
}
