import Kernels
import Tokenize

/// A place for one sequence at a time: what it remembers, and of which ids. What the last sequence left stays until another needs the place.
struct Slot {
    let memory: KVCache
    /// What the memory holds keys and values of, in order.
    fileprivate(set) var ids: [TokenID] = []
    /// Positions that take memory.
    fileprivate var reach = 0
    /// Positions that an answer may come to need; nil where none is under way.
    fileprivate var expected: Int?
    /// When it was last needed, counted in answers.
    fileprivate var usedAt = 0

    fileprivate var isTaken: Bool { expected != nil }
    fileprivate var byteCount: Int { memory.byteCount(of: reach) }
    fileprivate var expectedBytes: Int { memory.byteCount(of: max(reach, expected ?? 0)) }

    /// How many ids of a prompt need not be computed again. The last always is: its scores are wanted.
    fileprivate func shared(with prompt: [TokenID]) -> Int {
        let most = min(ids.count, prompt.count - 1)
        var count = 0
        while count < most, ids[count] == prompt[count] { count += 1 }
        return count
    }
}

/// The places that there are. Memory is taken for one when it is first needed.
struct Slots {
    /// A beginning of so many is worth being kept, or copied.
    private static let worthKeeping = 16

    private var slots: [Slot] = []
    private var answers = 0
    private let most, plenty: Int
    private let makeMemory: () -> KVCache

    /// - Parameter plenty: Bytes of memories, in all, beyond which none is kept for later.
    init(most: Int, plenty: Int, makeMemory: @escaping () -> KVCache) { (self.most, self.plenty, self.makeMemory) = (most, plenty, makeMemory) }

    var memoryBytes: Int { slots.reduce(0) { $0 + $1.byteCount } }

    subscript(place: Int) -> Slot { slots[place] }

    mutating func extend(_ place: Int, by ids: ArraySlice<TokenID>) {
        slots[place].ids += ids
        slots[place].reach = max(slots[place].reach, slots[place].ids.count)
    }

    /// A place for a prompt, the one that knows most of its beginning. It begins with the ids that it shares with the prompt.
    ///
    /// - Parameter room: How many tokens the answer may have.
    mutating func take(for prompt: [TokenID], room: Int) -> Int? {
        let shared = slots.map { $0.shared(with: prompt) }
        guard let place = place(shared) else { return nil }
        let known = place < shared.count ? shared[place] : 0
        if let best = shared.indices.max(by: { shared[$0] < shared[$1] }), shared[best] >= known + Self.worthKeeping {
            slots[place].memory.copy(shared[best], from: slots[best].memory)
            slots[place].ids = []
            extend(place, by: slots[best].ids.prefix(shared[best]))
        } else {
            slots[place].ids.removeLast(slots[place].ids.count - known)
        }
        answers += 1
        (slots[place].expected, slots[place].usedAt) = (min(prompt.count + room, slots[place].memory.room), answers)
        return place
    }

    /// - Parameter shared: How many ids each of the places has in common with the prompt.
    private mutating func place(_ shared: [Int]) -> Int? {
        let free = slots.indices.filter { !slots[$0].isTaken }
        // One that goes on from there, or nearly; what others only begin alike is copied from them, and stays.
        if let best = free.max(by: { shared[$0] < shared[$1] }), shared[best] > 0 {
            let lost = slots[best].ids.count - shared[best]
            if lost < Self.worthKeeping || 4 * lost < slots[best].ids.count { return best }
        }
        // What others left stays while there is room for more; then, what was needed longest ago is forgotten.
        let oldest = free.filter { slots[$0].reach > 0 }.min { slots[$0].usedAt < slots[$1].usedAt }
        if let oldest, slots.reduce(0, { $0 + $1.expectedBytes }) >= plenty { return oldest }
        return free.first { slots[$0].reach == 0 } ?? another() ?? oldest
    }

    private mutating func another() -> Int? {
        guard slots.count < most else { return nil }
        slots.append(Slot(memory: makeMemory()))
        return slots.count - 1
    }

    /// What is left behind is kept for a while.
    mutating func giveBack(_ place: Int) {
        slots[place].expected = nil
        var left = slots.indices.filter { !slots[$0].isTaken && slots[$0].reach > 0 }.sorted { slots[$0].usedAt < slots[$1].usedAt }[...]
        var bytes = left.reduce(0) { $0 + slots[$1].byteCount }
        while bytes > plenty, let oldest = left.popFirst() {
            bytes -= slots[oldest].byteCount
            slots[oldest].memory.empty()
            (slots[oldest].ids, slots[oldest].reach) = ([], 0)
        }
    }
}
