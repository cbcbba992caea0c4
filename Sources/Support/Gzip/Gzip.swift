import CZlib

/// Bytes packed as browsers unpack them (RFC 1952), as small as zlib can. The same bytes are packed into the same: the header has no time.
///
///     Gzip.pack(page)
package enum Gzip {
    package static func pack(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream()
        guard slm_gzip_init(&stream) == Z_OK else { fatalError("zlib has no memory to pack \(bytes.count) bytes") }
        defer { deflateEnd(&stream) }
        var bytes = bytes
        return bytes.withUnsafeMutableBufferPointer { input in
            let room = Int(deflateBound(&stream, UInt(input.count)))
            return [UInt8](unsafeUninitializedCapacity: room) { output, initialized in
                stream.next_in = input.baseAddress
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(room)
                guard deflate(&stream, Z_FINISH) == Z_STREAM_END else { fatalError("zlib needs more room than it said") }
                initialized = Int(stream.total_out)
            }
        }
    }
}

/// The checksum of zip archives and gzip files, by zlib.
///
///     CRC32.of(Array("123456789".utf8).span)                   // 0xCBF43926
package enum CRC32 {
    package static func of(_ bytes: Span<UInt8>) -> UInt32 {
        bytes.withUnsafeBufferPointer { UInt32(truncatingIfNeeded: crc32_z(0, $0.baseAddress, $0.count)) }
    }
}
