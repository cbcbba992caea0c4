extension Double {
    /// A number of seconds for people.
    ///
    ///     0.0002.durationText                                      // "under 1 ms"
    ///     0.037.durationText                                       // "37 ms"
    ///     1.25.durationText                                        // "1.25 s"
    package var durationText: String {
        if self < 0.0005 { return "under 1 ms" }
        if self < 0.9995 { return "\(Int((self * 1_000).rounded())) ms" }
        let hundredths = Int((self * 100).rounded())
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
    }
}
