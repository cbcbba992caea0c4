/// Colors of things, and mixtures of colors.
enum Colors {
    static let topics = [
        Topic(name: "colour", share: 6) { chat in
            chat.fillSlots(from: things)
            chat.ask("""
                (What|Which) (colour|color) is {thing}?
                (Can|Could) you tell me (what|which) (colour|color) {thing} is?
                (Do you know|Tell me) (what|which) (colour|color) {thing} is.
                {thing} is (what|which) (colour|color)?
                What is the (colour|color) of {thing}?
                Tell me the (colour|color) of {thing}(, please|).
                What (colour|color) does {thing} have?
                How does {thing} look: (what|which) (colour|color) is it?
                """, """
                {thing} is {colour}.
                {thing} is {colour}.
                The colour of {thing} is {colour}.
                """)
            if chat.chance(45) {
                chat.fillSlots(fromAnotherRowOf: things, changing: "thing")
                chat.ask("""
                    And {thing}?
                    What about {thing}?
                    And what about {thing}?
                    How about {thing}?
                    And the (colour|color) of {thing}?
                    """, "{thing} is {colour}.")
            }
        },
        Topic(name: "mixing", share: 2) { chat in
            chat.fillSlots(from: mixtures)
            chat.ask("""
                What do {first} and {second} (make|give|become)( together| when (I|you|we) mix them|)?
                (What|Which) (colour|color) do (I|you|we) get from {first} and {second}?
                (What|Which) (colour|color) do (I|you|we) get (if|when) (I|you|we) mix {first} (and|with) {second}?
                What happens (if|when) (I|you|we) mix {first} (and|with) {second}?
                I mix {first} (and|with) {second}. What (do I get|is it|comes out)?
                (I have|There is) {first} paint and {second} paint. What can I (mix|make)?
                """, """
                {first} and {second} make {mixture}.
                If you mix {first} and {second}, you get {mixture}.
                """)
            if chat.chance(35) {
                chat.ask("""
                    (And what|What) (thing |)is {mixture}( too| as well|)?
                    (Name|Tell me|Show me) (something|something else|a thing) that is {mixture}.
                    """, "For example, {example} is {mixture}.")
            }
        },
        Topic(name: "of that colour", share: 3) { chat in
            chat.fillSlots(from: examples)
            chat.ask("""
                (What|Which thing|What thing) is {colour}?
                (Can you name|Do you know) (something|a thing|one thing|things) (that is |which is |)(all |){colour}?
                (Name|Tell me|Give me) (something|a thing|one thing|things) (that is |which is |)(all |){colour}.
                What (has the colour|has the color|is of the colour) {colour}?
                Where (do I|can I|do we) (see|find) (something |)({colour})?
                I (need|want|am looking for) something {colour}.
                """, """
                {one} and {two} are {colour}.
                {one} is {colour}, and so is {two}.
                """)
            if chat.chance(30) {
                chat.ask("""
                    (Do you|Can you) (know|name|find) (another|one more|something else)( {colour} thing|)?
                    (And |)(another|one more|a third)( {colour}|) (thing|one)(, please.|?)
                    (What else is|And what else is)( {colour}| of that colour| so)?
                    """, "{three} is {colour}, too.")
            }
        },
    ]

    private static let mixtures = Table("""
        first  | second | mixture | example
        red    | yellow | orange  | a carrot
        yellow | red    | orange  | a pumpkin
        blue   | yellow | green   | grass
        yellow | blue   | green   | a frog
        red    | blue   | purple  | a plum
        blue   | red    | purple  | a plum
        black  | white  | grey    | an elephant
        white  | black  | grey    | a rain cloud
        red    | white  | pink    | a pig
        white  | red    | pink    | a flamingo
        red    | green  | brown   | chocolate
        green  | red    | brown   | a chestnut
        """)

    private static let examples = Table("""
        colour | one         | two          | three
        red    | a tomato    | a fire truck | blood
        yellow | a lemon     | a banana     | the yolk of an egg
        blue   | the sky     | the sea      | a blueberry
        green  | grass       | a frog       | a cucumber
        orange | a carrot    | a pumpkin    | a mandarin
        white  | snow        | milk         | salt
        black  | a raven     | coal         | the night
        brown  | chocolate   | a chestnut   | a coconut
        pink   | a pig       | a flamingo   | bubble gum
        grey   | an elephant | a rain cloud | a mouse
        purple | a plum      | lavender     | an aubergine
        gold   | a wedding ring | a crown   | a gold coin
        """)

    private static let things = Table("""
        thing              | colour
        the sky            | blue
        the sea            | blue
        grass              | green
        a leaf in summer   | green
        a lemon            | yellow
        a banana           | yellow
        a tomato           | red
        a strawberry       | red
        a cherry           | red
        a carrot           | orange
        a pumpkin          | orange
        an orange          | orange
        snow               | white
        milk               | white
        salt               | white
        sugar              | white
        a polar bear       | white
        coal               | black
        a raven            | black
        the night          | black
        a penguin          | black and white
        a zebra            | black and white
        a panda            | black and white
        chocolate          | brown
        coffee             | brown
        a brown bear       | brown
        an elephant        | grey
        a mouse            | often grey
        a rain cloud       | grey
        a pig              | pink
        a flamingo         | pink
        a plum             | often purple
        a frog             | often green
        broccoli           | green
        a sunflower        | yellow
        the yolk of an egg | yellow
        honey              | golden
        fire               | orange and red
        blood              | red
        a blueberry        | blue
        a bee              | yellow and black
        a tiger            | orange with black stripes
        the moon           | grey and white
        """)
}
