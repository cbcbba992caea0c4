/// CRC-32 with Castagnoli's polynomial, the checksum of TFRecord files.
///
///     CRC32C.of(Array("123456789".utf8))                       // 0xE3069283
package enum CRC32C {
    package static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~0) { crc, byte in table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ crc >> 8 }
    }

    /// The masked form that TFRecord stores: rotated and shifted, so that checksums of data with embedded checksums stay meaningful.
    package static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
        let crc = of(bytes)
        return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
    }
}
