/// Reads CSV and TSV: each row as the names of columns with their values, as in "name: Pump; price: 30".
struct TableReader {
    private let bytes: [UInt8]
    private let delimiter: UInt8
    private var position = 0, line = 1

    static func document(_ text: [UInt8]) -> Document {
        var reader = TableReader(text)
        var names: [String] = [], blocks: [Document.Block] = [], isFirst = true
        while let record = reader.next() {
            defer { isFirst = false }
            if isFirst, isHeader(record.cells) {
                names = record.cells
                continue
            }
            let text = row(record.cells, names)
            if !text.isEmpty { blocks.append(.init(.row(header: nil), text, line: record.line)) }
        }
        if blocks.isEmpty, !names.isEmpty { blocks.append(.init(.row(header: nil), row(names, []), line: 1)) }
        return Document(blocks: blocks)
    }

    private init(_ bytes: [UInt8]) {
        self.bytes = bytes
        // The most frequent in the first line.
        let first = bytes.prefix { $0 != 10 }
        let counts = [UInt8(ascii: ","), UInt8(ascii: ";"), 9].map { candidate in (candidate, first.count { $0 == candidate }) }
        delimiter = counts.reduce(counts[0]) { $1.1 > $0.1 ? $1 : $0 }.0
    }

    /// Names are texts, different ones, and not numbers.
    private static func isHeader(_ cells: [String]) -> Bool {
        cells.count > 1 && cells.allSatisfy { !$0.isEmpty && Double($0) == nil } && Set(cells).count == cells.count
    }

    private static func row(_ cells: [String], _ names: [String]) -> String {
        cells.enumerated().compactMap { i, cell in
            if cell.isEmpty { return nil }
            return i < names.count ? "\(names[i]): \(cell)" : cell
        }.joined(separator: "; ")
    }

    /// The next record (RFC 4180): cells in quotes may contain delimiters, line ends and doubled quotes.
    private mutating func next() -> (cells: [String], line: Int)? {
        guard position < bytes.count else { return nil }
        let start = line
        var cells: [String] = [], cell: [UInt8] = [], isQuoted = false, isAtStart = true
        func finished() -> String { cell[...].trimmed.string }
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == 10 { line += 1 }
            if isQuoted {
                if byte != UInt8(ascii: "\"") {
                    cell.append(byte)
                } else if position < bytes.count, bytes[position] == byte {
                    cell.append(byte)
                    position += 1
                } else { isQuoted = false }
            } else if byte == UInt8(ascii: "\""), isAtStart {
                isQuoted = true
                isAtStart = false
            } else if byte == delimiter {
                cells.append(finished())
                cell = []
                isAtStart = true
            } else if byte == 10 {
                break
            } else {
                cell.append(byte)
                isAtStart = false
            }
        }
        return (cells + [finished()], start)
    }
}
