/// A dictionary of bounded size. A new entry evicts the one that was set least recently; reading does not count as use.
///
///     var cache = BoundedCache<String, Int>(capacity: 1_000)
///     cache["ada"]                                             // nil
///     cache.set("ada", to: 1)
///
/// Every call takes constant time.
struct BoundedCache<Key: Hashable, Value> {
    /// A node of a doubly linked list in the order of `set`. The links are indices into `entries`; -1 is none.
    private struct Entry {
        let key: Key
        var value: Value
        var older: Int32
        var newer: Int32
    }

    private var indices: [Key: Int32] = [:]
    private var entries: [Entry] = []
    private var oldest: Int32 = -1
    private var newest: Int32 = -1
    private let capacity: Int

    init(capacity: Int) {
        precondition(capacity > 0 && capacity < Int(Int32.max), "expected a capacity of 1…\(Int32.max - 1), found \(capacity)")
        self.capacity = capacity
    }

    subscript(key: Key) -> Value? {
        indices[key].map { entries[Int($0)].value }
    }

    mutating func set(_ key: Key, to value: Value) {
        if let index = indices[key] {
            entries[Int(index)].value = value
            unlink(index)
            linkAsNewest(index)
        } else if entries.count < capacity {
            entries.append(Entry(key: key, value: value, older: -1, newer: -1))
            indices[key] = Int32(entries.count - 1)
            linkAsNewest(Int32(entries.count - 1))
        } else {
            let index = oldest
            unlink(index)
            indices[entries[Int(index)].key] = nil
            entries[Int(index)] = Entry(key: key, value: value, older: -1, newer: -1)
            indices[key] = index
            linkAsNewest(index)
        }
    }

    private mutating func unlink(_ index: Int32) {
        let older = entries[Int(index)].older
        let newer = entries[Int(index)].newer
        if older >= 0 { entries[Int(older)].newer = newer } else { oldest = newer }
        if newer >= 0 { entries[Int(newer)].older = older } else { newest = older }
    }

    private mutating func linkAsNewest(_ index: Int32) {
        entries[Int(index)].older = newest
        entries[Int(index)].newer = -1
        if newest >= 0 { entries[Int(newest)].newer = index } else { oldest = index }
        newest = index
    }
}
