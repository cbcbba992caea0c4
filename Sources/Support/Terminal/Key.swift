/// A key press or a paste.
package enum Key: Sendable, Equatable {
    /// One character.
    case text(String)
    /// Pasted text, including line breaks. It must not be interpreted as keys.
    case paste(String)
    case enter, backspace, delete, left, right, up, down, home, end, wordLeft, wordRight, deleteWord
    /// Control with a lower-case letter.
    case control(Character)
    /// An unsupported key.
    case unknown
}

/// Decodes terminal input into keys. The input may be split anywhere.
///
///     var reader = KeyReader()
///     reader.keys(in: [0x68, 0x1B, 0x5B, 0x44])                // "h", left
///
/// Invalid UTF-8 becomes U+FFFD. Bracketed pastes (between `ESC [ 200 ~` and `ESC [ 201 ~`) are limited to 1 MiB.
package struct KeyReader: Sendable {
    private enum State {
        case ground, escape, sequence, function, paste
    }

    private var state = State.ground
    private var bytes: [UInt8] = []
    private static let maxSequence = 32, maxPaste = 1 << 20
    private static let pasteEnd: [UInt8] = [0x1B] + Array("[201~".utf8)

    package init() {}

    package mutating func keys(in input: some Sequence<UInt8>) -> [Key] { input.compactMap { key(after: $0) } }

    private mutating func key(after byte: UInt8) -> Key? {
        switch state {
        case .ground: return ground(byte)
        case .escape: return escape(byte)
        case .function:
            state = .ground
            return Self.moves[byte] ?? .unknown
        case .sequence: return sequence(byte)
        case .paste: return paste(byte)
        }
    }

    private mutating func ground(_ byte: UInt8) -> Key? {
        if byte & 0xC0 != 0x80 { bytes = [] }                  // drop an incomplete character
        switch byte {
        case 0x1B: state = .escape; return nil
        case 0x0D, 0x0A: return .enter
        case 0x7F, 0x08: return .backspace
        case 0x01...0x1A: return .control(Character(Unicode.Scalar(byte + 0x60)))
        case 0x00, 0x1C...0x1F: return .unknown
        case 0x20...0x7E: return .text(String(Unicode.Scalar(byte)))
        default: break
        }
        bytes.append(byte)
        let length = switch bytes[0] {
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 1
        }
        guard bytes.count >= length else { return nil }
        defer { bytes = [] }
        return .text(String(decoding: bytes, as: UTF8.self))
    }

    private mutating func escape(_ byte: UInt8) -> Key? {
        bytes = []
        switch byte {
        case UInt8(ascii: "["): state = .sequence; return nil
        case UInt8(ascii: "O"): state = .function; return nil
        case 0x1B: return nil
        default: state = .ground
        }
        return switch byte {
        case UInt8(ascii: "b"): .wordLeft
        case UInt8(ascii: "f"): .wordRight
        case 0x7F, 0x08: .deleteWord
        default: .unknown
        }
    }

    private static let moves: [UInt8: Key] = [
        UInt8(ascii: "A"): .up, UInt8(ascii: "B"): .down, UInt8(ascii: "C"): .right, UInt8(ascii: "D"): .left,
        UInt8(ascii: "H"): .home, UInt8(ascii: "F"): .end,
    ]

    /// Handles a CSI sequence: parameters, then a letter or tilde.
    private mutating func sequence(_ byte: UInt8) -> Key? {
        guard 0x40...0x7E ~= byte else {
            if 0x20...0x3F ~= byte, bytes.count < Self.maxSequence {
                bytes.append(byte)
            } else {
                reset()                                        // a control character, or a sequence that is too long
            }
            return nil
        }
        let parameters = String(decoding: bytes, as: UTF8.self)
        reset()
        guard byte == UInt8(ascii: "~") else {
            guard parameters.hasSuffix(";5") || parameters.hasSuffix(";3") else { return Self.moves[byte] ?? .unknown }
            return switch Self.moves[byte] {
            case .left?: .wordLeft
            case .right?: .wordRight
            case let key?: key
            case nil: .unknown
            }
        }
        switch parameters {
        case "1", "7": return .home
        case "4", "8": return .end
        case "3": return .delete
        case "200": state = .paste; return nil
        default: return .unknown
        }
    }

    private mutating func paste(_ byte: UInt8) -> Key? {
        bytes.append(byte)
        if bytes.count > Self.maxPaste + Self.pasteEnd.count { bytes.remove(at: Self.maxPaste) }
        guard byte == UInt8(ascii: "~"), bytes.suffix(Self.pasteEnd.count).elementsEqual(Self.pasteEnd) else { return nil }
        bytes.removeLast(Self.pasteEnd.count)
        defer { reset() }
        return .paste(String(decoding: bytes, as: UTF8.self).replacing("\r\n", with: "\n").replacing("\r", with: "\n"))
    }

    private mutating func reset() {
        state = .ground
        bytes = []
    }
}
