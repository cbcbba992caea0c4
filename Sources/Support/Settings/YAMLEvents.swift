import CYAML

/// What comes next in a text.
enum YAMLEvent: Equatable {
    case documentStart, listStart, membersStart
    case text(String, isPlain: Bool)
    /// Of a list or of members.
    case close
    /// Of the text.
    case end
}

/// A text as libyaml reads it, event by event.
struct YAMLEvents: ~Copyable {
    /// Where it is must not change: the parser points to itself.
    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    private let bytes: UnsafeBufferPointer<UInt8>

    /// - Parameter bytes: outlive this value.
    init(of bytes: UnsafeBufferPointer<UInt8>) throws(YAMLError) {
        self.bytes = bytes
        parser.initialize(to: yaml_parser_t())
        guard yaml_parser_initialize(parser) == 1 else { throw YAMLError(1, "not enough memory to read it") }
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    /// The next event and its line. Where a document ends is passed over.
    func next() throws(YAMLError) -> (event: YAMLEvent, line: Int) {
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(parser, &event) == 1 else { throw fault }
            defer { yaml_event_delete(&event) }
            let line = event.start_mark.line + 1
            switch event.type {
            case YAML_STREAM_START_EVENT, YAML_DOCUMENT_END_EVENT: continue
            case YAML_DOCUMENT_START_EVENT: return (.documentStart, line)
            case YAML_SCALAR_EVENT:
                let scalar = event.data.scalar
                try refuse(scalar.anchor, scalar.tag, line)
                let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
                if bytes.contains(0) { throw YAMLError(line, "expected a text, found one with a NUL byte") }
                return (.text(String(decoding: bytes, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE), line)
            case YAML_SEQUENCE_START_EVENT:
                try refuse(event.data.sequence_start.anchor, event.data.sequence_start.tag, line)
                return (.listStart, line)
            case YAML_MAPPING_START_EVENT:
                try refuse(event.data.mapping_start.anchor, event.data.mapping_start.tag, line)
                return (.membersStart, line)
            case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return (.close, line)
            case YAML_ALIAS_EVENT: throw YAMLError(line, "aliases (*name) are not understood: write the value out")
            default: return (.end, line)
            }
        }
    }

    private func refuse(_ anchor: UnsafeMutablePointer<yaml_char_t>?, _ tag: UnsafeMutablePointer<yaml_char_t>?, _ line: Int) throws(YAMLError) {
        if anchor != nil { throw YAMLError(line, "anchors (&name) are not understood: write each value out") }
        if tag != nil { throw YAMLError(line, "tags (!name) are not understood: write the value alone") }
    }

    /// What libyaml found wrong.
    private var fault: YAMLError {
        let found = parser.pointee, problem = found.problem.map { String(cString: $0) } ?? "not YAML"
        if found.error == YAML_READER_ERROR {
            return YAMLError(1 + bytes.prefix(found.problem_offset).count { $0 == UInt8(ascii: "\n") }, problem)
        }
        let line = found.problem_mark.line + 1
        if isIndentedByTab(line) { return YAMLError(line, "expected spaces before a name, found a tab") }
        return YAMLError(line, found.context.map { "\(problem) (\(String(cString: $0)))" } ?? problem)
    }

    private func isIndentedByTab(_ line: Int) -> Bool {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), maxSplits: line, omittingEmptySubsequences: false)
        return line <= lines.count && lines[line - 1].prefix { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.contains(UInt8(ascii: "\t"))
    }
}
