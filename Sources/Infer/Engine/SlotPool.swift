import Kernels
import Tokenize

/// A slot for one sequence: a KV cache and the ids in it. After the sequence ends, both stay for prefix reuse until another
/// sequence needs the slot.
struct SequenceSlot {
    let cache: KVCache
    /// The ids whose keys and values are in the cache, in order.
    fileprivate(set) var ids: [TokenID] = []
    /// Whose prompt the ids belong to.
    fileprivate var owner = ""
    /// The LoRA adapter that computed the keys and values.
    fileprivate var adapter: Int?
    /// How many of the ids were in a cache of the same owner when the slot was acquired.
    fileprivate(set) var ownCachedCount = 0
    /// The number of positions that occupy memory.
    fileprivate var usedPositions = 0
    /// The number of positions that the running generation may need; nil if the slot is free.
    fileprivate(set) var reservedPositions: Int?
    /// When the slot was last acquired, counted in generations.
    fileprivate var lastUse = 0

    fileprivate var isFree: Bool { reservedPositions == nil }
    fileprivate var byteCount: Int { cache.size.bytes(forPositions: usedPositions) }
    fileprivate var reservedBytes: Int { bytes(forPositions: reservedPositions ?? 0) }

    /// The memory of the cache when it has grown to `count` positions.
    fileprivate func bytes(forPositions count: Int) -> Int { cache.size.bytes(forPositions: max(usedPositions, count)) }

    /// Drops the sequence and returns its memory to the system.
    fileprivate mutating func evict() {
        cache.clear()
        ids = []
        usedPositions = 0
    }

    /// The length of the common prefix with a prompt. Less than the whole prompt, since the logits of its last token must be computed.
    ///
    /// - Parameters:
    ///   - shared: The length of the prefix that prompts of other owners may share.
    ///   - limit: The longest prefix that may be reused.
    fileprivate func commonPrefix(
        with prompt: [TokenID], of owner: String, adapter: Int?, sharing shared: Int, upTo limit: Int
    ) -> Int {
        if adapter != self.adapter { return 0 }
        let most = min(ids.count, prompt.count - 1, limit, owner == self.owner ? .max : shared)
        var count = 0
        while count < most, ids[count] == prompt[count] { count += 1 }
        return count
    }
}

/// The slots of an engine, with prefix reuse between sequences (prompt caching). A slot's KV cache is allocated when it is first needed.
///
/// The memory that running sequences have reserved and the memory of finished ones are never more than a limit.
struct SlotPool {
    /// Shorter prefixes are not worth keeping or copying.
    private static let minReusedPrefix = 16

    private var slots: [SequenceSlot]
    private var generations = 0
    private let capacity: Int
    private let cacheBudget: Int
    private let memoryLimit: Int
    private let makeKVCache: () -> KVCache

    /// - Parameters:
    ///   - capacity: The most slots.
    ///   - cacheBudget: Bytes of all KV caches, beyond which those of finished sequences are reused or evicted.
    ///   - memoryLimit: Bytes of all KV caches that are never exceeded.
    ///   - addresses: Bytes of addresses that the KV caches may take.
    init(capacity: Int, cacheBudget: Int, memoryLimit: Int, addresses: Int, makeKVCache: @escaping () -> KVCache) {
        let first = makeKVCache()
        slots = [SequenceSlot(cache: first)]
        self.capacity = min(capacity, max(1, addresses / first.size.addressBytes))
        self.cacheBudget = cacheBudget
        self.memoryLimit = memoryLimit
        self.makeKVCache = makeKVCache
    }

    /// The memory in use.
    var cacheBytes: Int { slots.reduce(0) { $0 + $1.byteCount } }
    /// The memory in use, and what running sequences have reserved.
    var reservedBytes: Int { slots.reduce(0) { $0 + $1.reservedBytes } }
    /// The memory of any of the KV caches.
    var cacheSize: KVCacheSize { slots[0].cache.size }

    subscript(slot: Int) -> SequenceSlot { slots[slot] }

    /// Records ids that were processed.
    mutating func append(_ ids: ArraySlice<TokenID>, to slot: Int) {
        slots[slot].ids += ids
        slots[slot].usedPositions = max(slots[slot].usedPositions, slots[slot].ids.count)
    }

    /// Forgets the last ids: those that follow overwrite their keys and values.
    mutating func removeLast(_ count: Int, from slot: Int) { slots[slot].ids.removeLast(count) }

    /// Acquires the slot that shares the longest prefix with a prompt, or nil if none is free or there is too little memory. The slot keeps
    /// the ids of that prefix. Finished sequences are evicted if their memory is needed.
    ///
    /// - Parameters:
    ///   - owner: Whose prompt it is. Prompts of other owners share a prefix of at most `shared` tokens with it.
    ///   - adapter: The LoRA adapter that processes it. Prompts of other adapters share nothing with it.
    ///   - limit: The longest prefix that may be reused: fewer than all tokens if their logits are needed.
    ///   - positions: To reserve for the sequence: see ``reserve(_:in:)``.
    mutating func acquire(
        for prompt: [TokenID], of owner: String, adapter: Int?, sharing shared: Int, upTo limit: Int = .max, positions: Int
    ) -> Int? {
        func prefixes() -> [Int] {
            slots.map { $0.commonPrefix(with: prompt, of: owner, adapter: adapter, sharing: shared, upTo: limit) }
        }
        let found = prefixes()
        guard canReserve(positions, besides: nil), let slot = freeSlot(found) else { return nil }
        evict(for: positions, in: slot, last: found.indices.max { found[$0] < found[$1] })
        let prefixes = prefixes(), ownPrefix = prefixes[slot]                       // of those that were not evicted
        let best = prefixes.indices.max { prefixes[$0] < prefixes[$1] }
        if let best, prefixes[best] >= ownPrefix + Self.minReusedPrefix {
            slots[slot].cache.copy(prefixes[best], from: slots[best].cache)
            slots[slot].ids = []
            append(slots[best].ids.prefix(prefixes[best]), to: slot)
            slots[slot].ownCachedCount = slots[best].owner == owner ? prefixes[best] : 0
        } else {
            slots[slot].ids.removeLast(slots[slot].ids.count - ownPrefix)
            slots[slot].ownCachedCount = slots[slot].owner == owner ? ownPrefix : 0
        }
        slots[slot].owner = owner
        slots[slot].adapter = adapter
        generations += 1
        slots[slot].reservedPositions = positions
        slots[slot].lastUse = generations
        return slot
    }

    /// Reserves memory for a running sequence that becomes longer. Returns false if there is too little beside the other running ones.
    mutating func reserve(_ positions: Int, in slot: Int) -> Bool {
        guard canReserve(positions, besides: slot) else { return false }
        evict(for: positions, in: slot, last: nil)
        slots[slot].reservedPositions = positions
        return true
    }

    /// Whether a sequence of so many positions has enough memory if all finished sequences are evicted.
    private func canReserve(_ positions: Int, besides slot: Int?) -> Bool {
        let others = slots.indices.reduce(0) { $0 + ($1 == slot || slots[$1].isFree ? 0 : slots[$1].reservedBytes) }
        return others + cacheSize.bytes(forPositions: positions) <= memoryLimit
    }

    /// Evicts finished sequences, the least recently used first, until the sequence of a slot may have `positions`.
    ///
    /// - Parameter last: A sequence that is worth keeping.
    private mutating func evict(for positions: Int, in slot: Int, last: Int?) {
        var excess = slots.reduce(0) { $0 + $1.reservedBytes } - slots[slot].reservedBytes + slots[slot].bytes(forPositions: positions)
            - memoryLimit
        let others = slots.indices.filter { $0 != slot && $0 != last }.sorted { slots[$0].lastUse < slots[$1].lastUse }
        for other in others + [last].compactMap({ $0 }).filter({ $0 != slot }) where excess > 0 && slots[other].isFree {
            excess -= slots[other].byteCount
            slots[other].evict()
        }
        // It holds a sequence that is longer than the one that will use it.
        if excess > 0, slots[slot].isFree { slots[slot].evict() }
    }

    /// - Parameter prefixes: The length of each slot's common prefix with the prompt.
    private mutating func freeSlot(_ prefixes: [Int]) -> Int? {
        let free = slots.indices.filter { slots[$0].isFree }
        // Continues a sequence in place if little of it is lost. A prefix of a longer sequence is copied instead, so that the
        // sequence stays cached.
        if let best = free.max(by: { prefixes[$0] < prefixes[$1] }), prefixes[best] > 0 {
            let lost = slots[best].ids.count - prefixes[best]
            if lost < Self.minReusedPrefix || 4 * lost < slots[best].ids.count { return best }
        }
        // Finished sequences stay cached while the budget allows; then the least recently used one is replaced.
        let oldest = free.filter { slots[$0].usedPositions > 0 }.min { slots[$0].lastUse < slots[$1].lastUse }
        if let oldest, slots.reduce(0, { $0 + $1.reservedBytes }) >= cacheBudget { return oldest }
        return free.first { slots[$0].usedPositions == 0 } ?? addSlot() ?? oldest
    }

    private mutating func addSlot() -> Int? {
        guard slots.count < capacity else { return nil }
        slots.append(SequenceSlot(cache: makeKVCache()))
        return slots.count - 1
    }

    /// Frees a slot, without keeping its sequence cached.
    mutating func discard(_ slot: Int) {
        slots[slot].reservedPositions = nil
        slots[slot].evict()
    }

    /// Frees a slot. Its sequence stays cached; beyond the budget the least recently used free slots are evicted.
    mutating func release(_ slot: Int) {
        slots[slot].reservedPositions = nil
        let used = slots.indices.filter { slots[$0].isFree && slots[$0].usedPositions > 0 }
        var candidates = used.sorted { slots[$0].lastUse < slots[$1].lastUse }[...]
        var bytes = candidates.reduce(0) { $0 + slots[$1].byteCount }
        while bytes > cacheBudget, let oldest = candidates.popFirst() {
            bytes -= slots[oldest].byteCount
            slots[oldest].evict()
        }
    }
}
