import Glibc

/// Student's t distribution.
package enum StudentDistribution {
    /// The 97.5 % quantile, by the expansion around the normal distribution (Abramowitz & Stegun 26.7.5).
    /// Uses exact values where the expansion is too rough.
    static func quantile(_ freedom: Int) -> Double {
        if let exact = [12.7062, 4.3027, 3.1824, 2.7764].dropFirst(freedom - 1).first { return exact }
        let x = 1.959964
        let v = Double(freedom)
        let g1 = (pow(x, 3) + x) / 4
        let g2 = (5 * pow(x, 5) + 16 * pow(x, 3) + 3 * x) / 96
        let g3 = (3 * pow(x, 7) + 19 * pow(x, 5) + 17 * pow(x, 3) - 15 * x) / 384
        return x + g1 / v + g2 / (v * v) + g3 / (v * v * v)
    }

    /// The probability of at least |t| on both sides: the incomplete beta function I_x(v/2, 1/2) at
    /// x = v / (v + t²), by its continued fraction (Abramowitz & Stegun 26.5.8).
    package static func tails(_ t: Double, _ freedom: Int) -> Double {
        let v = Double(freedom), x = v / (v + t * t)
        // The fraction converges fast for small x only; the function has a symmetry for the others.
        return x < (v / 2 + 1) / (v / 2 + 2.5) ? incompleteBeta(x, v / 2, 0.5) : 1 - incompleteBeta(1 - x, 0.5, v / 2)
    }

    private static func incompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
        if x <= 0 { return 0 }
        let powers: Double = a * log(x) + b * log(1 - x)
        let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + powers) / a
        // Lentz's method.
        var c = 1.0, d = 1 / max(1 - (a + b) * x / (a + 1), 1e-300), fraction = d
        for m in 1...300 {
            let m = Double(m)
            let k = a + 2 * m
            let even: Double = m * (b - m) * x / ((k - 1) * k)
            let odd: Double = -(a + m) * (a + b + m) * x / (k * (k + 1))
            for term in [even, odd] {
                d = 1 + term * d
                c = 1 + term / c
                if abs(d) < 1e-300 { d = 1e-300 }
                if abs(c) < 1e-300 { c = 1e-300 }
                d = 1 / d
                fraction *= d * c
            }
            if abs(d * c - 1) < 1e-14 { break }
        }
        return front * fraction
    }
}
