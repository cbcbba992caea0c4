/// The element type of a storage. Raw values are PyTorch's class names.
enum TorchType: String, CaseIterable {
    case float32 = "FloatStorage", float16 = "HalfStorage", bfloat16 = "BFloat16Storage", float64 = "DoubleStorage"
    case int64 = "LongStorage", int32 = "IntStorage", int16 = "ShortStorage", int8 = "CharStorage", uint8 = "ByteStorage"
    case boolean = "BoolStorage"

    /// Bytes per element.
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
    /// The file's name.
    let key: String
    let type: TorchType
    /// The number of elements, which matches the file's size.
    let count: Int
}

/// A strided view of a storage, entirely within it.
struct TorchTensor {
    let storage: TorchStorage
    /// The index of the first element in the storage.
    let offset: Int
    let sizes, strides: [Int]
    let count: Int

    /// GPT-2's largest tensors, attention masks, have 4 dimensions.
    static let maximumRank = 8

    /// Fails if the view would leave the storage.
    init?(_ storage: TorchStorage, offset: Int, sizes: [Int], strides: [Int]) {
        guard offset >= 0, sizes.count == strides.count, sizes.count <= Self.maximumRank,
              sizes.allSatisfy({ $0 >= 0 }), strides.allSatisfy({ $0 >= 0 }) else { return nil }
        var count = 1, last = offset
        for (size, stride) in zip(sizes, strides) {
            let (product, productOverflows) = count.multipliedReportingOverflow(by: size)
            let (distance, distanceOverflows) = max(size - 1, 0).multipliedReportingOverflow(by: stride)
            let (end, endOverflows) = last.addingReportingOverflow(distance)
            if productOverflows || distanceOverflows || endOverflows { return nil }
            count = product
            last = end
        }
        guard count == 0 || last < storage.count else { return nil }
        self.storage = storage
        self.offset = offset
        self.sizes = sizes
        self.strides = strides
        self.count = count
    }

    /// Whether the elements lie in row-major order without gaps. The tensor is not empty.
    var isContiguous: Bool {
        var expected = 1
        for (size, stride) in zip(sizes, strides).reversed() where size != 1 {
            if stride != expected { return false }
            expected *= size
        }
        return true
    }

    /// Whether both are the same view of the same storage.
    func isSame(as other: TorchTensor) -> Bool {
        storage.key == other.storage.key && storage.type == other.storage.type && offset == other.offset && sizes == other.sizes
            && strides == other.strides
    }

    /// Calls `body` with the storage index of each element in row-major order.
    func forEachIndex(_ body: (Int) -> Void) {
        guard count > 0 else { return }
        var coordinates = [Int](repeating: 0, count: sizes.count), index = offset
        for _ in 0..<count {
            body(index)
            var axis = sizes.count - 1
            while axis >= 0 {
                coordinates[axis] += 1
                index += strides[axis]
                if coordinates[axis] < sizes[axis] { break }
                index -= coordinates[axis] * strides[axis]
                coordinates[axis] = 0
                axis -= 1
            }
        }
    }
}
