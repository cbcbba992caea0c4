internal import CKernels

private let pageBytes = 4_096

/// The KV cache of one sequence: the keys and values of its tokens, for every layer and head.
///
///     let cache = processor.makeKVCache(layers: 6, heads: 8, headWidth: 64, capacity: 384, .int8)
///     processor.cachedAttention(qkv, AttentionHeads(8, width: 64), rows: [.init(cache, from: 0, count: 12)], layer: 0, into: y)
package final class KVCache {
    package let layers: Int
    /// Heads of keys and values.
    package let heads: Int
    package let headWidth: Int
    /// The maximum number of positions.
    package let capacity: Int
    /// How keys and values are stored: f32, bf16 or int8.
    package let precision: WeightPrecision
    package let size: KVCacheSize
    private let storage: Buffer
    private let keyBytes, valueBytes: Int
    private let table: slm_kernels
    private let gpu: GPU?
    /// On a device, keys and values in int8 are kept in bf16.
    let elementType: DataType

    fileprivate init(layers: Int, heads: Int, headWidth: Int, capacity: Int, _ precision: WeightPrecision, on processor: Processor) {
        require(!precision.isAffine, "KV cache: expected f32, bf16 or int8, found \(precision.rawValue)")
        self.layers = layers
        self.heads = heads
        self.headWidth = headWidth
        self.capacity = capacity
        self.precision = precision
        table = processor.table
        gpu = processor.gpu
        elementType = precision == .float32 ? .float32 : .bfloat16
        if processor.gpu != nil {
            let count = headWidth * capacity
            keyBytes = count * elementType.size
            valueBytes = keyBytes
            size = KVCacheSize(heads: layers * heads, headBytes: [keyBytes, valueBytes], capacity: capacity, partsOfHead: 1)
            storage = processor.buffer(of: layers * heads * 2 * count, elementType)
            return
        }
        keyBytes = table.kv_cache_key_bytes(precision.code, headWidth, capacity)
        valueBytes = table.kv_cache_value_bytes(precision.code, headWidth, capacity)
        size = KVCacheSize(
            heads: layers * heads, headBytes: [keyBytes, valueBytes], capacity: capacity, partsOfHead: precision == .int8 ? 2 : 1)
        // Page-aligned, so that the cache occupies as few pages as possible.
        let count = layers * heads * (keyBytes + valueBytes) / 4
        let whole = processor.buffer(of: count + pageBytes / 4, .int32)
        let start = -Int(bitPattern: whole.pointer) & (pageBytes - 1)
        storage = whole[start / 4..<start / 4 + count]
        // Positions that were never written occupy no memory: a page holds 32 positions of a head in bf16, while a huge page would span
        // several heads.
        storage.disableHugePages()
        // Nor do those that held other buffers of the arena before.
        storage.discard()
    }

    func keys(layer: Int, head: Int) -> UnsafeMutableRawPointer {
        storage.pointer + (layer * heads + head) * (keyBytes + valueBytes)
    }
    func values(layer: Int, head: Int) -> UnsafeMutableRawPointer { keys(layer: layer, head: head) + keyBytes }

    /// Copies the first `count` positions from another cache of the same model.
    package func copy(_ count: Int, from other: KVCache) {
        require(
            other.layers == layers && other.heads == heads && other.headWidth == headWidth && other.capacity == capacity
                && other.precision == precision,
            "KV cache: cannot copy from a cache of another shape")
        require(count <= capacity, "KV cache: expected at most \(capacity) positions, found \(count)")
        if let gpu {
            // Keys and values of a head: positions lie one behind the other.
            for part in 0..<2 * layers * heads {
                let first = part * capacity * headWidth, range = first..<first + count * headWidth
                require(gpu.move(other.storage[range], into: storage[range]), "KV cache: not on the device")
            }
            return
        }
        for layer in 0..<layers {
            for head in 0..<heads {
                table.kv_cache_copy(
                    precision.code, headWidth, capacity, count, other.keys(layer: layer, head: head),
                    other.values(layer: layer, head: head), keys(layer: layer, head: head), values(layer: layer, head: head))
            }
        }
    }

    /// Where shaders find the cache.
    var deviceAddress: UInt64 { storage.deviceAddress }

    func wasUsed(by submission: UInt64) { storage.wasUsed(by: submission, writing: true) }

    /// Drops all positions and returns their memory to the system.
    package func clear() { storage.discard() }
}

/// The memory of a KV cache, which takes pages of the system as positions are written.
///
///     cache.size.bytes(forPositions: 2_000)
package struct KVCacheSize: Sendable {
    /// Heads of all layers.
    let heads: Int
    /// Bytes of the keys of a head, and of its values.
    let headBytes: [Int]
    let capacity: Int
    /// Arrays in the keys, and in the values, of a head: numbers and scales.
    let partsOfHead: Int

    /// Positions are written and copied in blocks of at most so many.
    private static let block = 32

    /// Addresses that the cache takes.
    package var addressBytes: Int { heads * headBytes.reduce(0, +) + pageBytes }

    /// The most memory that the first `count` positions use.
    package func bytes(forPositions count: Int) -> Int {
        if count <= 0 { return 0 }
        let written = min(capacity, (count + Self.block - 1) / Self.block * Self.block)
        // Each part may begin and end within a page.
        let pages = headBytes.reduce(0) { $0 + ($1 * written + capacity * pageBytes - 1) / (capacity * pageBytes) + partsOfHead }
        return min(heads * pages, (addressBytes + pageBytes - 1) / pageBytes) * pageBytes
    }

    /// The most positions that fit into some memory.
    package func positions(within bytes: Int) -> Int {
        var low = 0, high = capacity
        while low < high {
            let middle = (low + high + 1) / 2
            if self.bytes(forPositions: middle) <= bytes { low = middle } else { high = middle - 1 }
        }
        return low
    }
}

extension Processor {
    /// Bytes of addresses that KV caches may take.
    package var kvCacheAddresses: Int {
        guard let gpu else { return arena.reserved / 2 }
        return max(0, gpu.memory.reserved - deviceBytesInUse) / 2
    }

    /// The positions of a KV cache, at most `most`, for which there are addresses.
    package func kvCacheCapacity(layers: Int, heads: Int, headWidth: Int, upTo most: Int, _ precision: WeightPrecision) -> Int {
        // A cache grows by whole blocks of positions, which all have the same size.
        let block = 1_024
        // On a device, a cache takes the memory of all its positions.
        if gpu != nil {
            let bytes = layers * heads * headWidth * 2 * (precision == .float32 ? 4 : 2) * block
            return min(most, max(1, kvCacheAddresses / 8 / max(1, bytes)) * block)
        }
        let blocks = kvCacheAddresses / max(1, layers * heads)
            / (table.kv_cache_key_bytes(precision.code, headWidth, block) + table.kv_cache_value_bytes(precision.code, headWidth, block))
        return min(most, max(1, blocks * block))
    }

    package func makeKVCache(layers: Int, heads: Int, headWidth: Int, capacity: Int, _ precision: WeightPrecision) -> KVCache {
        KVCache(layers: layers, heads: heads, headWidth: headWidth, capacity: capacity, precision, on: self)
    }
}
