/// The lines of a small file with their numbers, from 1. A line ends in LF or CR LF; the last line may lack its end.
///
///     for (number, range) in TextLines(bytes) { … }
struct TextLines: Sequence, IteratorProtocol {
    private let bytes: [UInt8]
    private var offset = 0
    private var number = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func next() -> (number: Int, range: Range<Int>)? {
        guard offset < bytes.count else { return nil }
        let start = offset
        while offset < bytes.count, bytes[offset] != 10 { offset += 1 }
        var end = offset
        if end > start, bytes[end - 1] == 13 { end -= 1 }
        offset += 1
        number += 1
        return (number, start..<end)
    }
}
