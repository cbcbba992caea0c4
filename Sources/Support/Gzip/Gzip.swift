import CZlib

/// Compresses bytes with gzip (RFC 1952) at zlib's best level. The header has no timestamp, so the same input gives the same output.
///
///     Gzip.compress(page)
package enum Gzip {
    package static func compress(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream()
        guard slm_gzip_init(&stream, Z_BEST_COMPRESSION) == Z_OK else {
            fatalError("zlib is out of memory, compressing \(bytes.count) bytes")
        }
        defer { deflateEnd(&stream) }
        var bytes = bytes
        return bytes.withUnsafeMutableBufferPointer { input in
            let capacity = Int(deflateBound(&stream, UInt(input.count)))
            return [UInt8](unsafeUninitializedCapacity: capacity) { output, initialized in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(capacity)
                guard deflate(&stream, Z_FINISH) == Z_STREAM_END else { fatalError("zlib exceeded deflateBound's \(capacity) bytes") }
                initialized = Int(stream.total_out)
            }
        }
    }
}

/// The CRC-32 checksum of ZIP archives and gzip files.
///
///     CRC32.of(Array("123456789".utf8).span)                   // 0xCBF43926
package enum CRC32 {
    package static func of(_ bytes: Span<UInt8>) -> UInt32 {
        bytes.withUnsafeBufferPointer { UInt32(truncatingIfNeeded: crc32_z(0, $0.baseAddress, $0.count)) }
    }
}
