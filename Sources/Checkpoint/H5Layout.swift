internal import CHDF5
import Glibc
import Kernels
import Synchronization

/// A file of arrays as HDF5 lays it out, before any of their numbers are written: whoever knows this writes the file from front to back in one pass.
///
///     let layout = try H5Layout(of: arrays, in: ["weights"])
///     layout.bytes(0..<512)                                    // what HDF5 wrote between the arrays
///     layout.places[3]                                         // where the numbers of the fourth array belong
///
/// HDF5 makes it in memory and never sees the disk: it does not get over a full one, and 1.10 leaves a file that it could not close open for ever.
struct H5Layout {
    /// Of the file.
    let length: Int
    /// Where each array begins; 0 for one without bytes.
    let places: [Int]
    private let image: H5Image

    /// - Parameters:
    ///   - arrays: In the order in which their numbers shall stand in the file, each at a multiple of 64.
    ///   - groups: In the order in which they shall be listed.
    init(of arrays: [ArrayDescription], in groups: [String]) throws(H5Refusal) {
        // What HDF5 writes about arrays comes before all of them, so that only that part of the file is ever in memory here.
        let descriptions = arrays.reduce(4_096) { $0 + 512 + 3 * $1.path.utf8.count + ($1.path.utf8.count { $0 == UInt8(ascii: "/") }) * 256 }
        let image = H5Image()
        self.places = try H5Library.only.withLock { library throws(H5Refusal) in
            try library.open()
            return try H5Builder(image, descriptions: descriptions).build(arrays, in: groups)
        }
        self.image = image
        // The place of the end of the file in HDF5's superblock, version 2.
        let length = image.bytes(Seal.size + 8..<Seal.size + 9) == [2] ? image.number(at: Seal.size + 28) : 0
        for (place, array) in zip(places, arrays) where place < 0 || place + array.byteCount > length { throw H5Refusal(function: "H5Dget_offset") }
        self.length = length
    }

    /// What HDF5 wrote there, and zeros behind it.
    func bytes(_ range: Range<Int>) -> [UInt8] { image.bytes(range) }
}

/// HDF5 is one for the whole process, and not made for threads: whoever uses it holds this lock.
private struct H5Library {
    static let only = Mutex(H5Library())
    private var isOpen = false

    mutating func open() throws(H5Refusal) {
        if isOpen { return }
        try H5Refusal.check(H5open(), "H5open")
        try H5Refusal.check(H5Eset_auto2(0, nil, nil), "H5Eset_auto2")       // it prints its errors otherwise
        isOpen = true
    }
}

/// The memory that HDF5 takes for a file: it writes up to the last thing that it writes itself.
final class H5Image {
    private var start: UnsafeMutableRawPointer?
    private var count = 0

    deinit { free(start) }

    /// What HDF5 wrote there, and zeros behind it.
    func bytes(_ range: Range<Int>) -> [UInt8] {
        let known = UnsafeRawBufferPointer(start: start, count: count)[min(range.lowerBound, count)..<min(range.upperBound, count)]
        return Array(known) + [UInt8](repeating: 0, count: range.count - known.count)
    }

    func number(at i: Int) -> Int { bytes(i..<i + 8).reversed().reduce(0) { $0 << 8 | Int($1) } }

    /// How HDF5 shall take and give back memory. When it is done with it, we begin.
    var callbacks: H5FD_file_image_callbacks_t {
        H5FD_file_image_callbacks_t(
            image_malloc: { count, _, image in H5Image.of(image)?.resize(to: count) },
            image_memcpy: { to, from, count, _, _ in if let to, let from { memcpy(to, from, count) } else { nil } },
            image_realloc: { _, count, _, image in H5Image.of(image)?.resize(to: count) },
            image_free: { _, _, _ in 0 },
            udata_copy: { $0 }, udata_free: { _ in 0 }, udata: Unmanaged.passUnretained(self).toOpaque())
    }

    private static func of(_ pointer: UnsafeMutableRawPointer?) -> H5Image? { pointer.map { Unmanaged<H5Image>.fromOpaque($0).takeUnretainedValue() } }

    private func resize(to count: Int) -> UnsafeMutableRawPointer? {
        guard let start = realloc(start, max(1, count)) else { return nil }
        (self.start, self.count) = (start, count)
        return start
    }
}
