import CZlib

/// Compresses bytes that arrive in pieces with gzip.
///
///     let gzip = GzipCompressor()
///     gzip.compress(line, into: &output)
///     gzip.finish(into: &output)
package final class GzipCompressor {
    // zlib remembers the address of its state, so the state must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private var chunk = [UInt8](repeating: 0, count: 1 << 16)

    /// - Parameter level: 1 (fast) to 9 (small).
    package init(level: Int = 6) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard slm_gzip_init(stream, Int32(level)) == Z_OK else { fatalError("zlib is out of memory") }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Appends the output that is complete; zlib keeps some of it until later calls.
    package func compress(_ bytes: [UInt8], into output: inout [UInt8]) { run(bytes, Z_NO_FLUSH, &output) }

    /// Appends the rest of the output.
    package func finish(into output: inout [UInt8]) { run([], Z_FINISH, &output) }

    private func run(_ bytes: [UInt8], _ flush: Int32, _ output: inout [UInt8]) {
        bytes.withUnsafeBufferPointer { input in
            stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            stream.pointee.avail_in = UInt32(input.count)
            repeat {
                let produced = chunk.withUnsafeMutableBufferPointer { chunk in
                    stream.pointee.next_out = chunk.baseAddress
                    stream.pointee.avail_out = UInt32(chunk.count)
                    // Z_BUF_ERROR: there is nothing to write yet.
                    guard [Z_OK, Z_STREAM_END, Z_BUF_ERROR].contains(deflate(stream, flush)) else { fatalError("zlib's state is invalid") }
                    return chunk.count - Int(stream.pointee.avail_out)
                }
                output.append(contentsOf: chunk[..<produced])
            } while stream.pointee.avail_out == 0
            stream.pointee.next_in = nil
        }
    }
}
