import Checkpoint
import Distributed
import Tokenize

/// Distinct numbers in ascending order, with the count of each.
package struct SortedCounts: Sendable {
    package private(set) var numbers: [UInt64] = []
    package private(set) var counts: [UInt32] = []

    init() {}

    private init(numbers: [UInt64], counts: [UInt32]) {
        self.numbers = numbers
        self.counts = counts
    }

    /// - Parameter bits: The width of the largest number.
    package init(_ all: consuming [UInt64], bits: Int) {
        Self.sort(&all, bits: bits)
        numbers.reserveCapacity(all.count / 4)
        counts.reserveCapacity(all.count / 4)
        for number in all {
            if number == numbers.last { counts[counts.count - 1] += 1 } else {
                numbers.append(number)
                counts.append(1)
            }
        }
    }

    /// Adds the counts of other numbers.
    package mutating func add(_ other: SortedCounts) {
        if numbers.isEmpty {
            self = other
            return
        }
        let (a, b) = (self, other)
        var merged = SortedCounts()
        merged.numbers.reserveCapacity(a.numbers.count + b.numbers.count)
        merged.counts.reserveCapacity(a.numbers.count + b.numbers.count)
        var (i, j) = (0, 0)
        while i < a.numbers.count, j < b.numbers.count {
            let number = min(a.numbers[i], b.numbers[j])
            var count: UInt32 = 0
            if a.numbers[i] == number {
                count += a.counts[i]
                i += 1
            }
            if b.numbers[j] == number {
                count += b.counts[j]
                j += 1
            }
            merged.numbers.append(number)
            merged.counts.append(count)
        }
        merged.numbers += a.numbers[i...]
        merged.counts += a.counts[i...]
        merged.numbers += b.numbers[j...]
        merged.counts += b.counts[j...]
        self = merged
    }

    /// The sum of the counts of all ranks.
    ///
    /// The numbers are sent in several ranges, so that the counts of all ranks are never in memory together.
    func sum(over ranks: RankGroup) -> SortedCounts {
        let ranges = 16
        let own = numbers.isEmpty || !ranks.isFirst ? [] : (1..<ranges).map { numbers[numbers.count * $0 / ranges] }
        let borders = ranks.gather(own)[0]
        var sum = SortedCounts()
        var start = 0
        for border in borders.map(Optional.some) + [nil] {
            let end = border.map { border in numbers.prefixCount { $0 < border } } ?? numbers.count
            let allNumbers = ranks.gather(Array(numbers[start..<end])), allCounts = ranks.gather(Array(counts[start..<end]))
            var part = SortedCounts()
            for (numbers, counts) in zip(allNumbers, allCounts) where !numbers.isEmpty {
                part.add(SortedCounts(numbers: numbers, counts: counts))
            }
            sum.numbers += part.numbers
            sum.counts += part.counts
            start = end
        }
        return sum
    }

    /// Radix sort with 12-bit digits: three times as fast as a comparison sort.
    private static func sort(_ numbers: inout [UInt64], bits: Int) {
        var other = [UInt64](repeating: 0, count: numbers.count)
        var offsets = [Int](repeating: 0, count: 1 << 12)
        for shift in stride(from: 0, to: bits, by: 12) {
            for i in offsets.indices { offsets[i] = 0 }
            for number in numbers { offsets[Int(number >> UInt64(shift)) & 0xFFF] += 1 }
            var sum = 0
            for i in offsets.indices {
                let count = offsets[i]
                offsets[i] = sum
                sum += count
            }
            for number in numbers {
                let digit = Int(number >> UInt64(shift)) & 0xFFF
                other[offsets[digit]] = number
                offsets[digit] += 1
            }
            swap(&numbers, &other)
        }
    }
}

extension SortedCounts {
    func values(_ name: String) -> OrderedDictionary<CheckpointValue> {
        ["\(name)/numbers": .integers(numbers.map { Int($0) }), "\(name)/counts": .integers(counts.map { Int($0) })]
    }

    init(_ name: String, of checkpoint: Checkpoint) throws(CheckpointError) {
        let numbers = try checkpoint.integers(name + "/numbers")
        let counts = try checkpoint.integers(name + "/counts")
        let isAscending = zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }
        guard isAscending, numbers.first ?? 0 >= 0 else {
            throw .mismatch(path: checkpoint.name, name: name + "/numbers", expected: "ascending numbers from 0", found: "others")
        }
        // The counts of the rest of the text, at most `NGramCounting.maxTokens`, are added to them.
        guard counts.count == numbers.count, counts.allSatisfy({ 1...(1 << 31) ~= $0 }) else {
            throw .mismatch(path: checkpoint.name, name: name + "/counts", expected: "\(numbers.count) counts", found: "others")
        }
        self.numbers = numbers.map { UInt64($0) }
        self.counts = counts.map { UInt32($0) }
    }
}
