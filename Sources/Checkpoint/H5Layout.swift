internal import CHDF5
import Glibc
import Kernels
import Synchronization

/// The layout of an HDF5 file before any numbers are written: with it, the file can be written from front to back in one pass.
///
///     let layout = try H5Layout(of: arrays, in: ["weights"])
///     layout.bytes(0..<512)                                    // HDF5's bytes between the arrays
///     layout.offsets[3]                                        // the offset of the fourth array's numbers
///
/// HDF5 builds the file in memory and never writes to disk: it does not recover from a full disk, and version 1.10 leaks a file that
/// it could not close.
struct H5Layout {
    /// The length of the file.
    let length: Int
    /// The offset of each array; 0 for an empty one.
    let offsets: [Int]
    private let image: H5Image

    /// - Parameters:
    ///   - arrays: in the order in which they lie in the file, each at a multiple of 64 bytes.
    ///   - groups: in the order in which tools list them.
    init(of arrays: [ArrayDescription], in groups: [String]) throws(H5Error) {
        // HDF5's metadata comes before all arrays, so that only this part of the file is in memory.
        let metadataSize = arrays.reduce(4_096) { size, array in
            size + 512 + 3 * array.path.utf8.count + array.path.utf8.count { $0 == UInt8(ascii: "/") } * 256
        }
        let image = H5Image()
        offsets = try H5Library.shared.withLock { library throws(H5Error) in
            try library.open()
            return try H5Builder(image, metadataSize: metadataSize).build(arrays, in: groups)
        }
        self.image = image
        // The end-of-file address in HDF5's superblock, version 2.
        let superblock = CheckpointHeader.size
        let length = image.bytes(superblock + 8..<superblock + 9) == [2] ? image.integer(at: superblock + 28) : 0
        for (offset, array) in zip(offsets, arrays) where offset < 0 || offset + array.byteCount > length {
            throw H5Error(function: "H5Dget_offset")
        }
        self.length = length
    }

    /// HDF5's bytes in a range of the file, padded with zeros.
    func bytes(_ range: Range<Int>) -> [UInt8] { image.bytes(range) }
}

/// The HDF5 library has process-wide state and is not thread-safe: callers hold this lock.
private struct H5Library {
    static let shared = Mutex(H5Library())
    private var isOpen = false

    mutating func open() throws(H5Error) {
        if isOpen { return }
        try H5Error.check(H5open(), "H5open")
        try H5Error.check(H5Eset_auto2(0, nil, nil), "H5Eset_auto2")       // otherwise HDF5 prints its errors
        isOpen = true
    }
}

/// The memory of HDF5's file image. It reaches up to the last byte that HDF5 itself writes.
final class H5Image {
    private var start: UnsafeMutableRawPointer?
    private var count = 0

    deinit { free(start) }

    /// The bytes of a range, padded with zeros.
    func bytes(_ range: Range<Int>) -> [UInt8] {
        let written = min(range.lowerBound, count)..<min(range.upperBound, count)
        let known = UnsafeRawBufferPointer(start: start, count: count)[written]
        return Array(known) + [UInt8](repeating: 0, count: range.count - known.count)
    }

    func integer(at i: Int) -> Int { bytes(i..<i + 8).reversed().reduce(0) { $0 << 8 | Int($1) } }

    /// Makes HDF5 allocate its image here, and leave it here when it closes the file.
    var callbacks: H5FD_file_image_callbacks_t {
        H5FD_file_image_callbacks_t(
            image_malloc: { count, _, image in H5Image.of(image)?.resize(to: count) },
            image_memcpy: { to, from, count, _, _ in if let to, let from { memcpy(to, from, count) } else { nil } },
            image_realloc: { _, count, _, image in H5Image.of(image)?.resize(to: count) },
            image_free: { _, _, _ in 0 },
            udata_copy: { $0 }, udata_free: { _ in 0 }, udata: Unmanaged.passUnretained(self).toOpaque())
    }

    private static func of(_ pointer: UnsafeMutableRawPointer?) -> H5Image? {
        pointer.map { Unmanaged<H5Image>.fromOpaque($0).takeUnretainedValue() }
    }

    private func resize(to count: Int) -> UnsafeMutableRawPointer? {
        guard let start = realloc(start, max(1, count)) else { return nil }
        self.start = start
        self.count = count
        return start
    }
}
