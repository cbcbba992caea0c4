import Checkpoint

/// Decodes a pickle without running any code: known Python names map to values of slm, and any other name is an error.
///
///     let pickle = try Unpickler.read(bytes)
///
/// Time and memory are linear in the length of the pickle: each opcode adds at most one value, and shared values are not copied.
struct Unpickler {
    var pickle = Pickle()
    private var stack: [PickleValue] = []
    /// The height of the stack at each mark.
    private var marks: [Int] = []
    /// The values that the pickle memoizes by index. Python counts from 0, so that an array holds them: a dictionary would take four times
    /// the memory.
    private var memo: [PickleValue] = []
    private var cursor: ByteCursor
    /// The offset of the current opcode.
    private var start = 0
    /// The size of each storage in bytes.
    let storages: [String: Int]

    /// - Parameter storages: the size of each storage file of the archive; empty for a pickle outside of an archive.
    static func read(_ bytes: Span<UInt8>, storages: [String: Int] = [:]) throws(ParseError) -> Pickle {
        var unpickler = Unpickler(cursor: ByteCursor(at: 0, to: bytes.count), storages: storages)
        try unpickler.run(bytes)
        return unpickler.pickle
    }

    private mutating func run(_ bytes: Span<UInt8>) throws(ParseError) {
        while true {
            start = cursor.offset
            let byte = UInt8(try cursor.readInteger(bytes: 1, of: bytes, "an opcode"))
            guard let opcode = PickleOpcode(rawValue: byte) else { throw error("a supported opcode", "the opcode \(byte)") }
            if opcode == .stop { break }
            if start == 0, opcode != .proto { throw error("a pickle of protocol 2 or later", "the opcode \(byte)") }
            try run(opcode, bytes)
        }
        guard stack.count == 1, marks.isEmpty else { throw error("one value at the end", "\(stack.count)") }
        pickle.root = stack[0]
    }

    private mutating func run(_ opcode: PickleOpcode, _ bytes: Span<UInt8>) throws(ParseError) {
        switch opcode {
        case .proto: try checkProtocol(try integer(1, bytes))
        case .frame: _ = try cursor.readRange(8, "the length of a frame")
        case .stop: break
        case .mark: marks.append(stack.count)
        case .pop: if marks.last == stack.count { marks.removeLast() } else { _ = try pop() }
        case .popMark: _ = try popToMark()
        case .dup: stack.append(try top())
        case .none: stack.append(.none)
        case .newTrue, .newFalse: stack.append(.boolean(opcode == .newTrue))
        case .binInt: stack.append(.integer(Int(Int32(truncatingIfNeeded: try integer(4, bytes)))))
        case .binInt1: stack.append(.integer(try integer(1, bytes)))
        case .binInt2: stack.append(.integer(try integer(2, bytes)))
        case .long1: stack.append(.integer(try long(bytes)))
        case .binFloat:
            let bits = try cursor.readUnsigned(bytes: 8, of: bytes, "a number").byteSwapped
            stack.append(.number(Double(bitPattern: bits)))
        case .binUnicode: stack.append(.text(try text(lengthSize: 4, bytes)))
        case .shortBinUnicode: stack.append(.text(try text(lengthSize: 1, bytes)))
        case .binUnicode8: stack.append(.text(try text(lengthSize: 8, bytes)))
        case .emptyTuple: stack.append(.tuple(node([])))
        case .tuple: stack.append(.tuple(node(try popToMark())))
        case .tuple1, .tuple2, .tuple3:
            let count = Int(opcode.rawValue - PickleOpcode.tuple1.rawValue) + 1
            stack.append(.tuple(node(try pop(count))))
        case .emptyList: stack.append(.list(node([])))
        case .append, .appends: try addToList(opcode == .append ? pop(1) : popToMark())
        case .emptyDict: stack.append(.dictionary(node([])))
        case .setItem, .setItems: try addToDictionary(opcode == .setItem ? pop(2) : popToMark())
        case .binPut, .longBinPut: try memoize(as: try integer(opcode == .binPut ? 1 : 4, bytes))
        case .memoize: memo.append(try top())
        case .binGet, .longBinGet: stack.append(try memoized(try integer(opcode == .binGet ? 1 : 4, bytes)))
        case .global: stack.append(.global(try global(module: try line(bytes), name: try line(bytes))))
        case .stackGlobal:
            guard case (.text(let module), .text(let name)) = try popPair() else { throw error("two strings", "something else") }
            stack.append(.global(try global(module: module, name: name)))
        case .newObject, .reduce:
            let (function, arguments) = try popPair()
            stack.append(try result(of: function, arguments, isConstructor: opcode == .newObject))
        case .build: try build()
        case .binPersID: stack.append(.storage(try storage(try pop())))
        }
    }
}

// The stack.
extension Unpickler {
    func error(_ expected: String, _ found: String) -> ParseError { ParseError(offset: start, expected: expected, found: found) }

    mutating func node(_ items: [PickleValue]) -> Int {
        pickle.nodes.append(items)
        return pickle.nodes.count - 1
    }

    func top() throws(ParseError) -> PickleValue {
        guard let value = stack.last, stack.count > marks.last ?? 0 else { throw error("a value", "none") }
        return value
    }

    mutating func pop() throws(ParseError) -> PickleValue {
        let value = try top()
        stack.removeLast()
        return value
    }

    private mutating func pop(_ count: Int) throws(ParseError) -> [PickleValue] {
        let available = stack.count - (marks.last ?? 0)
        guard available >= count else { throw error("\(count) values", "\(available)") }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popPair() throws(ParseError) -> (PickleValue, PickleValue) {
        let values = try pop(2)
        return (values[0], values[1])
    }

    private mutating func popToMark() throws(ParseError) -> [PickleValue] {
        guard let mark = marks.popLast() else { throw error("a mark", "none") }
        defer { stack.removeLast(stack.count - mark) }
        return Array(stack[mark...])
    }

    private func memoized(_ index: Int) throws(ParseError) -> PickleValue {
        guard index < memo.count else { throw error("a value memoized as \(index)", "none") }
        return memo[index]
    }

    private mutating func memoize(as index: Int) throws(ParseError) {
        guard index <= memo.count else { throw error("a value memoized as \(memo.count) or before", "\(index)") }
        let value = try top()
        if index == memo.count { memo.append(value) } else { memo[index] = value }
    }
}

// Numbers, strings, containers.
extension Unpickler {
    private mutating func integer(_ byteCount: Int, _ bytes: Span<UInt8>) throws(ParseError) -> Int {
        try cursor.readInteger(bytes: byteCount, of: bytes, "a number")
    }

    private func checkProtocol(_ version: Int) throws(ParseError) {
        guard 2...5 ~= version else { throw error("a pickle of protocol 2 to 5", "protocol \(version)") }
    }

    private mutating func long(_ bytes: Span<UInt8>) throws(ParseError) -> Int {
        let count = try integer(1, bytes)
        guard count <= 8 else { throw error("an integer of at most 64 bits", "\(8 * count) bits") }
        guard count > 0 else { return 0 }
        let bits = try cursor.readUnsigned(bytes: count, of: bytes, "a number"), shift = UInt64(64 - 8 * count)
        return Int(Int64(bitPattern: bits << shift) >> Int64(shift))
    }

    private mutating func text(lengthSize: Int, _ bytes: Span<UInt8>) throws(ParseError) -> String {
        let length = try cursor.readInteger(bytes: lengthSize, of: bytes, "the length of a string")
        let range = try cursor.readRange(length, "a string")
        guard let text = String(validating: range.map { bytes[$0] }, as: UTF8.self) else { throw error("a UTF-8 string", "other bytes") }
        return text
    }

    /// Reads a name, which ends with a line break.
    private mutating func line(_ bytes: Span<UInt8>) throws(ParseError) -> String {
        var end = cursor.offset
        while end < cursor.end, end - cursor.offset < 256, bytes[end] != 10 { end += 1 }
        guard end < cursor.end, bytes[end] == 10,
              let text = String(validating: (cursor.offset..<end).map({ bytes[$0] }), as: UTF8.self) else {
            throw error("a name of at most 255 bytes", "no line break")
        }
        _ = try cursor.readRange(end + 1 - cursor.offset, "a name")
        return text
    }

    /// The top of the stack, to which an opcode adds. Throws with a specific expectation if the stack is empty.
    func target(_ expected: String) throws(ParseError) -> PickleValue {
        do { return try top() } catch { throw self.error(expected, "nothing") }
    }

    private mutating func addToList(_ items: [PickleValue]) throws(ParseError) {
        guard case .list(let node) = try target("a list") else { throw error("a list to append to", try top().displayText) }
        pickle.nodes[node].append(contentsOf: items)
    }

    private mutating func addToDictionary(_ items: [PickleValue]) throws(ParseError) {
        guard case .dictionary(let node) = try target("a dictionary"), items.count % 2 == 0 else {
            throw error("a dictionary and key-value pairs", try top().displayText)
        }
        pickle.nodes[node].append(contentsOf: items)
    }
}
