/// The lines of a small file with their numbers, from 1. A line ends in LF or CR LF; the last one may do without.
///
///     for (number, range) in TextLines(bytes) { … }
struct TextLines: Sequence, IteratorProtocol {
    private let bytes: [UInt8]
    private var place = 0, number = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func next() -> (number: Int, range: Range<Int>)? {
        guard place < bytes.count else { return nil }
        let start = place
        while place < bytes.count, bytes[place] != 10 { place += 1 }
        var end = place
        if end > start, bytes[end - 1] == 13 { end -= 1 }
        place += 1
        number += 1
        return (number, start..<end)
    }
}
