/// Arithmetic, successors, comparisons, counting.
///
/// A sum is held out in every wording: if 7 + 5 is in the validation split, the training split asks only for 5 + 7. Answers repeat the sum,
/// so that a reader or a test can check them, and their steps may pass through one that is held out.
enum Numbers {
    static let topics = [
        Topic(name: "plus", share: 10) { chat in
            pickSum(.plus, &chat) { ($0.pick(0...10), $0.pick(0...10)) }
            plus(&chat)
            continueSum(&chat)
        },
        Topic(name: "minus", share: 7) { chat in
            pickSum(.minus, &chat) { chat in
                let a = chat.pick(1...12)
                return (a, chat.pick(0...a))
            }
            chat.ask("""
                (What is|What's|How much is|What do I get for|Can you tell me) ({a} minus {b}|{a} - {b}|{aWord} minus {bWord})?
                (Tell me|Please calculate|Calculate) ({a} minus {b}|{a} - {b}|{aWord} minus {bWord}).
                (Take|Subtract) {b} from {a}.( What is left?|)
                {a} minus {b} is what?
                """, "{steps}.", splitByWords: false)
            continueSum(&chat)
        },
        Topic(name: "times", share: 6) { chat in
            pickSum(.times, &chat) { ($0.pick(1...10), $0.pick(1...10)) }
            chat.ask("""
                (What is|What's|How much is|What do I get for|Can you tell me) ({a} times {b}|{aWord} times {bWord})?
                (Tell me|Please calculate|Calculate) ({a} times {b}|{aWord} times {bWord}).
                (Multiply) {a} (by|with|and) {b}.
                {a} times {b} is what?
                """, "{steps}.", splitByWords: false)
        },
        Topic(name: "apples", share: 3) { chat in
            PersonalFacts.fillName(&chat)
            chat["thing"] = chat.pick(["apples", "books", "coins", "pens", "cookies", "stones", "cards", "eggs"])
            if chat.chance(60) {
                chat.set(a: chat.pick(1...9), b: chat.pick(1...9), by: .plus)
                chat.ask("""
                    {name} has {a} {thing} and (gets|finds|buys) {b} more. How many {thing} (does {name} have|are there|is that)( now|)?
                    {name} has {a} {thing}. A friend gives {name} {b} more. How many {thing} (are there|does {name} have)( now|)?
                    """, "{steps}, so {name} has {c} {thing}.")
            } else {
                let a = chat.pick(2...10)
                chat.set(a: a, b: chat.pick(1...(a - 1)), by: .minus)
                chat["are"] = chat["c"] == "1" ? "is" : "are"
                chat.ask("""
                    {name} has {a} {thing} and (loses|gives away|sells) {b}. How many {thing} (does {name} have|are left)( now|)?
                    {name} had {a} {thing}. Then {name} lost {b} of them. How many {thing} are left?
                    """, "{steps}, so {c} {are} left.")
            }
            continueSum(&chat)
        },
        Topic(name: "double and half", share: 2) { chat in
            let half = chat.pick(1...10)
            chat.set(a: half, b: half, by: .plus)
            if chat.chance(50) {
                chat.ask("""
                    What is (the double of|double|twice|two times) {a}?
                    (Double|Please double) {a}( for me|).
                    How much is (twice|the double of|double) {a}?
                    """, "{a} + {a} is {c}, so the double of {a} is {c}.")
            } else {
                chat.ask("""
                    What is (the half of|half of|one half of) {c}?
                    (Halve|Please halve) {c}( for me|).
                    How much is (half of|the half of) {c}?
                    """, "{c} is {a} + {a}, so half of {c} is {a}.")
            }
        },
        Topic(name: "next number", share: 3) { chat in
            chat.set(a: chat.pick(1...30), b: 1, by: .plus)
            if chat.chance(60) {
                chat.ask("""
                    (What|Which number) (comes|is next|comes next) after {a}?
                    What is the (next number|number) after {a}?
                    (Tell me|Say) the (next number|number) after {a}.
                    I am at {a}.( I count on.|) (What is next|Which number is next|What comes next)?
                    """, "After {a} comes {c}.")
            } else {
                chat.ask("""
                    (What|Which number) (comes|is|comes right|comes just) before {c}?
                    What is the number before {c}?
                    (Tell me|Say) the number before {c}.
                    I count back from {c}. (What is next|Which number is next|What comes next)?
                    """, "Before {c} comes {a}.")
            }
            if chat.chance(40) {
                let n = chat.pick(1...30)
                chat["a"] = "\(n)"
                chat["c"] = "\(n + 1)"
                chat.ask("(And|What comes|And what comes|What is|And what is) after {a}?", "After {a} comes {c}.")
            }
        },
        Topic(name: "more or less", share: 3) { chat in
            let a = chat.pick(0...30), b = chat.pick(0...30)
            chat["a"] = "\(a)"
            chat["b"] = "\(b)"
            chat["more"] = "\(max(a, b))"
            chat["less"] = "\(min(a, b))"
            if a == b {
                chat.ask("(Is {a} as much as {a}|Is {a} the same as {a}|Are {a} and {a} equal)?", "Yes, {a} and {a} are the same.")
            } else if chat.chance(60) {
                chat.ask("""
                    (Which is|What is|Which number is|Tell me which is) (more|bigger|larger|greater)(, |: ){a} or {b}?
                    Is {a} or {b} (more|bigger|larger|greater)?
                    """, "{more} is (more|bigger) than {less}.")
            } else {
                chat.ask("""
                    (Which is|What is|Which number is|Tell me which is) (less|smaller)(, |: ){a} or {b}?
                    Is {a} or {b} (less|smaller)?
                    """, "{less} is (less|smaller) than {more}.")
            }
        },
        Topic(name: "even or odd", share: 2) { chat in
            let a = chat.pick(0...30)
            chat["a"] = "\(a)"
            chat["is"] = a % 2 == 0 ? "even" : "odd"
            chat["is not"] = a % 2 == 0 ? "odd" : "even"
            chat.ask("""
                Is {a} (even|odd|even or odd|odd or even|an even number|an odd number)?
                (Do you know|Can you say) (if|whether) {a} is (even|odd|even or odd)?
                """, "{a} is {is}.")
            if chat.chance(40) { next(&chat) }
        },
        Topic(name: "counting", share: 4) { chat in count(&chat) },
    ]

    /// Picks pairs until one belongs to the chat's split. 8 + 4 and 8 - 4 differ only in punctuation, so they share a split.
    private static func pickSum(_ operation: Arithmetic, _ chat: inout ChatBuilder, pair: (inout ChatBuilder) -> (Int, Int)) {
        var (a, b) = pair(&chat)
        while !chat.isInSplit("\(a) and \(b)") { (a, b) = pair(&chat) }
        chat.set(a: a, b: b, by: operation)
    }

    private static func plus(_ chat: inout ChatBuilder) {
        chat.ask("""
            (What is|What's|How much is|What do I get for|Can you tell me) ({a} plus {b}|{a} + {b}|{aWord} plus {bWord}|{a} and {b})?
            (Tell me|Please calculate|Calculate) ({a} plus {b}|{a} + {b}|{aWord} plus {bWord}).
            (Add|Please add|Add up) {a} and {b}.
            {a} plus {b} is what?
            What is the sum of {a} and {b}?
            """, "{steps}.", splitByWords: false)
    }

    /// Continues with the result: "And plus 3?"
    private static func continueSum(_ chat: inout ChatBuilder) {
        guard chat.chance(40), let c = chat["c"].flatMap({ Int($0) }) else { return }
        if c < 3 || chat.chance(60) {
            chat.set(a: c, b: chat.pick(1...9), by: .plus)
            chat.ask("(And|And now|Now|And then) (plus {b}|{b} more|add {b}( to it| to that|)).", "{steps}.")
        } else {
            chat.set(a: c, b: chat.pick(1...min(c, 9)), by: .minus)
            chat.ask("(And|And now|Now|And then) (minus {b}|{b} less|take away {b}( from it| from that|)).", "{steps}.")
        }
    }

    private static func next(_ chat: inout ChatBuilder) {
        let a = chat.pick(0...30)
        chat["a"] = "\(a)"
        chat["is"] = a % 2 == 0 ? "even" : "odd"
        chat.ask("(And {a}|What about {a}|And what about {a}|How about {a}|And is {a} even|And is {a} odd)?", "{a} is {is}.")
    }

    /// Counts up or down, and then further.
    private static func count(_ chat: inout ChatBuilder) {
        let length = chat.pick(3...6), start = chat.pick(0...20), way = chat.pick(["up", "up", "up", "down", "twos"])
        let step = way == "twos" ? 2 : way == "up" ? 1 : -1, first = step > 0 ? start : start + length
        func number(_ i: Int) -> Int { first + i * step }
        func list(_ range: Range<Int>) -> String { range.map { "\(number($0))" }.joined(separator: ", ") }
        chat["a"] = "\(first)"
        chat["b"] = "\(number(length - 1))"
        chat["list"] = list(0..<length)
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
        chat.ask(questions, "{list}.")
        guard step > 0 || number(2 * length) > 0, chat.chance(60) else { return }
        chat["b"] = "\(number(2 * length - 1))"
        chat["list"] = list(length..<(2 * length))
        chat["up"] = step > 0 ? "up" : "down"
        chat.ask("""
            (Go|Count|Please go|Please count|Now go|Now count|And go|And count) on (to|until|{up} to) {b}.
            (And |Now |)(go on|count on|continue|further)( to {b}| until {b}| like that| from there| in the same way)(, please|)?
            Please (go on|count on|continue|further)( to {b}| until {b}| like that| from there| in the same way)(, please|).
            """, "{list}.")
    }
}

extension ChatBuilder {
    /// Fills the slots of a sum: both numbers, their names, the result, and the steps that lead to it.
    mutating func set(a: Int, b: Int, by operation: Arithmetic) {
        let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
        self["a"] = "\(a)"
        self["b"] = "\(b)"
        self["c"] = "\(operation.result(a, b))"
        self["steps"] = operation.steps(a, b)
        self["aWord"] = a < words.count ? words[a] : "\(a)"
        self["bWord"] = b < words.count ? words[b] : "\(b)"
    }
}
