import Testing
import sample_chats

/// Facts in the sample that a test can compute.
@Suite struct FactTests {
    private let turns = Array((Chats.training + Chats.validation).joined())
    private static let words = (Chats.training + Chats.validation).joined().map { turn in
        turn.answer.utf8.split { $0 == 32 || $0 == 44 || $0 == 46 }.map { String(Substring($0)) }              // space, comma, period
    }

    /// The turns whose answer starts with a pattern, in which `_` matches any word, with the matched words.
    private func answers(_ pattern: String) -> [(turn: Chats.Turn, found: [String])] {
        let pattern = pattern.split(separator: " ").map(String.init)
        return zip(turns, Self.words).compactMap { turn, words in
            guard words.count >= pattern.count, zip(pattern, words).allSatisfy({ $0 == "_" || $0 == $1 }) else { return nil }
            return (turn, zip(pattern, words).filter { $0.0 == "_" }.map { $0.1 })
        }
    }

    private func numbers(in text: String) -> [Int] { text.split { !$0.isNumber }.compactMap { Int($0) } }

    @Test(arguments: [("+", 2_000), ("-", 1_000), ("times", 500)])
    func `each step of a sum has the result, and the first is the question`(operation: String, least: Int) throws {
        let sums = answers("_ \(operation) _ = _")
        #expect(sums.count > least)
        for (turn, _) in sums {
            let sentence = turn.answer.prefix { $0 != "," && $0 != "." }
            let terms = try sentence.split(separator: " = ").map { term in (numbers(in: String(term)), try #require(value(of: term))) }
            let result = try #require(terms.last)
            #expect(result.0 == [result.1] && Set(terms.map(\.1)).count == 1, "\(turn)")
            let asked = numbers(in: turn.question)
            if asked.count == 2 { #expect(Set(asked) == Set(terms[0].0), "\(turn)") }
            if turn.answer.contains("so ") { #expect(numbers(in: String(turn.answer.dropFirst(sentence.count))).contains(result.1)) }
        }
    }

    /// The value of `7`, `5 + 2`, `5 - 2`, `3 times 5` or `5 + 2 times 5`.
    private func value(of term: Substring) -> Int? {
        let words = term.split(separator: " "), first = words.first.flatMap { Int($0) }
        guard let first, words.count % 2 == 1 else { return nil }
        if words.count == 1 { return first }
        guard let rest = value(of: words.dropFirst(2).joined(separator: " ")[...]) else { return nil }
        return switch words[1] { case "+": first + rest; case "-": first - rest; case "times": first * rest; default: nil }
    }

    @Test func `doubles and halves are correct`() {
        for (turn, found) in answers("_ + _ is _ so the double of _ is _") + answers("_ is _ + _ so half of _ is _") {
            let numbers = found.compactMap { Int($0) }
            let (half, double) = (numbers.min() ?? 0, numbers.max() ?? 0)
            #expect(numbers.count == 5 && Set(numbers) == [half, double] && double == 2 * half, "\(turn)")
            #expect(self.numbers(in: turn.question) == [turn.answer.contains("half") ? double : half], "\(turn)")
        }
    }

    @Test func `successors and predecessors are correct`() {
        let days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
        let months = "January February March April May June July August September October November December"
        let letters = "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z", seasons = "spring summer autumn winter"
        let rings = [days, months, letters, seasons].map { $0.split(separator: " ").map(String.init) }
        func next(_ word: String) -> String? {
            if let n = Int(word) { return "\(n + 1)" }
            for ring in rings { if let i = ring.firstIndex(of: word) { return ring[(i + 1) % ring.count] } }
            return nil
        }
        let after = answers("After _ comes _"), before = answers("Before _ comes _"), second = answers("Two days after _ is _")
        #expect(min(after.count, before.count, second.count) > 100)
        for (turn, found) in after {
            #expect(next(found[0]) == found[1] && turn.question.lowercased().contains(found[0].lowercased()), "\(turn)")
        }
        for (turn, found) in before {
            #expect(next(found[1]) == found[0] && turn.question.lowercased().contains(found[0].lowercased()), "\(turn)")
        }
        for (turn, found) in second { #expect(next(found[0]).flatMap(next) == found[1], "\(turn)") }
    }

    @Test func `lengths, numbers and seasons of months are correct`() {
        let months = [
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
        ]
        for (i, month) in months.enumerated() {
            // Alternating 31 and 30 days; the alternation reverses in August.
            let days = i == 1 ? 28 : 30 + ((i + 1) + (i + 1) / 8) % 2, season = ["winter", "spring", "summer", "autumn"][(i + 1) / 3 % 4]
            for (pattern, right) in [
                ("\(month) has _", "\(days)"), ("\(month) is month _ of", "\(i + 1)"), ("In Europe \(month) is in _", season),
            ] {
                let found = answers(pattern)
                #expect(!found.isEmpty && found.allSatisfy { $0.found == [right] }, "\(pattern), right is \(right)")
            }
        }
    }

    @Test func `comparisons, parity and counting are correct`() {
        for (word, isRight) in [("more", { $0 > $1 }), ("bigger", { $0 > $1 }), ("less", { $0 < $1 }), ("smaller", { $0 < $1 })]
            as [(String, (Int, Int) -> Bool)]
        {
            for (turn, found) in answers("_ is \(word) than _") { #expect(isRight(Int(found[0]) ?? 0, Int(found[1]) ?? 0), "\(turn)") }
        }
        for (turn, found) in answers("_ is even") { #expect((Int(found[0]) ?? 1) % 2 == 0, "\(turn)") }
        for (turn, found) in answers("_ is odd") { #expect((Int(found[0]) ?? 0) % 2 == 1, "\(turn)") }
        for turn in turns
        where turn.answer.first?.isNumber == true && turn.answer.contains(", ")
            && turn.answer.allSatisfy({ $0.isNumber || ", .".contains($0) })
        {
            let list = numbers(in: turn.answer), steps = Set(zip(list, list.dropFirst()).map { $1 - $0 })
            #expect(steps.count == 1 && steps.isSubset(of: [-1, 1, 2]), "\(turn)")
            if let last = numbers(in: turn.question).last { #expect(last == list.last, "\(turn)") }
        }
    }

    @Test func `each country has one capital, and each capital one country`() {
        var capitals: [String: Set<String>] = [:], countries: [String: Set<String>] = [:]
        for turn in turns {
            let answer = String(turn.answer.dropLast())
            let pair: (capital: String, country: String)
            if let range = answer.firstRange(of: " is the capital of ") {
                pair = (String(answer[..<range.lowerBound]), String(answer[range.upperBound...]))
            } else if answer.hasPrefix("The capital of "), let range = answer.firstRange(of: " is ") {
                pair = (String(answer[range.upperBound...]), String(answer[..<range.lowerBound].dropFirst("The capital of ".count)))
            } else { continue }
            capitals[pair.country, default: []].insert(pair.capital)
            countries[pair.capital, default: []].insert(pair.country)
        }
        #expect(capitals.count >= 30 && countries.count == capitals.count)
        #expect(capitals.values.allSatisfy { $0.count == 1 } && countries.values.allSatisfy { $0.count == 1 })
    }
}
