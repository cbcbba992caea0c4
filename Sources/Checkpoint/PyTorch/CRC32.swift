/// The checksum of zip archives, eight bytes at a time.
///
///     CRC32.of(Array("123456789".utf8).span)                   // 0xCBF43926
enum CRC32 {
    static func of(_ bytes: Span<UInt8>) -> UInt32 {
        bytes.withUnsafeBytes { bytes in
            tables.withUnsafeBufferPointer { tables in
                var crc = ~UInt32(0), i = 0
                while i + 8 <= bytes.count {
                    let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: i, as: UInt64.self)) ^ UInt64(crc)
                    crc = 0
                    for k in 0..<8 {
                        let byte = Int(truncatingIfNeeded: word >> UInt64(8 * k)) & 255
                        crc ^= tables[(7 - k) * 256 + byte]
                    }
                    i += 8
                }
                while i < bytes.count {
                    crc = tables[Int(UInt8(truncatingIfNeeded: crc) ^ bytes[i])] ^ (crc >> 8)
                    i += 1
                }
                return ~crc
            }
        }
    }

    /// Table k, from 256·k on: what a byte does that stands k bytes before the end.
    private static let tables: [UInt32] = {
        var tables: [UInt32] = []
        for byte in UInt32(0)..<256 {
            var crc = byte
            for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xEDB8_8320 : crc >> 1 }
            tables.append(crc)
        }
        for i in 256..<2_048 {
            let shorter = tables[i - 256]
            tables.append(tables[Int(shorter & 255)] ^ (shorter >> 8))
        }
        return tables
    }()
}
