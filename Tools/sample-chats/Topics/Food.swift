/// Food: kind, taste, ingredients; simple meals.
enum Food {
    static let topics = [
        Topic(name: "food", share: 6) { chat in
            chat.fillSlots(from: foods)
            let first = aspect(of: &chat)
            chat.ask(first.questions, first.answer)
            if chat.chance(40) {
                repeat { chat.fillSlots(fromAnotherRowOf: foods, changing: "food") } while chat[first.column] == nil
                chat.ask("""
                    And {food}?
                    What about {food}?
                    And what about {food}?
                    How about {food}?
                    """, first.answer)
            }
            if chat.chance(25) {
                let next = aspect(of: &chat)
                if next.column != first.column { chat.ask(next.followUp, next.answer) }
            }
        },
        Topic(name: "made of", share: 2) { chat in
            chat.fillSlots(from: dishes)
            chat.ask("""
                What is {dish} (made of|made from)?
                What (is|comes|goes) (in|into) {dish}?
                What do (I|you|we) need (for|to make) {dish}?
                How (do I|can I|do you|do we|can we) (make|prepare) {dish}?
                (I want to|I would like to|Help me) make {dish}. What do I (need|buy|take)?
                """, "For {dish} you need {parts}.")
            if chat.chance(35) {
                chat.ask("""
                    (And |)what do I do (then|first|with them|with all this|next)?
                    (And |)how do I (make it|prepare it|cook it|go on)( then|)?
                    """, "{steps}.")
            }
        },
        Topic(name: "hungry", share: 2) { chat in
            chat.ask(chat.pick(hunger))
            if chat.chance(40) { chat.ask(chat.pick(hunger)) }
        },
    ]

    private struct Aspect { let column, questions, followUp, answer: String }

    private static func aspect(of chat: inout ChatBuilder) -> Aspect {
        while true {
            let aspect = chat.pick(aspects)
            if chat[aspect.column] != nil { return aspect }
        }
    }

    private static let aspects = [
        Aspect(
            column: "kind",
            questions: """
                What (kind of food is|is|sort of food is) {food}?
                What is {food}?
                Do you know what {food} is?
                Is {food} (a fruit|a vegetable|a fruit or a vegetable|a drink or a food)?
                """,
            followUp: "(And |)(what is it, a fruit or a vegetable|is it a fruit|is it a vegetable|what kind of food is (it|that))?",
            answer: "{food} is {kind}."),
        Aspect(
            column: "taste",
            questions: """
                (How does {food} taste|What does {food} taste like)?
                (What is the taste of {food}|What is the taste of {food} like)?
                Is {food} (sweet|sour|salty|bitter|sweet or sour|sweet or salty)?
                Does {food} taste (sweet|sour|salty|good)?
                """,
            followUp: "(And |)(how does (it|that) taste|what does (it|that) taste like|is it sweet|does it taste good|is it sour)?",
            answer: "{food} tastes {taste}."),
        Aspect(
            column: "origin",
            questions: """
                Where does {food} (grow|come from)?
                (From where|Where) do we get {food}( from|)?
                (Who|What) gives us {food}?
                """, followUp: "(And |)(where does (it|that) come from|where do we get (it|that)( from|)|where does it grow)?",
            answer: "{food} comes from {origin}."),
    ]

    private static let foods = Table("""
        food         | kind              | taste            | origin
        an apple     | a fruit           | sweet and a little sour | a tree
        a banana     | a fruit           | sweet            | a tall plant in warm countries
        a lemon      | a fruit           | sour             | a tree in warm countries
        an orange    | a fruit           | sweet and a little sour | a tree in warm countries
        a cherry     | a fruit           | sweet or sour    | a tree
        a strawberry | a fruit           | sweet            | a small plant
        a grape      | a fruit           | sweet            | a vine
        a pineapple  | a fruit           | sweet and a little sour | a plant in hot countries
        a carrot     | a vegetable       | a little sweet   | the ground
        a potato     | a vegetable       | mild             | the ground
        an onion     | a vegetable       | sharp            | the ground
        garlic       | a vegetable       | very sharp       | the ground
        broccoli     | a vegetable       | a little bitter  | the field
        a cucumber   | used as a vegetable | fresh and mild | a plant on the ground
        a tomato     | a fruit that we use as a vegetable | fresh and a little sweet | a plant in the garden
        bread        | made of grain     | mild             | an oven, and before that from the field
        rice         | a grain           | mild             | wet fields
        cheese       | made of milk      | salty            | milk
        butter       | made of milk      | mild and creamy  | milk
        milk         | a drink           | mild             | cows, goats and other animals
        an egg       | a food from birds | mild             | a hen
        honey        | a sweet food made by bees | very sweet | bees
        sugar        | a sweet food      | very sweet       | sugar cane or sugar beets
        salt         | a mineral         | salty            | the sea or from mines
        chocolate    | a sweet food      | sweet and a little bitter | the beans of the cocoa tree
        coffee       | a hot drink       | bitter           | the beans of the coffee plant
        tea          | a hot drink       | a little bitter  | the leaves of the tea plant
        ice cream    | a cold dessert    | sweet            | milk, cream and sugar
        """)

    private static let dishes = Table("""
        dish            | parts                              | steps
        bread           | flour, water, salt and yeast       | Knead the dough, let it rise, and bake it
        a pancake       | flour, milk and eggs               | Stir it well and fry it in a pan
        a salad         | lettuce, tomatoes, oil and vinegar | Wash and cut the vegetables, then add oil and vinegar
        vegetable soup  | carrots, potatoes, onions and water | Cut the vegetables and cook them until they are soft
        pizza           | dough, tomatoes and cheese         | Put tomatoes and cheese on the dough and bake it in a hot oven
        a sandwich      | bread, butter and cheese           | Put butter and cheese between two slices of bread
        an omelette     | eggs, butter and a little salt     | Beat the eggs and fry them in butter
        mashed potatoes | potatoes, milk and butter          | Cook the potatoes, mash them, and stir in milk and butter
        tea             | hot water and tea leaves           | Pour hot water on the leaves and wait three minutes
        fruit salad     | apples, bananas, oranges and lemon juice | Cut the fruit and mix it in a bowl
        tomato sauce    | tomatoes, onions, oil and salt     | Fry the onions, add the tomatoes, and let it cook slowly
        lemonade        | lemons, water and sugar            | Squeeze the lemons and stir the juice into water with sugar
        hot chocolate   | milk, cocoa and sugar              | Warm the milk and stir in cocoa and sugar
        rice pudding    | rice, milk and sugar               | Cook the rice in milk until it is soft, then add sugar
        apple cake      | apples, flour, eggs, butter and sugar | Mix the dough, put apples on it, and bake it
        """)

    private static let hunger = Exchange.list("""
        ? (I am|I feel|I'm) (a bit |so |very |really |)hungry( now| today|).
        ? (what|which food) (shall|should|can|could) I eat( now| today||)?
        How about a sandwich or some fruit?
        You could make an omelette. It is quick and good.

        ? (I am|I feel|I'm) (a bit |so |very |really |)thirsty( now| today|).
        ? what (shall|should|can|could) I drink( now| today|)?
        A glass of water is always good. Tea is fine, too.

        ? (what|which food) (is good|is nice|can I eat|shall I eat|should I eat|could I have) (for|at) breakfast( today| tomorrow|)?
        Bread with jam, yogurt with fruit, or an egg make a good breakfast.

        ? (what|which food) (is good|is nice|can I eat|shall I cook|should I cook|could I have|shall I make) for (dinner|supper)( today| \
        tonight|)?
        How about vegetable soup with bread? It is warm and simple.

        ? (what|which food) (is good|is nice|can I eat|shall I cook|should I cook|could I have|shall I make) for lunch( today| tomorrow|)?
        How about rice with vegetables, or a salad?

        ? (what|which food) is (healthy|good for me|good for the body)?
        ? (how|what) (can|should|do) I eat (well|to stay healthy|in a healthy way)?
        Eat fruit and vegetables every day, and drink enough water.

        ? (can|may|should) I eat (sweets|cake|chocolate|ice cream|sugar) every day?
        A little is fine, but fruit is better for you.

        ? what (can|should|could) I (bake|make) for a birthday( party|)?
        ? (I need|I want|I am looking for) a cake for a birthday( party|).
        How about an apple cake? Many people like it.
        """)
}
