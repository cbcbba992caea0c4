/// Returns the name with the smallest Levenshtein distance to a word, or nil if none is close enough to be a typing error.
package func closestMatch(to word: String, among names: [String]) -> String? {
    func distance(_ a: [Character], _ b: [Character]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
    let ranked = names.map { ($0, distance(Array(word), Array($0))) }.min { $0.1 < $1.1 }
    return ranked.flatMap { $0.1 <= max(2, word.count / 3) ? $0.0 : nil }
}
