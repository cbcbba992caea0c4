/// A dictionary of bounded size: what was set least recently makes room.
///
///     var table = RecentTable<String, Int>(most: 1_000)
///     table["ada"] = 1
///
/// Each call takes the same time, whatever is in it.
struct RecentTable<Key: Hashable, Value> {
    /// An entry between the one that was set before it and the one that was set after it; -1 for none.
    private struct Entry {
        let key: Key
        var value: Value
        var older, newer: Int32
    }

    private var places: [Key: Int32] = [:]
    private var entries: [Entry] = []
    private var oldest: Int32 = -1, newest: Int32 = -1
    private let most: Int

    init(most: Int) {
        precondition(most > 0 && most < Int(Int32.max), "a table for \(most) entries")
        self.most = most
    }

    var count: Int { entries.count }

    subscript(key: Key) -> Value? {
        places[key].map { entries[Int($0)].value }
    }

    mutating func set(_ key: Key, to value: Value) {
        if let place = places[key] {
            entries[Int(place)].value = value
            unlink(place)
            append(place)
        } else if entries.count < most {
            entries.append(Entry(key: key, value: value, older: -1, newer: -1))
            places[key] = Int32(entries.count - 1)
            append(Int32(entries.count - 1))
        } else {
            let place = oldest
            unlink(place)
            places[entries[Int(place)].key] = nil
            entries[Int(place)] = Entry(key: key, value: value, older: -1, newer: -1)
            places[key] = place
            append(place)
        }
    }

    private mutating func unlink(_ place: Int32) {
        let older = entries[Int(place)].older
        let newer = entries[Int(place)].newer
        if older >= 0 { entries[Int(older)].newer = newer } else { oldest = newer }
        if newer >= 0 { entries[Int(newer)].older = older } else { newest = older }
    }

    private mutating func append(_ place: Int32) {
        entries[Int(place)].older = newest
        entries[Int(place)].newer = -1
        if newest >= 0 { entries[Int(newest)].newer = place } else { oldest = place }
        newest = place
    }
}
