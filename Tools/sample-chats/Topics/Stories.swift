/// Short stories about requested heroes, places and things, and questions about them.
enum Stories {
    static let topics = [
        Topic(name: "story", share: 7) { chat in
            pickStory(&chat)
            chat["question"] = chat.pick([
                "a {hero}", "a {hero} (named|called) {hero name}", "a {hero} {at} {place}", "a {hero} and a {friend}",
                "a {hero} who finds {thing}",
                "a {hero} (named|called) {hero name} and a {friend}", "{hero name} the {hero}",
                "a {hero} (named|called) {hero name} {at} {place}",
            ])
            chat.ask("""
                (Tell|Read|Write) me a (short |little |nice |)story about {question}.
                (Can|Could) you tell (me |us |)a (short |little |nice |)story about {question}?
                (I want|I would like) (to hear |)a (short |little |nice |)story about {question}.
                A (short |little |)story about {question}, please.
                Do you know a (short |little |nice |)story about {question}?
                Invent a (short |little |nice |)story about {question}(, please|).
                """, chat.pick(plots))
            for _ in 0..<2 where chat.chance(55) { askAboutStory(&chat) }
        },
        Topic(name: "any story", share: 2) { chat in
            pickStory(&chat)
            chat.ask("""
                (Tell|Read|Write|Invent) (me |us |)a (short |little |nice |)story(, please||).
                (Can|Could) you tell (me |us |)a (short |little |nice |)story?
                (I want|I would like) to hear a (short |little |nice |)story(, please||).
                Do you know a (short |little |nice |)story?
                Tell me a story.
                """, chat.pick(plots))
            for _ in 0..<2 where chat.chance(40) { askAboutStory(&chat) }
        },
        Topic(name: "listening", share: 4) { chat in
            pickStory(&chat)
            tell(&chat)
        },
    ]

    private static func pickStory(_ chat: inout ChatBuilder) {
        chat.fillSlots(from: heroes)
        chat.fillSlots(from: places)
        chat["thing"] = chat.pick(finds)
        chat["hero name"] = chat.pick(names)
        chat["friend"] = chat.pick(heroes.rows.compactMap { $0["hero"] }.filter { $0 != chat["hero"] })
    }

    private static let plots = [
        "Once there was a {hero} named {hero name}. {hero name} went to {place} and found {thing}. A {friend} helped "
            + "to carry it home, and they became friends.",
        "There was a {hero} named {hero name}. One day {hero name} was {at} {place} and met a {friend}. Together they "
            + "found {thing}, and both were happy.",
        "A {hero} named {hero name} was looking for a friend. And there was one {at} {place}: a {friend} with {thing}. "
            + "They played until evening.",
    ]

    /// Asks about a detail of the story.
    private static func askAboutStory(_ chat: inout ChatBuilder) {
        switch chat.pick(0...3) {
        case 0: chat.ask("""
            (What was|What is) the name of the {hero}?
            (Tell me|Say again,) the name of the {hero}(|, please).
            What was the {hero} called(?| in the story?)
            """, "The {hero} was called {hero name}.")
        case 1: chat.ask("""
            (Where was|And where was|Where did this happen to) {hero name}?
            Where (did this happen|did that happen|was that|were they|was all this|was it)( in the story|)?
            """, "It was {at} {place}.")
        case 2: chat.ask("""
            (What|Which thing) (did|do) (they|{hero name}) (find|have) in the (story|end)?
            (What|And what) was (found|there|in the story) (with|by) (them|{hero name})?
            What (was it that they had|was the thing in the story|did they find or share)?
            """, "It was {thing}.")
        default: chat.ask("""
            (Who|Whom) did {hero name} (meet|make friends with|become friends with)?
            (Who|And who) (was|became) the (friend|friend of {hero name}|friend in the story)?
            With whom did {hero name} (play|share|make friends)?
            """, "It was a {friend}.")
        }
    }

    /// The user tells a story and asks about it.
    private static func tell(_ chat: inout ChatBuilder) {
        PersonalFacts.fillName(&chat)
        chat["told"] = chat.pick([
            "{name} went to {place} and found {thing}.", "{name} was {at} {place} with {thing}.", "{name} left {thing} {at} {place}.",
        ])
        switch chat.pick(0...2) {
        case 0: chat.ask("""
            {told} (Where was {name}|In which place was {name}|Where was that|Where was this)?
            (Listen: |A story: ){told} Where was {name}?
            """, "{name} was {at} {place}.")
        case 1: chat.ask("""
            {told} (What was it about|Which thing was it|What did {name} have|What thing was there)?
            (Listen: |A story: ){told} What was there?
            """, "It was {thing}.")
        default: chat.ask("""
            {told} (Who was it|Who was {at} {place}|Who was that|Who was there)?
            (Listen: |A story: ){told} Who was it?
            """, "It was {name}.")
        }
        if chat.chance(35) {
            chat.ask("(And where|Where|And in what place|And in which place) was (that|this|it|{name})?", "It was {at} {place}.")
        }
    }

    private static let heroes = Table("""
        hero
        fox
        cat
        dog
        mouse
        rabbit
        bear
        frog
        robot
        girl
        boy
        king
        queen
        hedgehog
        turtle
        dragon
        bird
        duck
        sailor
        baker
        teacher
        snail
        wizard
        horse
        lion
        penguin
        farmer
        """)

    private static let places = Table("""
        at | place
        at | the river
        at | the lake
        at | the sea
        in | the forest
        in | the garden
        in | the city
        in | the old castle
        in | the library
        in | the market
        on | the hill
        on | the island
        on | the mountain
        in | the park
        at | the school
        in | the kitchen
        on | the bridge
        in | the village
        in | the desert
        at | the station
        in | the cave
        """)

    private static let finds = [
        "a golden key", "a red ball", "a big pumpkin", "an old book", "a silver coin", "a blue stone", "a map", "a small boat",
        "a warm scarf", "a music box",
        "a letter", "a lamp", "a basket of apples", "a green hat", "a kite", "a drum", "a little bell", "a jar of honey", "a paper star",
        "a white feather",
        "a wooden horse", "a box of pencils", "a mirror", "a shell", "an umbrella",
    ]

    private static let names = [
        "Pip", "Momo", "Tilda", "Nilo", "Bea", "Rufus", "Kiki", "Otto", "Luna", "Fips", "Mira", "Toto", "Ida", "Bruno", "Lotte", "Zuzu",
        "Finn", "Pepe", "Nora", "Bodo",
        "Hugo", "Emmi", "Jona", "Wanda", "Lilo", "Timo", "Rosa", "Karlo", "Suri", "Anton",
    ]
}
