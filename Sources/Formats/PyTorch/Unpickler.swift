import Checkpoint
/// Reads a pickle and runs nothing: each name of Python that it knows means one of our own values, and any other is refused.
///
///     let pickle = try Unpickler.read(bytes)
///
/// Time and memory grow with the length of the pickle and with nothing else: each of its opcodes adds at most one value, and no value is copied for being shared.
struct Unpickler {
    var pickle = Pickle()
    private var stack: [PickleValue] = []
    /// How high the stack was at each mark.
    private var marks: [Int] = []
    private var memo = Memo()
    private var cursor: ByteCursor
    /// Where the opcode began that is being read.
    private var start = 0
    /// Bytes of each storage.
    let storages: [String: Int]

    /// - Parameter storages: the bytes of each file of numbers, by its name; none beside a pickle that stands alone.
    static func read(_ bytes: Span<UInt8>, storages: [String: Int] = [:]) throws(LayoutFault) -> Pickle {
        var reader = Unpickler(cursor: ByteCursor(at: 0, to: bytes.count), storages: storages)
        try reader.run(bytes)
        return reader.pickle
    }

    private init(cursor: ByteCursor, storages: [String: Int]) { (self.cursor, self.storages) = (cursor, storages) }

    private mutating func run(_ bytes: Span<UInt8>) throws(LayoutFault) {
        while true {
            start = cursor.place
            let byte = UInt8(try cursor.number(bytes: 1, of: bytes, "an opcode"))
            guard let opcode = PickleOpcode(rawValue: byte) else { throw fault("an opcode that a model needs", "the opcode \(byte)") }
            if opcode == .stop { break }
            if start == 0, opcode != .proto { throw fault("a pickle of protocol 2 or later", "the opcode \(byte)") }
            try run(opcode, bytes)
        }
        guard stack.count == 1, marks.isEmpty else { throw fault("one value at the end", "\(stack.count)") }
        pickle.root = stack[0]
    }

    private mutating func run(_ opcode: PickleOpcode, _ bytes: Span<UInt8>) throws(LayoutFault) {
        switch opcode {
        case .proto: try checkProtocol(try number(1, bytes))
        case .frame: _ = try cursor.take(8, "the length of a frame")
        case .stop: break
        case .mark: marks.append(stack.count)
        case .pop: if marks.last == stack.count { marks.removeLast() } else { _ = try pop() }
        case .popMark: _ = try popToMark()
        case .dup: stack.append(try top())
        case .none: stack.append(.none)
        case .newTrue, .newFalse: stack.append(.boolean(opcode == .newTrue))
        case .binInt: stack.append(.integer(Int(Int32(truncatingIfNeeded: try number(4, bytes)))))
        case .binInt1: stack.append(.integer(try number(1, bytes)))
        case .binInt2: stack.append(.integer(try number(2, bytes)))
        case .long1: stack.append(.integer(try long(bytes)))
        case .binFloat: stack.append(.number(Double(bitPattern: try cursor.unsigned(bytes: 8, of: bytes, "a number").byteSwapped)))
        case .binUnicode: stack.append(.text(try text(length: 4, bytes)))
        case .shortBinUnicode: stack.append(.text(try text(length: 1, bytes)))
        case .binUnicode8: stack.append(.text(try text(length: 8, bytes)))
        case .emptyTuple: stack.append(.tuple(node([])))
        case .tuple: stack.append(.tuple(node(try popToMark())))
        case .tuple1, .tuple2, .tuple3: stack.append(.tuple(node(try pop(Int(opcode.rawValue - PickleOpcode.tuple1.rawValue) + 1))))
        case .emptyList: stack.append(.list(node([])))
        case .append, .appends: try addToList(opcode == .append ? pop(1) : popToMark())
        case .emptyDict: stack.append(.dictionary(node([])))
        case .setItem, .setItems: try addToDictionary(opcode == .setItem ? pop(2) : popToMark())
        case .binPut, .longBinPut: memo[try number(opcode == .binPut ? 1 : 4, bytes)] = try top()
        case .memoize: memo.append(try top())
        case .binGet, .longBinGet: stack.append(try remembered(try number(opcode == .binGet ? 1 : 4, bytes)))
        case .global: stack.append(.global(try named(module: try line(bytes), name: try line(bytes))))
        case .stackGlobal:
            guard case (.text(let module), .text(let name)) = try popPair() else { throw fault("two texts", "something else") }
            stack.append(.global(try named(module: module, name: name)))
        case .newObject, .reduce:
            let (function, arguments) = try popPair()
            stack.append(try result(of: function, arguments, makesObject: opcode == .newObject))
        case .build: try build()
        case .binPersID: stack.append(.storage(try storage(try pop())))
        }
    }
}

// The stack.
extension Unpickler {
    func fault(_ expected: String, _ found: String) -> LayoutFault { LayoutFault(offset: start, expected: expected, found: found) }

    mutating func node(_ items: [PickleValue]) -> Int {
        pickle.nodes.append(items)
        return pickle.nodes.count - 1
    }

    func top() throws(LayoutFault) -> PickleValue {
        guard let value = stack.last, stack.count > marks.last ?? 0 else { throw fault("a value", "none") }
        return value
    }

    mutating func pop() throws(LayoutFault) -> PickleValue {
        let value = try top()
        stack.removeLast()
        return value
    }

    private mutating func pop(_ count: Int) throws(LayoutFault) -> [PickleValue] {
        guard stack.count - (marks.last ?? 0) >= count else { throw fault("\(count) values", "\(stack.count - (marks.last ?? 0))") }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popPair() throws(LayoutFault) -> (PickleValue, PickleValue) {
        let values = try pop(2)
        return (values[0], values[1])
    }

    private mutating func popToMark() throws(LayoutFault) -> [PickleValue] {
        guard let mark = marks.popLast() else { throw fault("a mark", "none") }
        defer { stack.removeLast(stack.count - mark) }
        return Array(stack[mark...])
    }

    private func remembered(_ place: Int) throws(LayoutFault) -> PickleValue {
        guard let value = memo[place] else { throw fault("a value that was remembered as \(place)", "none") }
        return value
    }
}

// Numbers, texts, containers.
extension Unpickler {
    private mutating func number(_ count: Int, _ bytes: Span<UInt8>) throws(LayoutFault) -> Int { try cursor.number(bytes: count, of: bytes, "a number") }

    private func checkProtocol(_ version: Int) throws(LayoutFault) {
        guard 2...5 ~= version else { throw fault("a pickle of protocol 2 to 5", "protocol \(version)") }
    }

    private mutating func long(_ bytes: Span<UInt8>) throws(LayoutFault) -> Int {
        let count = try number(1, bytes)
        guard count <= 8 else { throw fault("a whole number of at most 64 bits", "\(8 * count) bits") }
        guard count > 0 else { return 0 }
        let bits = try cursor.unsigned(bytes: count, of: bytes, "a number"), shift = UInt64(64 - 8 * count)
        return Int(Int64(bitPattern: bits << shift) >> Int64(shift))
    }

    private mutating func text(length: Int, _ bytes: Span<UInt8>) throws(LayoutFault) -> String {
        let range = try cursor.take(try cursor.number(bytes: length, of: bytes, "the length of a text"), "a text")
        guard let text = String(validating: range.map { bytes[$0] }, as: UTF8.self) else { throw fault("a text in UTF-8", "other bytes") }
        return text
    }

    /// A text up to the end of its line, as names are.
    private mutating func line(_ bytes: Span<UInt8>) throws(LayoutFault) -> String {
        var end = cursor.place
        while end < cursor.end, end - cursor.place < 256, bytes[end] != 10 { end += 1 }
        guard end < cursor.end, bytes[end] == 10, let text = String(validating: (cursor.place..<end).map({ bytes[$0] }), as: UTF8.self) else {
            throw fault("a name of at most 255 bytes", "no end of a line")
        }
        _ = try cursor.take(end + 1 - cursor.place, "a name")
        return text
    }

    func addable(_ expected: String) throws(LayoutFault) -> PickleValue {
        do { return try top() } catch { throw fault(expected, "nothing") }
    }

    private mutating func addToList(_ items: [PickleValue]) throws(LayoutFault) {
        guard case .list(let node) = try addable("a list") else { throw fault("a list to add to", try top().shown) }
        pickle.nodes[node].append(contentsOf: items)
    }

    private mutating func addToDictionary(_ items: [PickleValue]) throws(LayoutFault) {
        guard case .dictionary(let node) = try addable("a dictionary"), items.count % 2 == 0 else { throw fault("a dictionary and pairs to add to it", try top().shown) }
        pickle.nodes[node].append(contentsOf: items)
    }
}

/// What a pickle remembers by numbers. Most count up from 0, and are a row; whoever counts otherwise has a table.
private struct Memo {
    private var row: [PickleValue] = [], table: [Int: PickleValue] = [:]

    subscript(place: Int) -> PickleValue? {
        get { place < row.count ? row[place] : table[place] }
        set {
            if let newValue, place < row.count { row[place] = newValue } else if let newValue, place == row.count, table.isEmpty { row.append(newValue) } else { table[place] = newValue }
        }
    }

    /// Under the number of all that is remembered so far, as Python counts.
    mutating func append(_ value: PickleValue) { self[row.count + table.count] = value }
}
