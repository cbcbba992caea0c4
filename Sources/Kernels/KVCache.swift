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
    private let storage: Buffer
    private let keyBytes, valueBytes: Int
    private let table: slm_kernels

    fileprivate init(layers: Int, heads: Int, headWidth: Int, capacity: Int, _ precision: WeightPrecision, on processor: Processor) {
        require(precision != .int4, "KV cache: expected f32, bf16 or int8, found int4")
        self.layers = layers
        self.heads = heads
        self.headWidth = headWidth
        self.capacity = capacity
        self.precision = precision
        table = processor.table
        keyBytes = table.kv_cache_key_bytes(precision.code, headWidth, capacity)
        valueBytes = table.kv_cache_value_bytes(precision.code, headWidth, capacity)
        // Page-aligned, so that the cache occupies as few pages as possible.
        let count = layers * heads * (keyBytes + valueBytes) / 4
        let whole = processor.buffer(of: count + pageBytes / 4, .int32)
        let start = -Int(bitPattern: whole.pointer) & (pageBytes - 1)
        storage = whole[start / 4..<start / 4 + count]
        // Positions that were never written occupy no memory: a page holds 32 positions of a head in bf16, while a huge page would span
        // several heads.
        storage.disableHugePages()
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
        for layer in 0..<layers {
            for head in 0..<heads {
                table.kv_cache_copy(
                    precision.code, headWidth, capacity, count, other.keys(layer: layer, head: head),
                    other.values(layer: layer, head: head), keys(layer: layer, head: head), values(layer: layer, head: head))
            }
        }
    }

    /// Drops all positions and returns their memory to the system.
    package func clear() { storage.discard() }

    /// Bytes of memory that `count` cached positions use.
    package func memoryBytes(forPositions count: Int) -> Int {
        func pages(_ bytes: Int) -> Int { (bytes * count + capacity * pageBytes - 1) / (capacity * pageBytes) * pageBytes }
        return layers * heads * (pages(keyBytes) + pages(valueBytes))
    }
}

extension Processor {
    package func makeKVCache(layers: Int, heads: Int, headWidth: Int, capacity: Int, _ precision: WeightPrecision) -> KVCache {
        KVCache(layers: layers, heads: heads, headWidth: headWidth, capacity: capacity, precision, on: self)
    }
}
