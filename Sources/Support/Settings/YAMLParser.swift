import CYAML

/// A parser event of libyaml, reduced to what settings need.
enum YAMLEvent: Equatable {
    case documentStart, sequenceStart, mappingStart
    /// `isPlain`: without quotation marks.
    case scalar(String, isPlain: Bool)
    /// The end of a sequence or mapping.
    case collectionEnd
    /// The end of the input.
    case streamEnd
}

/// Reads the events of a YAML text with libyaml.
struct YAMLParser: ~Copyable {
    /// Heap-allocated, because the parser contains pointers to itself.
    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    private let bytes: UnsafeBufferPointer<UInt8>

    /// - Parameter bytes: Must outlive this value.
    init(of bytes: UnsafeBufferPointer<UInt8>) throws(YAMLError) {
        self.bytes = bytes
        parser.initialize(to: yaml_parser_t())
        guard yaml_parser_initialize(parser) == 1 else { throw YAMLError(1, "out of memory") }
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    /// Returns the next event and its line. Skips document ends.
    func next() throws(YAMLError) -> (event: YAMLEvent, line: Int) {
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxError }
            defer { yaml_event_delete(&event) }
            let line = event.start_mark.line + 1
            switch event.type {
            case YAML_STREAM_START_EVENT, YAML_DOCUMENT_END_EVENT: continue
            case YAML_DOCUMENT_START_EVENT: return (.documentStart, line)
            case YAML_SCALAR_EVENT:
                let scalar = event.data.scalar
                try rejectUnsupported(scalar.anchor, scalar.tag, line)
                let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
                if bytes.contains(0) { throw YAMLError(line, "expected text, found a NUL byte") }
                return (.scalar(String(decoding: bytes, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE), line)
            case YAML_SEQUENCE_START_EVENT:
                try rejectUnsupported(event.data.sequence_start.anchor, event.data.sequence_start.tag, line)
                return (.sequenceStart, line)
            case YAML_MAPPING_START_EVENT:
                try rejectUnsupported(event.data.mapping_start.anchor, event.data.mapping_start.tag, line)
                return (.mappingStart, line)
            case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return (.collectionEnd, line)
            case YAML_ALIAS_EVENT: throw YAMLError(line, "aliases (*name) are not supported: write the value itself")
            default: return (.streamEnd, line)
            }
        }
    }

    private func rejectUnsupported(
        _ anchor: UnsafeMutablePointer<yaml_char_t>?, _ tag: UnsafeMutablePointer<yaml_char_t>?, _ line: Int
    ) throws(YAMLError) {
        if anchor != nil { throw YAMLError(line, "anchors (&name) are not supported: remove the anchor") }
        if tag != nil { throw YAMLError(line, "tags (!name) are not supported: remove the tag") }
    }

    /// The error that libyaml reported last.
    private var syntaxError: YAMLError {
        let found = parser.pointee
        let problem = found.problem.map { String(cString: $0) } ?? "not YAML"
        if found.error == YAML_READER_ERROR {
            return YAMLError(1 + bytes.prefix(found.problem_offset).count { $0 == UInt8(ascii: "\n") }, problem)
        }
        let line = found.problem_mark.line + 1
        if isIndentedByTab(line) { return YAMLError(line, "expected spaces as indentation, found a tab") }
        return YAMLError(line, found.context.map { "\(problem) (\(String(cString: $0)))" } ?? problem)
    }

    private func isIndentedByTab(_ line: Int) -> Bool {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), maxSplits: line, omittingEmptySubsequences: false)
        guard line <= lines.count else { return false }
        return lines[line - 1].prefix { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.contains(UInt8(ascii: "\t"))
    }
}
