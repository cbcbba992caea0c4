/// Facts that users state about themselves and ask for later in the conversation.
enum PersonalFacts {
    static let topics = [
        Topic(name: "name", share: 4) { chat in
            introduce(&chat)
            askName(&chat)
        },
        Topic(name: "likes", share: 6) { chat in
            if chat.chance(30) { introduce(&chat) }
            let facts = chat.pick([[0], [0, 1], [1], [1, 2], [2], [2, 3], [3], [3, 0], [4], [4, 1], [5], [5, 4]]).map { Self.facts[$0] }
            for fact in facts {
                chat["value"] = chat.pick(fact.values)
                chat.ask(fact.tell, fact.reply)
                chat[fact.slot] = chat["value"]
            }
            let fact = chat.pick(facts)
            chat["value"] = chat[fact.slot]
            chat.ask(fact.ask, fact.answer)
        },
    ]

    /// Fills the slot `name`.
    static func fillName(_ chat: inout ChatBuilder) { chat["name"] = chat.pick(names) }

    static func introduce(_ chat: inout ChatBuilder) {
        chat["user"] = chat.pick(names)
        chat.ask("""
            (Hello, |Hi, |Hey, |Good morning, |)(my name is|I am|I'm|call me|you can call me|people call me) {user}(.| and I have a \
            question.|, nice to meet you.)
            (Hello|Hi|Hey|Good evening)! (My name is|I am|This is|It is me,) {user}.
            """, "(Hello|Hi|Nice to meet you), {user}! (How can I help you?|What can I do for you?|What would you like to know?)")
    }

    static func askName(_ chat: inout ChatBuilder) {
        chat.ask("""
            (What is|What's|Do you know|Do you remember|Can you say|Tell me|Say|And what is|By the way, what is) my name( again|, please||)?
            (Who am I|Who am I again|Do you know who I am|Do you remember who I am|How am I called|What am I called)(?| now?)
            (What did I say|Do you still know what|You know what) my name is( again|)?
            """,
            """
            Your name is {user}.
            You are {user}.
            """)
    }

    private struct Fact { let slot, tell, reply, ask, answer: String, values: [String] }

    private static let facts = [
        Fact(slot: "colour", tell: """
            My favourite (colour|color) is {value}.
            (I like|I love) {value} (best|most) of all colours.
            (I think|For me,) {value} is the (best|nicest|most beautiful) colour.
            """, reply: "{value} is a (nice|lovely|beautiful) colour!", ask: """
            (What is|What's|Do you remember|Do you know) my favourite (colour|color)(| again)?
            Tell me my favourite (colour|color)(| again).
            (What|Which) (colour|color) do I (like|love)( best| most||)?
            """, answer: "Your favourite colour is {value}.",
            values: ["red", "blue", "green", "yellow", "orange", "purple", "pink", "black", "white", "brown", "grey", "gold"]),
        Fact(
            slot: "pet",
            tell: """
                I have {value}( at home| as a pet|).
                (We|My family and I) have {value}( at home| as a pet|).
                There is {value} (in my house|that lives with me|at my home).
                """, reply: "(How nice!|That is lovely!) I hope that it is well.",
            ask: """
                (What|Which) (pet|animal) do I have( at home|)?
                (Do you remember|Do you know) (what pet|which animal|what animal|which pet) I have(| at home)?
                Tell me (what pet|which animal|what animal|which pet) I have(| at home).
                """, answer: "You have {value}.",
            values: [
                "a cat", "a dog", "a rabbit", "a horse", "a hamster", "a parrot", "a goldfish", "a turtle", "a mouse", "a hen", "a duck",
                "a goat",
            ]),
        Fact(
            slot: "city",
            tell: """
                I (live|am|work|stay) in {value}( now| at the moment|).
                My home is( in|) {value}.
                I (come|am) from {value}.
                """, reply: "{value} is (a nice place|an interesting city), I have read.",
            ask: """
                Where (do I live|am I|am I from|do I come from|is my home)?
                (Do you remember|Do you know) where (I live|I am from|my home is|I am)(| now)?
                Tell me where (I live|I am from|my home is|I am)(| now).
                In (which|what) city (do I live|am I|is my home)?
                """, answer: "You said {value}.",
            values: [
                "Paris", "Madrid", "Rome", "Berlin", "Vienna", "Lisbon", "Athens", "Warsaw", "Oslo", "Dublin", "Tokyo", "Cairo", "Nairobi",
                "Ottawa", "Lima", "Santiago",
            ]),
        Fact(
            slot: "food",
            tell: """
                My favourite (food|meal|dish) is {value}.
                (I like|I love) {value} (best|most) of all (food|dishes|meals).
                (What I like to eat most|What I love to eat) is {value}.
                """, reply: "{value} is a (good|fine) choice!",
            ask: """
                (What is|What's|Do you remember|Do you know) my favourite (food|meal|dish)(| again)?
                Tell me my favourite (food|meal|dish)(| again).
                (What|Which) (food|dish|meal) do I (like|love)( best| most||)?
                """, answer: "Your favourite food is {value}.",
            values: [
                "pizza", "soup", "salad", "rice", "bread", "cheese", "chocolate", "cake", "fish", "pancakes", "potatoes", "ice cream",
                "pasta", "fruit",
            ]),
        Fact(
            slot: "age",
            tell: """
                I am {value}( years old|).
                I'm {value} years old( now|).
                My age is {value}( years|).
                I (became|turned|have turned) {value}( years old| this year|).
                """, reply: "{value} is a (good|fine|nice) age!",
            ask: """
                How old am I( now|)?
                (What is|What's|Do you remember|Do you know) my age(| again)?
                Tell me my age(| again).
                (Do you remember|Do you know) how old I am(| now)?
                Tell me how old I am(| now).
                """, answer: "You are {value} years old.", values: (8...60).map { "\($0)" }),
        Fact(
            slot: "work",
            tell: """
                I (am|work as) {value}( now|).
                I'm {value}( by trade| at work|).
                My (job is|work is) that of {value}.
                """, reply: "That is (an interesting|a good|a fine) job!",
            ask: """
                What (is|was) my (job|work)( again|)?
                (Do you remember|Do you know) what (my job is|I am|my work is|I do)(| for work)?
                Tell me what (my job is|I am|my work is|I do)(| for work).
                What do I (do|work as|do for work)?
                """, answer: "You are {value}.",
            values: [
                "a teacher", "a baker", "a nurse", "a farmer", "a cook", "a doctor",
                "a student", "a gardener", "a painter", "a driver", "a writer", "a sailor", "a musician",
            ]),
    ]

    private static let names = [
        "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Irene", "Jack", "Kate", "Leo", "Maria", "Noah", "Olga", "Paul",
        "Rita", "Sam", "Tara", "Victor",
        "Wendy", "Yusuf", "Zoe", "Amir", "Bella", "Carlos", "Diana", "Elias", "Fatima", "George", "Hana", "Ivan", "Julia", "Kofi", "Laura",
        "Marco", "Nina", "Oscar", "Petra",
        "Robin", "Sofia", "Tom", "Uma", "Vera", "Will", "Mia", "Lucas", "Alice", "Max", "Lena", "Peter", "Ravi", "Mei", "Ali", "Eva",
        "Jonas", "Sara", "Simon", "Ella", "Hugo",
    ]
}
