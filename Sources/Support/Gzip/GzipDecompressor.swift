import CZlib

/// Bytes that are not gzip, or are damaged.
package struct GzipError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

/// Decompresses gzip, or the deflated data of zip archives, that arrives in pieces.
///
///     let gzip = GzipDecompressor()
///     try gzip.decompress(part, into: &bytes)
///     gzip.isAtEnd                                             // false: more parts must follow
package final class GzipDecompressor {
    // zlib remembers the address of its state, so the state must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private var chunk = [UInt8](repeating: 0, count: 1 << 16)
    /// Whether the whole stream was read and the checksum of gzip is right.
    package private(set) var isAtEnd = false

    package enum Format: Sendable {
        case gzip
        /// Without a header and a checksum.
        case deflate
    }

    package init(_ format: Format = .gzip) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let code = format == .gzip ? slm_gunzip_init(stream) : slm_inflate_init(stream)
        guard code == Z_OK else { fatalError("zlib is out of memory") }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Appends the decompressed bytes, up to a thousand times as many as `bytes` has.
    package func decompress(_ bytes: [UInt8], into output: inout [UInt8]) throws(GzipError) {
        let failure = bytes.withUnsafeBufferPointer { input -> GzipError? in
            stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            stream.pointee.avail_in = UInt32(input.count)
            defer { stream.pointee.next_in = nil }
            while stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0 {
                if isAtEnd { return stream.pointee.avail_in > 0 ? GzipError(description: "bytes follow the end of the gzip data") : nil }
                let (code, produced) = chunk.withUnsafeMutableBufferPointer { chunk in
                    stream.pointee.next_out = chunk.baseAddress
                    stream.pointee.avail_out = UInt32(chunk.count)
                    let code = inflate(stream, Z_NO_FLUSH)
                    return (code, chunk.count - Int(stream.pointee.avail_out))
                }
                output.append(contentsOf: chunk[..<produced])
                switch code {
                case Z_STREAM_END: isAtEnd = true
                case Z_OK: break
                case Z_BUF_ERROR: return nil                 // more input is needed
                default:
                    let reason = stream.pointee.msg.map { String(cString: $0) } ?? "zlib error \(code)"
                    return GzipError(description: "the gzip data is damaged: \(reason)")
                }
            }
            return nil
        }
        if let failure { throw failure }
    }
}
