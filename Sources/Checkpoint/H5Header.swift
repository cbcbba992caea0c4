import Files

/// An object header of version 2, as ``H5Layout`` writes it: messages in one piece, and a checksum.
package enum H5Header {
    struct Message {
        let type: UInt8
        /// 1 for a message that never changes.
        var flags: UInt8 = 0
        let content: [UInt8]
    }

    private static let overhead = 10 + 4

    static func size(of messages: [Message]) -> Int { messages.reduce(overhead) { $0 + 4 + $1.content.count } }

    static func bytes(of messages: [Message]) -> [UInt8] {
        var bytes: [UInt8] = Array("OHDR".utf8) + [2, 2]       // version 2, with a size in 4 bytes
        bytes.append(littleEndian: UInt32(size(of: messages) - overhead))
        for message in messages {
            bytes.append(message.type)
            bytes.append(littleEndian: UInt16(message.content.count))
            bytes.append(message.flags)
            bytes += message.content
        }
        bytes.append(littleEndian: checksum(of: bytes))
        return bytes
    }

    /// HDF5's checksum of metadata: lookup3 by Bob Jenkins.
    package static func checksum(of bytes: [UInt8]) -> UInt32 {
        func rotated(_ x: UInt32, _ bits: UInt32) -> UInt32 { x << bits | x >> (32 - bits) }
        func word(_ i: Int) -> UInt32 { UInt32(littleEndian: bytes.span.extracting(min(i, bytes.count)..<min(i + 4, bytes.count))) }
        var a = 0xDEAD_BEEF &+ UInt32(truncatingIfNeeded: bytes.count), b = a, c = a
        if bytes.isEmpty { return c }
        var i = 0
        while bytes.count - i > 12 {
            a &+= word(i)
            b &+= word(i + 4)
            c &+= word(i + 8)
            a = (a &- c) ^ rotated(c, 4)
            c &+= b
            b = (b &- a) ^ rotated(a, 6)
            a &+= c
            c = (c &- b) ^ rotated(b, 8)
            b &+= a
            a = (a &- c) ^ rotated(c, 16)
            c &+= b
            b = (b &- a) ^ rotated(a, 19)
            a &+= c
            c = (c &- b) ^ rotated(b, 4)
            b &+= a
            i += 12
        }
        a &+= word(i)
        b &+= word(i + 4)
        c &+= word(i + 8)
        c = (c ^ b) &- rotated(b, 14)
        a = (a ^ c) &- rotated(c, 11)
        b = (b ^ a) &- rotated(a, 25)
        c = (c ^ b) &- rotated(b, 16)
        a = (a ^ c) &- rotated(c, 4)
        b = (b ^ a) &- rotated(a, 14)
        return (c ^ b) &- rotated(b, 24)
    }
}

extension ElementType {
    /// A datatype message of version 1. ``init(_:of:)`` reads it.
    var h5Message: [UInt8] {
        // Class and version; flags: little-endian, signed, the position of the sign; for strings, UTF-8 and null padding.
        let (head, properties): ([UInt8], [UInt8]) = switch self {
        case .float32: ([0x11, 0x20, 31, 0], [0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0])
        case .float64: ([0x11, 0x20, 63, 0], [0, 0, 64, 0, 52, 11, 0, 52, 255, 3, 0, 0])
        case .int64: ([0x10, 8, 0, 0], [0, 0, 64, 0])
        case .uint8: ([0x10, 0, 0, 0], [0, 0, 8, 0])
        case .text: ([0x13, 0x11, 0, 0], [])
        }
        var bytes = head
        bytes.append(littleEndian: UInt32(size))
        return bytes + properties
    }
}
