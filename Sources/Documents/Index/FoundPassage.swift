/// A passage that a search found.
struct FoundPassage {
    let id: Int
    /// Larger is better; comparable within one list only.
    var score: Double
    /// The score as a share of the best one's of its list; of several lists, the largest.
    var share: Double
    /// See ``Passage/coverage``.
    var coverage: Double?

    /// - Parameter best: The best of the list; nil if this is it.
    init(_ id: Int, _ score: Double, best: FoundPassage?) {
        self.id = id
        self.score = score
        share = best.map { $0.score > 0 ? score / $0.score : 0 } ?? 1
    }

    /// What a rank counts in a fusion: the first ranks do not decide alone (Cormack, Clarke and Büttcher 2009).
    fileprivate static let rankOffset = 60.0
}

/// Reciprocal-rank fusion: a passage's score is the sum over the lists of 1/(60 + its rank). Equal scores are in the order of the lists.
func fused(_ lists: [[FoundPassage]]) -> [FoundPassage] {
    var all: [FoundPassage] = [], places: [Int: Int] = [:]
    for list in lists {
        for (i, passage) in list.enumerated() {
            let score = 1 / (FoundPassage.rankOffset + Double(i + 1))
            if let place = places[passage.id] {
                all[place].score += score
                all[place].share = max(all[place].share, passage.share)
            } else {
                places[passage.id] = all.count
                all.append(passage)
                all[all.count - 1].score = score
            }
        }
    }
    return all.sorted { $0.score > $1.score }
}

extension [FoundPassage] {
    /// Adds the shares of another list, times a weight, to those of this one. Equal sums stay in order.
    mutating func add(_ others: [FoundPassage], weight: Double) {
        var sums: [FoundPassage] = self, places = Dictionary(uniqueKeysWithValues: indices.map { (self[$0].id, $0) })
        for i in sums.indices { sums[i].score = sums[i].share }
        for other in others {
            if let place = places[other.id] {
                sums[place].score += weight * other.share
            } else {
                places[other.id] = sums.count
                sums.append(other)
                sums[sums.count - 1].score = weight * other.share
            }
        }
        sums.sort { $0.score > $1.score }
        let best = sums.first?.score ?? 0
        for i in sums.indices { sums[i].share = best > 0 ? sums[i].score / best : 0 }
        self = sums
    }
}
