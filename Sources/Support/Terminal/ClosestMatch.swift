/// The name that takes the fewest changes to reach, where a slip of the finger may have led.
package func closestMatch(to word: String, among names: [String]) -> String? {
    func distance(_ a: [Character], _ b: [Character]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                (diagonal, row[j + 1]) = (row[j + 1], min(row[j + 1] + 1, row[j] + 1, diagonal + (x == y ? 0 : 1)))
            }
        }
        return row[b.count]
    }
    let ranked = names.map { ($0, distance(Array(word), Array($0))) }.min { $0.1 < $1.1 }
    return ranked.flatMap { $0.1 <= max(2, word.count / 3) ? $0.0 : nil }
}
