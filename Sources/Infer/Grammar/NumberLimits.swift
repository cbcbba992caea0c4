import JSON

/// The limits of a JSON number: `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum` and `multipleOf`.
///
/// Limited numbers are written without an exponent, in at most 15 digits: two such decimals are never the same `Double`, so comparing
/// digits compares the numbers.
struct NumberLimits {
    static let maxDigits = 15
    static let keywords = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]

    struct Bound {
        let value: Decimal
        let isExclusive: Bool
    }

    private(set) var low: Bound?
    private(set) var high: Bound?
    private(set) var divisor = 1

    /// Whether there is a `multipleOf`, which may be 1.
    private(set) var isInteger = false

    var isEmpty: Bool { low == nil && high == nil && !isInteger }

    init(_ parts: [SchemaPart]) throws(JSONSchemaError) {
        for part in parts {
            for keyword in Self.keywords {
                guard let value = part[keyword], value.kind != .boolean else { continue }
                let path = "\(part.path).\(keyword)"
                guard let decimal = Decimal(value) else {
                    throw JSONSchemaError(path: path, reason: "expected a number, found \(value.kind.rawValue).")
                }
                switch keyword {
                case "multipleOf":
                    guard let number = decimal.integer, number > 0, number <= 1_000_000_000 else {
                        throw JSONSchemaError(path: path, reason: "expected a whole number from 1 to 1000000000: others are not supported.")
                    }
                    var a = divisor, b = number
                    while b != 0 { (a, b) = (b, a % b) }
                    let (product, overflows) = (divisor / a).multipliedReportingOverflow(by: number)
                    guard !overflows else { throw JSONSchemaError(path: path, reason: "the common multiple is too large.") }
                    divisor = product
                    isInteger = true
                case "minimum", "exclusiveMinimum":
                    // In draft 4 of JSON Schema, exclusiveMinimum is a boolean beside minimum.
                    let isExclusive = keyword != "minimum" || part["exclusiveMinimum"]?.boolean == true
                    let bound = Bound(value: decimal, isExclusive: isExclusive)
                    if low.map({ $0.value < decimal || ($0.value == decimal && isExclusive) }) ?? true { low = bound }
                default:
                    let isExclusive = keyword != "maximum" || part["exclusiveMaximum"]?.boolean == true
                    let bound = Bound(value: decimal, isExclusive: isExclusive)
                    if high.map({ decimal < $0.value || ($0.value == decimal && isExclusive) }) ?? true { high = bound }
                }
            }
        }
    }

    /// Whether a listed value satisfies the limits.
    func allow(_ value: JSONElement) -> Bool {
        guard let decimal = Decimal(value) else { return true }
        if let low, decimal < low.value || (low.isExclusive && decimal == low.value) { return false }
        if let high, high.value < decimal || (high.isExclusive && decimal == high.value) { return false }
        return !isInteger || decimal.integer.map { $0 % divisor == 0 } ?? false
    }

    // MARK: Automaton

    /// Where a number of a given sign and number of digits before the point goes on.
    private struct Place: Hashable {
        var isNegative = false
        /// The digits before the point; 0 where the bounds do not matter.
        var length = 0
        var position = 0
        var remainder = 0
        var isInFraction = false
        /// Whether the digits so far are those of the bound.
        var followsLow = false
        var followsHigh = false
        var needsDigit = false
    }

    private enum Key: Hashable {
        case start, negative
        case place(Place)
    }

    func automaton(integersOnly: Bool) throws(RegularExpressionError) -> Automaton {
        let minus: UInt32 = 0x2D
        let isIntegral = integersOnly || isInteger
        return try Automaton.explored(from: Key.start) { key -> (accepts: Bool, edges: [(ClosedRange<UInt32>, Key)]) in
            switch key {
            case .start:
                var edges = firstDigits(isNegative: false)
                if magnitudes(isNegative: true) != nil { edges.append((minus...minus, .negative)) }
                return (false, edges)
            case .negative: return (false, firstDigits(isNegative: true))
            case .place(let place): return (accepts(place), following(place, isIntegral))
            }
        }
    }

    /// The bounds of the number without its sign; nil if no number of this sign is allowed.
    private func magnitudes(isNegative: Bool) -> (low: Bound, high: Bound?)? {
        let zero = Decimal.zero
        if isNegative {
            if let low, !(low.value < zero) { return nil }
            // -0 is left out.
            let least = high.flatMap { $0.value < zero ? Bound(value: $0.value.negated, isExclusive: $0.isExclusive) : nil }
            return (least ?? Bound(value: zero, isExclusive: true), low.map { Bound(value: $0.value.negated, isExclusive: $0.isExclusive) })
        }
        if let high, high.value < zero { return nil }
        let least = low.flatMap { $0.value < zero ? nil : $0 }
        return (least ?? Bound(value: zero, isExclusive: false), high)
    }

    private func firstDigits(isNegative: Bool) -> [(ClosedRange<UInt32>, Key)] {
        guard let (low, high) = magnitudes(isNegative: isNegative) else { return [] }
        var edges: [(ClosedRange<UInt32>, Key)] = []
        for length in 1...Self.maxDigits where length >= low.value.whole.count && length <= high?.value.whole.count ?? .max {
            let place = Place(
                isNegative: isNegative, length: length, followsLow: length == low.value.whole.count,
                followsHigh: length == high?.value.whole.count)
            edges += digits(place, low, high)
        }
        return edges
    }

    private func following(_ place: Place, _ isIntegral: Bool) -> [(ClosedRange<UInt32>, Key)] {
        // Where the bounds do not matter, the sign is that of positive numbers, which need not be allowed.
        let (low, high) = magnitudes(isNegative: place.isNegative) ?? (Bound(value: .zero, isExclusive: false), nil)
        if place.isInFraction {
            return place.length + place.position < Self.maxDigits ? digits(place, low, high) : []
        }
        if place.position < place.length { return digits(place, low, high) }
        if isIntegral || place.length >= Self.maxDigits { return [] }
        var next = place
        next.isInFraction = true
        next.position = 0
        next.needsDigit = true
        return [(0x2E...0x2E, .place(next))]
    }

    private func digits(_ place: Place, _ low: Bound, _ high: Bound?) -> [(ClosedRange<UInt32>, Key)] {
        func digit(_ value: Decimal?) -> UInt8 {
            guard let value else { return 0 }
            let list = place.isInFraction ? value.fraction : value.whole
            return place.position < list.count ? list[place.position] : 0
        }
        let isFirst = !place.isInFraction && place.position == 0 && place.length > 1
        let least = max(place.followsLow ? digit(low.value) : 0, isFirst ? 1 : 0), most = place.followsHigh ? digit(high?.value) : 9
        var edges: [(ClosedRange<UInt32>, Key)] = []
        for number in UInt8(0)...9 where number >= least && number <= most {
            var next = place
            next.position += 1
            next.needsDigit = false
            next.followsLow = place.followsLow && number == digit(low.value)
            next.followsHigh = place.followsHigh && number == digit(high?.value)
            next.remainder = (place.remainder * 10 + Int(number)) % divisor
            if !next.followsLow, !next.followsHigh, divisor > 1 {
                // Whole numbers that are within the bounds differ in their further digits only.
                next.position = Self.maxDigits - (place.length - next.position)
                next.length = Self.maxDigits
                next.isNegative = false
            }
            edges.append((0x30 + UInt32(number)...0x30 + UInt32(number), .place(next)))
        }
        return edges
    }

    private func accepts(_ place: Place) -> Bool {
        guard !place.needsDigit, place.isInFraction || place.position == place.length, place.remainder == 0 else { return false }
        guard let (low, high) = magnitudes(isNegative: place.isNegative) else { return true }
        func rest(_ value: Decimal) -> Bool { value.fraction.dropFirst(place.isInFraction ? place.position : 0).contains { $0 != 0 } }
        if place.followsLow, rest(low.value) || low.isExclusive { return false }
        if place.followsHigh, let high, high.isExclusive, !rest(high.value) { return false }
        return true
    }
}

/// A decimal number of any size, as digits.
struct Decimal: Equatable {
    static let zero = Decimal(isNegative: false, whole: [0], fraction: [])

    let isNegative: Bool
    /// Without zeros at its beginning, but never empty.
    let whole: [UInt8]
    /// Without zeros at its end.
    let fraction: [UInt8]

    private init(isNegative: Bool, whole: [UInt8], fraction: [UInt8]) {
        self.whole = whole
        self.fraction = fraction
        self.isNegative = isNegative && (whole != [0] || !fraction.isEmpty)
    }

    /// nil for a value that is no number.
    init?(_ value: JSONElement) {
        if let number = value.integer { self.init("\(number)") } else if let number = value.unsigned { self.init("\(number)") } else {
            guard let number = value.number, number.isFinite else { return nil }
            self.init("\(number)")                             // the shortest text of this number
        }
    }

    /// - Parameter text: Such as -12.5 or 1e-07.
    private init(_ text: String) {
        let parts = text.split(separator: "e"), exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let number = parts[0].drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
        var digits = number.joined().utf8.map { $0 - UInt8(ascii: "0") }, point = number[0].utf8.count + exponent
        if point < 0 {
            digits.insert(contentsOf: repeatElement(0, count: -point), at: 0)
            point = 0
        }
        if point > digits.count { digits += repeatElement(0, count: point - digits.count) }
        let whole = Array(digits[..<point].drop { $0 == 0 })
        var fraction = Array(digits[point...])
        while fraction.last == 0 { fraction.removeLast() }
        self.init(isNegative: text.hasPrefix("-"), whole: whole.isEmpty ? [0] : whole, fraction: fraction)
    }

    var negated: Decimal { Decimal(isNegative: !isNegative, whole: whole, fraction: fraction) }

    /// nil for a number with a fraction, or one that `Int` cannot hold.
    var integer: Int? {
        guard fraction.isEmpty, whole.count <= 18 else { return nil }
        let magnitude = whole.reduce(0) { 10 * $0 + Int($1) }
        return isNegative ? -magnitude : magnitude
    }

    static func < (a: Decimal, b: Decimal) -> Bool {
        if a.isNegative != b.isNegative { return a.isNegative }
        return a.isNegative ? b.isCloserToZero(than: a) : a.isCloserToZero(than: b)
    }

    private func isCloserToZero(than other: Decimal) -> Bool {
        if whole.count != other.whole.count { return whole.count < other.whole.count }
        return whole == other.whole
            ? fraction.lexicographicallyPrecedes(other.fraction) : whole.lexicographicallyPrecedes(other.whole)
    }
}
