/// A summary of a text for finding near-duplicates: texts whose shingles (five consecutive characters, without case, punctuation and
/// white space) are mostly the same.
///
///     TextSketch(of: ["The red fox."]).similarity(to: TextSketch(of: ["the red fox!"]))     // 1
///
/// The Jaccard index of two texts of at most 128 shingles is exact; for longer ones it is estimated from the 128 smallest hashes of both
/// (KMV sketch, Beyer and others 2007). `bands` are hashes of which similar texts share at least one with high probability (MinHash with
/// locality-sensitive hashing, Broder 1997). Linear time. The decision has measurements: Documentation/decisions/near-duplicates.md.
package struct TextSketch: Sendable, Equatable {
    static let shingleLength = 5
    static let capacity = 128
    static let bandCount = 8, rowsPerBand = 4
    /// The Jaccard index from which on two chats are near-duplicates.
    package static let threshold = 0.8

    /// Different hashes of shingles in ascending order, at most `capacity`.
    package let hashes: [UInt32]
    package let bands: [Int64]

    /// - Parameter texts: The messages of a chat.
    package init(of texts: [String]) {
        var smallest = SmallestHashes(Self.capacity)
        var minima = [UInt64](repeating: .max, count: Self.bandCount * Self.rowsPerBand)
        Self.forEachShingle(of: texts) { hash in
            guard smallest.add(UInt32(truncatingIfNeeded: hash >> 32)) else { return }
            for i in minima.indices { minima[i] = min(minima[i], hash &* Self.multipliers[i]) }
        }
        hashes = smallest.sorted()
        bands = hashes.isEmpty ? [] : (0..<Self.bandCount).map { band in
            let rows = minima[band * Self.rowsPerBand..<(band + 1) * Self.rowsPerBand]
            let hash = rows.reduce(UInt64(band) &+ 1) { Self.mixed($0 &* 0x9E37_79B9_7F4A_7C15 ^ $1) }
            return Int64(bitPattern: hash)
        }
    }

    init(hashes: [UInt32]) {
        self.hashes = hashes
        bands = []
    }

    /// The Jaccard index of the shingles; an estimate if a text has more than `capacity`.
    package func similarity(to other: TextSketch) -> Double {
        var i = 0, j = 0, union = 0, shared = 0
        let isExact = hashes.count < Self.capacity && other.hashes.count < Self.capacity
        while (i < hashes.count || j < other.hashes.count), isExact || union < Self.capacity {
            union += 1
            if j == other.hashes.count || i < hashes.count && hashes[i] < other.hashes[j] {
                i += 1
            } else if i == hashes.count || other.hashes[j] < hashes[i] {
                j += 1
            } else {
                shared += 1
                i += 1
                j += 1
            }
        }
        return union == 0 ? 0 : Double(shared) / Double(union)
    }

    /// Passes the hash of each shingle to `body`, also of repeated ones. A shorter text is one shingle.
    package static func forEachShingle(of texts: [String], _ body: (UInt64) -> Void) {
        var window = [UInt64](repeating: 0, count: shingleLength), count = 0, hash: UInt64 = 0
        func add(_ character: UInt32) {
            let slot = count % shingleLength
            hash = (hash &- window[slot] &* highestPower) &* base &+ UInt64(character)
            window[slot] = UInt64(character)
            count += 1
            if count >= shingleLength { body(mixed(hash)) }
        }
        var isBetweenWords = true
        for text in texts {
            for scalar in text.lowercased().unicodeScalars {
                let isWord = scalar.isASCII
                    ? scalar.value >= 0x61 && scalar.value <= 0x7A || scalar.value >= 0x30 && scalar.value <= 0x39
                    : scalar.properties.isAlphabetic || scalar.properties.numericType != nil
                if isWord {
                    if isBetweenWords, count > 0 { add(0x20) }
                    isBetweenWords = false
                    add(scalar.value)
                } else {
                    isBetweenWords = true
                }
            }
            isBetweenWords = true
        }
        if count > 0, count < shingleLength { body(mixed(hash)) }
    }

    private static let base: UInt64 = 0x0000_0100_0000_01B3
    private static let highestPower = (1..<shingleLength).reduce(UInt64(1)) { power, _ in power &* base }

    /// The finalizer of SplitMix64.
    private static func mixed(_ value: UInt64) -> UInt64 {
        var value = value &+ 0x9E37_79B9_7F4A_7C15
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// Odd numbers: each makes another order of the hashes.
    private static let multipliers = (0..<UInt64(bandCount * rowsPerBand)).map { mixed($0 &* 0xD1B5_4A32_D192_ED03 &+ 7) | 1 }
}

/// The different smallest values of a sequence.
private struct SmallestHashes {
    private let capacity: Int
    private var values: [UInt32] = []
    private var limit = UInt32.max
    /// The values that were added lately: texts repeat shingles.
    private var seen: [UInt32]

    init(_ capacity: Int) {
        self.capacity = capacity
        seen = [UInt32](repeating: 0, count: 1_024)
    }

    /// - Returns: false if the value was added a moment ago.
    mutating func add(_ value: UInt32) -> Bool {
        let slot = Int(value % 1_024)
        if seen[slot] == value { return false }
        seen[slot] = value
        if value <= limit {
            values.append(value)
            if values.count >= 16 * capacity {
                values = sorted()
                if values.count == capacity { limit = values[capacity - 1] }
            }
        }
        return true
    }

    func sorted() -> [UInt32] {
        var result: [UInt32] = []
        for value in values.sorted() where result.last != value {
            if result.count == capacity { break }
            result.append(value)
        }
        return result
    }
}

/// What is stored.
extension TextSketch {
    /// 8 hexadecimal digits for each hash.
    package var text: String {
        var text: [UInt8] = []
        for hash in hashes {
            for shift in stride(from: 28, through: 0, by: -4) { text.append(Self.digits[Int(hash >> UInt32(shift) & 15)]) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    package init?(_ text: String) {
        var hashes: [UInt32] = []
        var value: UInt32 = 0, count = 0
        for byte in text.utf8 {
            guard let digit = Self.digits.firstIndex(of: byte) else { return nil }
            value = value << 4 | UInt32(digit)
            count += 1
            if count % 8 == 0 { hashes.append(value) }
        }
        guard count % 8 == 0, hashes.count <= Self.capacity, zip(hashes, hashes.dropFirst()).allSatisfy({ $0 < $1 }) else { return nil }
        self.init(hashes: hashes)
    }

    private static let digits = Array("0123456789abcdef".utf8)
}
