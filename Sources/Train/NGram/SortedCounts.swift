/// How often each number occurs among many: the numbers in order, and their counts.
package struct SortedCounts {
    package private(set) var numbers: [UInt64] = []
    package private(set) var counts: [UInt32] = []

    /// - Parameter bits: no number needs more.
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

    /// From the lowest digits up, 12 bits at a time: a sort by comparisons takes three times as long.
    private static func sort(_ numbers: inout [UInt64], bits: Int) {
        var other = [UInt64](repeating: 0, count: numbers.count), places = [Int](repeating: 0, count: 1 << 12)
        for shift in stride(from: 0, to: bits, by: 12) {
            for i in places.indices { places[i] = 0 }
            for number in numbers { places[Int(number >> UInt64(shift)) & 0xFFF] += 1 }
            var sum = 0
            for i in places.indices { (places[i], sum) = (sum, sum + places[i]) }
            for number in numbers {
                let digit = Int(number >> UInt64(shift)) & 0xFFF
                other[places[digit]] = number
                places[digit] += 1
            }
            swap(&numbers, &other)
        }
    }
}
