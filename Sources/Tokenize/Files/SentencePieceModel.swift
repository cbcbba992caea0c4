import Files

/// SentencePiece's tokenizer.model: a protocol buffer with the pieces and their scores, for BPE with byte fallback (Llama 2, TinyLlama,
/// Mistral, Gemma).
///
///     let llama = try SentencePieceModel.read(bytes, path: "tokenizer.model")
///
/// Text must not be normalized except for spaces: these models have the normalizer `identity`. The file does not say whether `<s>` begins a
/// text; all of these models do that, so `textPrefix` is `<s>` if the file names a begin-of-text token.
package enum SentencePieceModel {
    /// Whether a file can only be one: it begins with a piece, which begins with its text.
    static func matches(_ bytes: [UInt8]) -> Bool {
        bytes.count > 3 && bytes[0] == 0x0A && bytes[2] == 0x0A && bytes[3] < bytes[1]
    }

    package static func read(_ bytes: [UInt8], path: String) throws(TokenizeError) -> Vocabulary {
        var model = Fields()
        do throws(ProtocolBuffer.Malformed) { try model.read(bytes.span) } catch {
            throw .malformed(path: path, location: "byte \(error.offset)", expected: error.expected, found: error.found)
        }
        guard model.list.names.count > 0 else { throw .malformed(path: path, location: nil, expected: "pieces", found: "none") }
        func unsupported(_ what: String) -> TokenizeError {
            .unsupported(path: path, what: what, advice: "Supported is SentencePiece BPE with the normalizer identity, as Llama 2's.")
        }
        guard model.type == 2 else { throw unsupported("its model is of type \(model.type) and not BPE (2)") }
        if model.hasCharacterMap { throw unsupported("it normalizes characters") }
        if model.removesSpaces { throw unsupported("it removes spaces (remove_extra_whitespaces)") }
        if model.isSpaceSuffix { throw unsupported("it appends a space to every text (treat_whitespace_as_suffix)") }
        var vocabulary = try model.list.vocabulary(path: path, marksSpaces: true)
        vocabulary.prefixSpace = model.addsPrefixSpace ? .evenBeforeSpace : .never
        if model.beginning >= 0, model.beginning < model.list.kinds.count, model.list.kinds[model.beginning] == .special {
            vocabulary.textPrefix = [TokenID(model.beginning)]
        }
        return vocabulary
    }

    /// The fields of ModelProto that matter, with their defaults (sentencepiece_model.proto).
    private struct Fields {
        var list = TokenList()
        var type = 1
        var beginning = 1
        var isSpaceSuffix = false, hasCharacterMap = false, addsPrefixSpace = true, removesSpaces = true

        mutating func read(_ bytes: Span<UInt8>) throws(ProtocolBuffer.Malformed) {
            var model = ProtocolBuffer(bytes.indices)
            while let field = try model.next(in: bytes) {
                switch (field.number, field.value) {
                case (1, .bytes(let range)): try readPiece(bytes, range)
                case (2, .bytes(let range)): try readTrainer(bytes, range)
                case (3, .bytes(let range)): try readNormalizer(bytes, range)
                default: break
                }
            }
        }

        private mutating func readPiece(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(ProtocolBuffer.Malformed) {
            var piece = ProtocolBuffer(range)
            var text: Range<Int>?
            var score: Float = 0
            var kind = TokenList.Kind.plain
            while let field = try piece.next(in: bytes) {
                switch (field.number, field.value) {
                case (1, .bytes(let range)): text = range
                case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
                case (3, .integer(let number)):
                    guard number < 7, let known = TokenList.Kind(rawValue: Int(number)) else {
                        throw .init(offset: field.offset, expected: "a type of piece from 1 to 6", found: "\(number)")
                    }
                    kind = known
                default: break
                }
            }
            guard let text, !text.isEmpty else { throw .init(offset: range.lowerBound, expected: "a piece", found: "one without text") }
            list.names.append(text.map { bytes[$0] })
            list.scores.append(score)
            list.kinds.append(kind)
        }

        private mutating func readTrainer(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(ProtocolBuffer.Malformed) {
            var trainer = ProtocolBuffer(range)
            while let field = try trainer.next(in: bytes) {
                guard case .integer(let value) = field.value else { continue }
                switch field.number {
                case 3: type = Int(truncatingIfNeeded: value)
                case 24: isSpaceSuffix = value != 0
                case 41: beginning = Int(Int32(truncatingIfNeeded: value))
                default: break
                }
            }
        }

        private mutating func readNormalizer(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(ProtocolBuffer.Malformed) {
            var normalizer = ProtocolBuffer(range)
            while let field = try normalizer.next(in: bytes) {
                switch (field.number, field.value) {
                case (2, .bytes(let map)): hasCharacterMap = !map.isEmpty
                case (3, .integer(let value)): addsPrefixSpace = value != 0
                case (4, .integer(let value)): removesSpaces = value != 0
                default: break
                }
            }
        }
    }
}

/// Reads the fields of a protocol buffer's message one after another.
///
///     var message = ProtocolBuffer(bytes.indices)
///     while let field = try message.next(in: bytes.span) { … }
struct ProtocolBuffer {
    enum Value {
        case integer(UInt64), fixed64(UInt64), fixed32(UInt32)
        /// A string, or a message in the message.
        case bytes(Range<Int>)
    }

    struct Field {
        let number: UInt64
        let value: Value
        /// Where it starts in the file.
        let offset: Int
    }

    struct Malformed: Error { let offset: Int, expected, found: String }

    private var at: Int
    private let end: Int

    /// - Parameter range: the message's bytes.
    init(_ range: Range<Int>) {
        at = range.lowerBound
        end = range.upperBound
    }

    /// The next field; nil at the end.
    mutating func next(in bytes: Span<UInt8>) throws(Malformed) -> Field? {
        guard at < end else { return nil }
        let start = at
        let tag = try integer(bytes)
        let value: Value
        switch tag & 7 {
        case 0: value = .integer(try integer(bytes))
        case 1: value = .fixed64(try fixed(8, bytes))
        case 2:
            let lengthOffset = at
            let length = try integer(bytes)
            guard length <= UInt64(end - at) else {
                throw Malformed(offset: lengthOffset, expected: "a length of at most \(end - at)", found: "\(length)")
            }
            value = .bytes(at..<at + Int(length))
            at += Int(length)
        case 5: value = .fixed32(UInt32(try fixed(4, bytes)))
        default: throw Malformed(offset: start, expected: "a field of a protocol buffer", found: "one of type \(tag & 7)")
        }
        return Field(number: tag >> 3, value: value, offset: start)
    }

    private mutating func integer(_ bytes: Span<UInt8>) throws(Malformed) -> UInt64 {
        let start = at
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) {
            guard at < end else { throw Malformed(offset: start, expected: "a number", found: "the end") }
            value |= UInt64(bytes[at] & 0x7F) << UInt64(shift)
            at += 1
            if bytes[at - 1] < 0x80 { return value }
        }
        throw Malformed(offset: start, expected: "a number of at most 10 bytes", found: "a longer one")
    }

    private mutating func fixed(_ count: Int, _ bytes: Span<UInt8>) throws(Malformed) -> UInt64 {
        guard end - at >= count else { throw Malformed(offset: at, expected: "\(count) bytes", found: "\(end - at)") }
        defer { at += count }
        return UInt64(littleEndian: bytes.extracting(at..<at + count))
    }
}
