extension Double {
    /// Rounds to a number of decimals, for readers of JSON.
    package func rounded(toPlaces count: Int) -> Double {
        let factor = (0..<count).reduce(1.0) { power, _ in power * 10 }
        return (self * factor).rounded() / factor
    }
}
