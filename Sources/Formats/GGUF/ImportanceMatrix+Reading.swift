package import Checkpoint
import Files
import Kernels
import Tokenize

extension ImportanceMatrix {
    /// Reads one of llama.cpp's two formats, recognized by its first bytes: GGUF, and the older one. nil if the path leads to another file,
    /// such as a text, or to none.
    ///
    /// A damaged or malicious file throws. Counts are compared with the remaining bytes before memory is allocated for them.
    package init?(at path: String) throws(CheckpointError) {
        guard FileStatus(path)?.kind == .file else { return nil }
        let file = try ImportedFile(path).mapped()
        let matrix = try file.read(as: UInt8.self) { bytes throws(CheckpointError) -> ImportanceMatrix? in
            if FileKind(of: bytes) == .gguf { return try ImportanceMatrix(GGUFReader.read(bytes, path: path), bytes) }
            return Self.isOlderFormat(bytes) ? try ImportanceMatrix(olderFormat: bytes, path: path) : nil
        }
        guard let matrix else { return nil }
        self = matrix
    }

    // MARK: GGUF

    private init(_ file: GGUFFile, _ bytes: Span<UInt8>) throws(CheckpointError) {
        self.init(path: file.path)
        let found = try file.text("general.type", else: "nothing", in: bytes)
        guard found == Self.kind else {
            throw file.mismatch("general.type", "\(Self.kind), an importance matrix", String(found.prefix(60)))
        }
        if case .array(let texts)? = file.metadata["imatrix.datasets"], texts.element == .string {
            let texts = file.texts(texts, in: bytes)
            datasets = texts.indices.map { String(decoding: texts[$0], as: UTF8.self) }
        }
        let limits = 0...Int(UInt32.max)
        chunkCount = try file.integer("imatrix.chunk_count", else: 0, limits)
        chunkSize = try file.integer("imatrix.chunk_size", else: 0, limits)
        // Other tensors, such as the sums of the inputs themselves, are not needed.
        for (name, tensor) in file.tensors {
            if name.hasSuffix(Self.countsEnding) {
                _ = try Self.tensor(String(name.dropLast(Self.countsEnding.count)) + Self.sumsEnding, in: file)
            }
            guard name.hasSuffix(Self.sumsEnding) else { continue }
            let matrix = String(name.dropLast(Self.sumsEnding.count))
            let entry = Entry(
                sums: try Self.numbers(of: name, in: file, bytes),
                counts: try Self.numbers(of: matrix + Self.countsEnding, in: file, bytes))
            guard entry.sums.count % entry.counts.count == 0 else {
                let expected = "as many sums for each of the \(entry.counts.count) matrices that have counts"
                throw file.mismatch(name, expected, tensor.typeDescription)
            }
            entries[matrix] = entry
        }
    }

    private static func tensor(_ name: String, in file: GGUFFile) throws(CheckpointError) -> GGUFTensor {
        guard let tensor = file.tensors[name], tensor.type == .f32 else {
            throw file.mismatch(name, "a tensor in F32", file.tensors[name]?.typeDescription)
        }
        return tensor
    }

    private static func numbers(of name: String, in file: GGUFFile, _ bytes: Span<UInt8>) throws(CheckpointError) -> [Float] {
        let numbers = numbers(try tensor(name, in: file).range, of: bytes)
        guard let wrong = wrongSum(in: numbers) else { return numbers }
        throw file.mismatch("\(name)[\(wrong)]", wantedSums, "\(numbers[wrong])")
    }

    private static func numbers(_ range: Range<Int>, of bytes: Span<UInt8>) -> [Float] {
        stride(from: range.lowerBound, to: range.upperBound, by: 4).map {
            Float(bitPattern: UInt32(littleEndian: bytes.extracting($0..<$0 + 4)))
        }
    }

    /// The index of a number that can be neither a sum of squares nor a count.
    private static func wrongSum(in numbers: [Float]) -> Int? { numbers.firstIndex { !($0 >= 0 && $0.isFinite) } }

    private static let wantedSums = "a finite number of at least 0"

    // MARK: The older format

    /// Whether a file begins with a moderate number of matrices, and with a name: a text has no zero bytes.
    private static func isOlderFormat(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count > 8 else { return false }
        let count = Int(littleEndian: bytes.extracting(0..<4)), length = Int(littleEndian: bytes.extracting(4..<8))
        return (1...65_535).contains(count) && (1...longestName).contains(length)
            && (8..<min(8 + length, bytes.count)).allSatisfy { nameBytes.contains(bytes[$0]) }
    }

    private static let longestName = 255
    /// ASCII without control characters and spaces.
    private static let nameBytes: ClosedRange<UInt8> = 0x21...0x7E

    private init(olderFormat bytes: Span<UInt8>, path: String) throws(CheckpointError) {
        self.init(path: path)
        var cursor = ByteCursor(at: 0, to: bytes.count)
        do throws(ParseError) {
            let count = try cursor.readInteger(bytes: 4, of: bytes, "the number of matrices")
            for _ in 0..<count { try readEntry(&cursor, bytes) }
            // The oldest files end here.
            if cursor.remaining == 0 { return }
            chunkCount = try cursor.readInteger(bytes: 4, of: bytes, "the number of pieces of text")
            if cursor.remaining == 0 { return }
            let length = try cursor.readInteger(bytes: 4, of: bytes, "the length of the text's name")
            let name = try cursor.readRange(length, "the text's name")
            datasets = [String(decoding: name.map { bytes[$0] }, as: UTF8.self)]
            guard cursor.remaining == 0 else {
                throw ParseError(offset: cursor.offset, expected: "the end of the file", found: "\(cursor.remaining) more bytes")
            }
        } catch {
            throw .mismatch(path: path, name: "byte \(error.offset)", expected: error.expected, found: error.found)
        }
    }

    /// Reads a matrix: its name, the number of pieces of text, and for each input the mean square times that number.
    private mutating func readEntry(_ cursor: inout ByteCursor, _ bytes: Span<UInt8>) throws(ParseError) {
        let start = cursor.offset, length = try cursor.readInteger(bytes: 4, of: bytes, "the length of a name")
        guard (1...Self.longestName).contains(length) else {
            throw ParseError(offset: start, expected: "a name of 1 to \(Self.longestName) bytes", found: "\(length)")
        }
        let nameRange = try cursor.readRange(length, "a name")
        if let wrong = nameRange.first(where: { !Self.nameBytes.contains(bytes[$0]) }) {
            throw ParseError(offset: wrong, expected: "a name without spaces", found: "the byte \(bytes[wrong])")
        }
        let name = String(decoding: nameRange.map { bytes[$0] }, as: UTF8.self)
        let calls = Int32(truncatingIfNeeded: try cursor.readUnsigned(bytes: 4, of: bytes, "the number of pieces of \(name)"))
        let countOffset = cursor.offset, count = try cursor.readInteger(bytes: 4, of: bytes, "the number of inputs of \(name)")
        guard count >= 1, count <= cursor.remaining / 4 else {
            let expected = "1 to \(cursor.remaining / 4) inputs of \(name) in the remaining \(cursor.remaining) bytes"
            throw ParseError(offset: countOffset, expected: expected, found: "\(count)")
        }
        let range = try cursor.readRange(4 * count, "numbers"), numbers = Self.numbers(range, of: bytes)
        if let wrong = Self.wrongSum(in: numbers) {
            throw ParseError(
                offset: range.lowerBound + 4 * wrong, expected: "\(Self.wantedSums) for \(name)", found: "\(numbers[wrong])")
        }
        // A file without a number of pieces has the means.
        let entry = Entry(sums: numbers, counts: [calls > 0 ? Float(calls) : 1])
        guard entries.updateValue(entry, forKey: name) == nil else {
            throw ParseError(offset: start, expected: "each matrix once", found: "\(name.debugDescription) again")
        }
    }
}
