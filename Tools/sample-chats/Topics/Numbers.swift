/// Sums, what comes next, what is more, counting.
///
/// A sum is held out as a whole, however it is asked: the file to learn from has 7 + 5 only turned round. Answers say the sum again, so
/// that
/// a reader (and a test) can check it.
enum Numbers {
    static let topics = [
        Topic(name: "plus", share: 10) { talk in
            drawSum(+, &talk) { ($0.pick(0...10), $0.pick(0...10)) }
            plus(&talk)
            goOn(&talk)
        },
        Topic(name: "minus", share: 7) { talk in
            drawSum(-, &talk) { talk in
                let a = talk.pick(1...12)
                return (a, talk.pick(0...a))
            }
            talk.ask("""
                (What is|What's|How much is|What do I get for|Can you tell me) ({a} minus {b}|{a} - {b}|{aWord} minus {bWord})?
                (Tell me|Please calculate|Calculate) ({a} minus {b}|{a} - {b}|{aWord} minus {bWord}).
                (Take|Subtract) {b} from {a}.( What is left?|)
                {a} minus {b} is what?
                """, "{a} - {b} is {c}.", splitByWords: false)
            goOn(&talk)
        },
        Topic(name: "times", share: 6) { talk in
            drawSum(*, &talk) { ($0.pick(1...10), $0.pick(1...10)) }
            talk.ask("""
                (What is|What's|How much is|What do I get for|Can you tell me) ({a} times {b}|{aWord} times {bWord})?
                (Tell me|Please calculate|Calculate) ({a} times {b}|{aWord} times {bWord}).
                (Multiply) {a} (by|with|and) {b}.
                {a} times {b} is what?
                """, "{a} times {b} is {c}.", splitByWords: false)
        },
        Topic(name: "apples", share: 3) { talk in
            Memory.someone(&talk)
            talk["thing"] = talk.pick(["apples", "books", "coins", "pens", "cookies", "stones", "cards", "eggs"])
            if talk.chance(60) {
                talk.set(a: talk.pick(1...9), b: talk.pick(1...9), by: +)
                talk.ask("""
                    {name} has {a} {thing} and (gets|finds|buys) {b} more. How many {thing} (does {name} have|are there|is that)( now|)?
                    {name} has {a} {thing}. A friend gives {name} {b} more. How many {thing} (are there|does {name} have)( now|)?
                    """, "{a} + {b} is {c}, so {name} has {c} {thing}.")
            } else {
                let a = talk.pick(2...10)
                talk.set(a: a, b: talk.pick(1...(a - 1)), by: -)
                talk["are"] = talk["c"] == "1" ? "is" : "are"
                talk.ask("""
                    {name} has {a} {thing} and (loses|gives away|sells) {b}. How many {thing} (does {name} have|are left)( now|)?
                    {name} had {a} {thing}. Then {name} lost {b} of them. How many {thing} are left?
                    """, "{a} - {b} is {c}, so {c} {are} left.")
            }
            goOn(&talk)
        },
        Topic(name: "double and half", share: 2) { talk in
            let half = talk.pick(1...10)
            talk.set(a: half, b: half, by: +)
            if talk.chance(50) {
                talk.ask("""
                    What is (the double of|double|twice|two times) {a}?
                    (Double|Please double) {a}( for me|).
                    How much is (twice|the double of|double) {a}?
                    """, "{a} + {a} is {c}, so the double of {a} is {c}.")
            } else {
                talk.ask("""
                    What is (the half of|half of|one half of) {c}?
                    (Halve|Please halve) {c}( for me|).
                    How much is (half of|the half of) {c}?
                    """, "{a} + {a} is {c}, so half of {c} is {a}.")
            }
        },
        Topic(name: "next number", share: 3) { talk in
            talk.set(a: talk.pick(1...30), b: 1, by: +)
            if talk.chance(60) {
                talk.ask("""
                    (What|Which number) (comes|is next|comes next) after {a}?
                    What is the (next number|number) after {a}?
                    (Tell me|Say) the (next number|number) after {a}.
                    I am at {a}.( I count on.|) (What is next|Which number is next|What comes next)?
                    """, "After {a} comes {c}.")
            } else {
                talk.ask("""
                    (What|Which number) (comes|is|comes right|comes just) before {c}?
                    What is the number before {c}?
                    (Tell me|Say) the number before {c}.
                    I count back from {c}. (What is next|Which number is next|What comes next)?
                    """, "Before {c} comes {a}.")
            }
            if talk.chance(40) {
                let n = talk.pick(1...30)
                talk["a"] = "\(n)"
                talk["c"] = "\(n + 1)"
                talk.ask("(And|What comes|And what comes|What is|And what is) after {a}?", "After {a} comes {c}.")
            }
        },
        Topic(name: "more or less", share: 3) { talk in
            let a = talk.pick(0...30), b = talk.pick(0...30)
            talk["a"] = "\(a)"
            talk["b"] = "\(b)"
            talk["more"] = "\(max(a, b))"
            talk["less"] = "\(min(a, b))"
            if a == b {
                talk.ask("(Is {a} as much as {a}|Is {a} the same as {a}|Are {a} and {a} equal)?", "Yes, {a} and {a} are the same.")
            } else if talk.chance(60) {
                talk.ask("""
                    (Which is|What is|Which number is|Tell me which is) (more|bigger|larger|greater)(, |: ){a} or {b}?
                    Is {a} or {b} (more|bigger|larger|greater)?
                    """, "{more} is (more|bigger) than {less}.")
            } else {
                talk.ask("""
                    (Which is|What is|Which number is|Tell me which is) (less|smaller)(, |: ){a} or {b}?
                    Is {a} or {b} (less|smaller)?
                    """, "{less} is (less|smaller) than {more}.")
            }
        },
        Topic(name: "even or odd", share: 2) { talk in
            let a = talk.pick(0...30)
            talk["a"] = "\(a)"
            talk["is"] = a % 2 == 0 ? "even" : "odd"
            talk["is not"] = a % 2 == 0 ? "odd" : "even"
            talk.ask("""
                Is {a} (even|odd|even or odd|odd or even|an even number|an odd number)?
                (Do you know|Can you say) (if|whether) {a} is (even|odd|even or odd)?
                """, "{a} is {is}.")
            if talk.chance(40) { next(&talk) }
        },
        Topic(name: "counting", share: 4) { talk in count(&talk) },
    ]

    /// Draws pairs until one is of the talk's side. Without punctuation 8 + 4 and 8 - 4 are the same question, so they share a side.
    private static func drawSum(_ operation: (Int, Int) -> Int, _ talk: inout Talk, pair: (inout Talk) -> (Int, Int)) {
        var (a, b) = pair(&talk)
        while !talk.mayAsk("\(a) and \(b)") { (a, b) = pair(&talk) }
        talk.set(a: a, b: b, by: operation)
    }

    private static func plus(_ talk: inout Talk) {
        talk.ask("""
            (What is|What's|How much is|What do I get for|Can you tell me) ({a} plus {b}|{a} + {b}|{aWord} plus {bWord}|{a} and {b})?
            (Tell me|Please calculate|Calculate) ({a} plus {b}|{a} + {b}|{aWord} plus {bWord}).
            (Add|Please add|Add up) {a} and {b}.
            {a} plus {b} is what?
            What is the sum of {a} and {b}?
            """, "{a} + {b} is {c}.", splitByWords: false)
    }

    /// Reckons on from what came out.
    private static func goOn(_ talk: inout Talk) {
        guard talk.chance(40), let c = talk["c"].flatMap({ Int($0) }) else { return }
        if c < 3 || talk.chance(60) {
            talk.set(a: c, b: talk.pick(1...9), by: +)
            talk.ask("(And|And now|Now|And then) (plus {b}|{b} more|add {b}( to it| to that|)).", "{a} + {b} is {c}.")
        } else {
            talk.set(a: c, b: talk.pick(1...min(c, 9)), by: -)
            talk.ask("(And|And now|Now|And then) (minus {b}|{b} less|take away {b}( from it| from that|)).", "{a} - {b} is {c}.")
        }
    }

    private static func next(_ talk: inout Talk) {
        let a = talk.pick(0...30)
        talk["a"] = "\(a)"
        talk["is"] = a % 2 == 0 ? "even" : "odd"
        talk.ask("(And {a}|What about {a}|And what about {a}|How about {a}|And is {a} even|And is {a} odd)?", "{a} is {is}.")
    }

    /// Up or down, and on from there.
    private static func count(_ talk: inout Talk) {
        let length = talk.pick(3...6), start = talk.pick(0...20), way = talk.pick(["up", "up", "up", "down", "twos"])
        let step = way == "twos" ? 2 : way == "up" ? 1 : -1, first = step > 0 ? start : start + length
        func number(_ i: Int) -> Int { first + i * step }
        func list(_ range: Range<Int>) -> String { range.map { "\(number($0))" }.joined(separator: ", ") }
        (talk["a"], talk["b"], talk["list"]) = ("\(first)", "\(number(length - 1))", list(0..<length))
        let questions = switch way {
        case "up": """
            (Count|Please count|Count for me)( up|) from {a} (to|up to) {b}.
            (Can|Could) you count( up|) from {a} (to|up to) {b}?
            (Tell me|List|Write|Say|Name) the numbers from {a} to {b}.
            Which numbers are there from {a} to {b}?
            """
        case "down": """
            (Count|Please count) (down|back|backwards) from {a} to {b}.
            (Can|Could) you count (down|back|backwards) from {a} to {b}?
            (Tell me|List|Write|Say) the numbers from {a} (down|back) to {b}.
            """
        default: """
            (Count|Please count) (by twos|in twos|in steps of two) from {a} to {b}.
            (Can|Could) you count (by twos|in twos|in steps of two) from {a} to {b}?
            (Tell me|List|Write|Say) every second number from {a} to {b}.
            """
        }
        talk.ask(questions, "{list}.")
        guard step > 0 || number(2 * length) > 0, talk.chance(60) else { return }
        (talk["b"], talk["list"]) = ("\(number(2 * length - 1))", list(length..<(2 * length)))
        talk["up"] = step > 0 ? "up" : "down"
        talk.ask("""
            (Go|Count|Please go|Please count|Now go|Now count|And go|And count) on (to|until|{up} to) {b}.
            (And |Now |)(go on|count on|continue|further)( to {b}| until {b}| like that| from there| in the same way)(, please|)?
            Please (go on|count on|continue|further)( to {b}| until {b}| like that| from there| in the same way)(, please|).
            """, "{list}.")
    }
}

extension Talk {
    /// Fills the slots of a sum: numbers, words and result.
    mutating func set(a: Int, b: Int, by operation: (Int, Int) -> Int) {
        let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
        self["a"] = "\(a)"
        self["b"] = "\(b)"
        self["c"] = "\(operation(a, b))"
        self["aWord"] = a < words.count ? words[a] : "\(a)"
        self["bWord"] = b < words.count ? words[b] : "\(b)"
    }
}
