/// What a storage is made of, by PyTorch's name of it.
enum TorchType: String, CaseIterable {
    case float32 = "FloatStorage", float16 = "HalfStorage", bfloat16 = "BFloat16Storage", float64 = "DoubleStorage"
    case int64 = "LongStorage", int32 = "IntStorage", int16 = "ShortStorage", int8 = "CharStorage", uint8 = "ByteStorage", boolean = "BoolStorage"

    /// Bytes of one element.
    var size: Int {
        switch self {
        case .float64, .int64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16, .int16: 2
        case .int8, .uint8, .boolean: 1
        }
    }
}

/// A file of numbers in the archive.
struct TorchStorage {
    let key: String
    let type: TorchType
    /// Of its elements, as many as the file has.
    let count: Int
}

/// A view of a storage, which it does not leave.
struct TorchTensor {
    let storage: TorchStorage
    /// Of the first element, in elements.
    let offset: Int
    let sizes, strides: [Int]
    let count: Int

    /// The most dimensions that a tensor has here: a mask of attention has 4.
    static let mostDimensions = 8

    /// nil where it would leave the storage.
    init?(_ storage: TorchStorage, offset: Int, sizes: [Int], strides: [Int]) {
        guard offset >= 0, sizes.count == strides.count, sizes.count <= Self.mostDimensions, sizes.allSatisfy({ $0 >= 0 }), strides.allSatisfy({ $0 >= 0 }) else { return nil }
        var count = 1, last = offset
        for (size, stride) in zip(sizes, strides) {
            let (product, isTooMany) = count.multipliedReportingOverflow(by: size)
            let (way, isTooLong) = max(size - 1, 0).multipliedReportingOverflow(by: stride), (end, isTooFar) = last.addingReportingOverflow(way)
            if isTooMany || isTooLong || isTooFar { return nil }
            (count, last) = (product, end)
        }
        guard count == 0 || last < storage.count else { return nil }
        (self.storage, self.offset, self.sizes, self.strides, self.count) = (storage, offset, sizes, strides, count)
    }

    /// Whether its elements lie in their order, without gaps.
    var isContiguous: Bool {
        var expected = 1
        for (size, stride) in zip(sizes, strides).reversed() where size != 1 {
            if stride != expected { return false }
            expected *= size
        }
        return true
    }

    /// Whether both are the same view of the same numbers.
    func isSame(as other: TorchTensor) -> Bool {
        storage.key == other.storage.key && storage.type == other.storage.type && offset == other.offset && sizes == other.sizes && strides == other.strides
    }

    /// Lends the place of each element in the storage, in their order.
    func forEachPlace(_ body: (Int) -> Void) {
        guard count > 0 else { return }
        var index = [Int](repeating: 0, count: sizes.count), place = offset
        for _ in 0..<count {
            body(place)
            var axis = sizes.count - 1
            while axis >= 0 {
                (index[axis], place) = (index[axis] + 1, place + strides[axis])
                if index[axis] < sizes[axis] { break }
                place -= index[axis] * strides[axis]
                index[axis] = 0
                axis -= 1
            }
        }
    }
}
