/// Words and letters: opposites, plurals, the alphabet, first letters.
enum Words {
    static let topics = [
        Topic(name: "opposite", share: 5) { chat in
            chat.fillSlots(from: opposites)
            if chat.chance(50) { (chat["word"], chat["other"]) = (chat["other"], chat["word"]) }
            chat.ask("""
                What is the opposite of {word}?
                What is the contrary of {word}?
                (Tell|Give) me the opposite of {word}(.|, please.)
                (Do you know|Can you name|Can you tell me) the opposite of {word}?
                What (word|is the word that) means the opposite of {word}?
                {word} is the opposite of (what|which word)?
                (If something is|When something is) not {word}, what is it?
                """, "The opposite of {word} is {other}.")
            if chat.chance(45) {
                chat.fillSlots(fromAnotherRowOf: opposites, changing: "word")
                chat.ask(
                    "(And of|And|What about|And what about|How about|And the opposite of) {word}?", "The opposite of {word} is {other}.")
            }
        },
        Topic(name: "plural", share: 3) { chat in
            chat.fillSlots(from: plurals)
            chat.ask("""
                What is the plural of {one}?
                What do (I|we|you) (say|write) when there is more than one {one}?
                (Tell|Give) me the plural of {one}(.|, please.)
                One {one}, two what?
                I have one {one}. You have two what?
                What do (I|we|you) call more than one {one}?
                """, "One {one}, two {many}.")
            if chat.chance(45) {
                chat.fillSlots(fromAnotherRowOf: plurals, changing: "one")
                chat.ask("(And of|And|What about|And what about|How about|And the plural of) {one}?", "One {one}, two {many}.")
            }
        },
        Topic(name: "letter", share: 3) { chat in
            let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), i = chat.pick(0...24)
            chat["a"] = String(letters[i])
            chat["b"] = String(letters[i + 1])
            if chat.chance(65) {
                chat.ask("""
                    (Which|What) letter (comes|is|follows) after {a}( in the alphabet|)?
                    What is the (letter|next letter) after {a}?
                    (Tell me|Say) the (letter|next letter) after {a}(|, please).
                    (What|Which letter) comes (next |right |)after {a}( in the alphabet|)?
                    """, "After {a} comes {b}.")
            } else {
                chat.ask("""
                    (Which|What) letter (comes|is) before {b}( in the alphabet|)?
                    What is the letter before {b}?
                    (Tell me|Say) the letter before {b}(|, please).
                    (What|Which letter) comes (right |just |)before {b}( in the alphabet|)?
                    """, "Before {b} comes {a}.")
            }
            if chat.chance(40) {
                let j = chat.pick(0...24)
                chat["a"] = String(letters[j])
                chat["b"] = String(letters[j + 1])
                chat.ask("(And|And which letter comes|And what comes|And what is|And the letter) after {a}?", "After {a} comes {b}.")
            }
        },
        Topic(name: "first letter", share: 3) { chat in
            chat["word"] = chat.pick(words)
            chat["letter"] = chat["word"]?.prefix(1).uppercased()
            chat.ask("""
                With (which|what) letter does( the word|) {word} (begin|start)?
                What is the first letter (of|in)( the word|) {word}?
                (Tell|Give) me the first letter (of|in)( the word|) {word}.
                The word {word} (begins|starts) with which letter?
                """,
                "{word} begins with {letter}.")
            if chat.chance(40) {
                chat["word"] = chat.pick(words)
                chat["letter"] = chat["word"]?.prefix(1).uppercased()
                chat.ask("(And|What about|And what about|How about|And the word) {word}?", "{word} begins with {letter}.")
            }
        },
    ]

    private static let opposites = Table("""
        word   | other
        big    | small
        hot    | cold
        old    | young
        fast   | slow
        high   | low
        long   | short
        day    | night
        good   | bad
        happy  | sad
        light  | dark
        wet    | dry
        full   | empty
        open   | closed
        loud   | quiet
        strong | weak
        hard   | soft
        early  | late
        clean  | dirty
        up     | down
        left   | right
        in     | out
        sweet  | bitter
        true   | false
        first  | last
        yes    | no
        always | never
        much   | little
        many   | few
        more   | less
        begin  | end
        love   | hate
        win    | lose
        buy    | sell
        give   | take
        black  | white
        north  | south
        east   | west
        summer | winter
        easy   | difficult
        inside | outside
        ask    | answer
        """)

    private static let plurals = Table("""
        one    | many
        mouse  | mice
        child  | children
        man    | men
        woman  | women
        foot   | feet
        tooth  | teeth
        goose  | geese
        person | people
        sheep  | sheep
        fish   | fish
        leaf   | leaves
        knife  | knives
        wolf   | wolves
        cat    | cats
        dog    | dogs
        book   | books
        tree   | trees
        house  | houses
        box    | boxes
        fox    | foxes
        glass  | glasses
        baby   | babies
        city   | cities
        story  | stories
        cherry | cherries
        potato | potatoes
        tomato | tomatoes
        day    | days
        """)

    private static let words = [
        "apple", "bread", "cat", "dog", "egg", "fish", "garden", "house", "island", "juice", "king", "lemon", "moon", "night", "orange",
        "paper", "queen", "river", "sun",
        "table", "umbrella", "village", "water", "yellow", "zebra", "animal", "book", "city", "door", "evening", "flower", "green", "hand",
        "ice", "jam", "kite", "letter",
        "mouse", "nose", "ocean", "piano", "question", "rain", "snow", "tree", "uncle", "violin", "window", "year", "zero", "ant", "bird",
        "cloud", "duck", "ear", "fox",
    ]
}
