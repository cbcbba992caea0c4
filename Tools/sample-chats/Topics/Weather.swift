/// Weather and seasons. "And in winter?" repeats the previous question about summer.
enum Weather {
    static let topics = [
        Topic(name: "season", share: 5) { chat in
            chat.fillSlots(from: seasons)
            let about = chat.pick(aspects)
            chat.ask(about.0, about.1)
            if chat.chance(60) {
                chat.fillSlots(fromAnotherRowOf: seasons, changing: "season")
                chat.ask("""
                    And in {season}?
                    What about {season}?
                    And what about {season}?
                    How about in {season}?
                    And how is (it|that) in {season}?
                    And (when it is|if it is|during) {season}?
                    """, about.1)
            }
        },
        Topic(name: "weather", share: 5) { chat in
            chat.fillSlots(from: weather)
            chat.ask("""
                What (shall|should|can|could|do) I (wear|take with me|put on|take) (when|if) (it is {now}|{it})?
                {it}. What (shall|should|can|could|do) I (wear|take with me|put on|take)?
                {it}( today| outside| here|). What do I need( outside|)?
                What do I need (when|if) {it}?
                """, """
                When {it}, take {wear}.
                Take {wear}.
                """)
            if chat.chance(45) {
                chat.ask("""
                    (And |)what (can|shall|should|could) I do (then|on such a day|in this weather|in that weather|with such a day|when \
                    it is like that)?
                    (And |)what is (good|nice|fun) to do (then|on such a day|in this weather)?
                    """, "You could {activity}.")
            }
        },
        Topic(name: "what to do", share: 2) { chat in
            chat.fillSlots(from: weather)
            chat.ask("""
                What (can|shall|should|could) (I|we) do (when|if) {it}?
                {it}( today| outside|). What (can|shall|should|could) (I|we) do?
                What is (good|nice|fun) to do (when|if) {it}?
                """, "When {it}, you could {activity}.")
        },
        Topic(name: "sky", share: 3) { chat in
            chat.ask(chat.pick(sky))
            if chat.chance(40) { chat.ask(chat.pick(sky)) }
        },
    ]

    private static let aspects = [
        ("""
            (How is the weather|What is the weather like) in {season}?
            (Is it|Does it get) (warm|cold|hot|wet) in {season}?
            (Tell me about|Describe) the weather in {season}.
            """, "In {season} it is {weather}."),
        ("""
            What (shall|should|can|do) (I|we|people) wear in {season}?
            (What|Which) clothes (do I need|are good|do people wear) in {season}?
            What do I put on in {season}?
            """, "In {season} people wear {clothes}."),
        ("""
            What (can|shall|do|could) (I|we|people|children) do in {season}?
            What is (nice|fun|good) to do in {season}?
            What (do people|do you|do we) (like about|like to do in) {season}?
            """, "In {season} you can {fun}."),
        ("""
            What do (trees|plants|the trees|the plants) do in {season}?
            What happens (to|with) (trees|plants|the trees|leaves|the leaves) in {season}?
            How do (trees|the trees) look in {season}?
            """, "In {season} the trees {trees}."),
        ("""
            (Which|What) months (are|belong to|make|are in) {season}( in Europe|)?
            When is {season}( in Europe|)?
            (In which|What) months is {season}?
            When do we have {season}( in Europe|)?
            """, "In Europe, {season} is in {months}."),
    ]

    private static let seasons = Table("""
        season | weather                   | clothes                      | fun \
            | trees                         | months
        spring | mild, with sun and rain   | a light jacket               | plant flowers and hear the birds \
            | grow new leaves and blossoms  | March, April and May
        summer | warm or hot               | shorts and a sun hat         | swim and eat ice cream \
            | are full of green leaves      | June, July and August
        autumn | cool, with wind and rain  | a warm jacket and good shoes | pick apples and collect leaves \
            | turn yellow and red           | September, October and November
        winter | cold, sometimes with snow | a thick coat and gloves      | build a snowman and drink tea \
            | are often bare                | December, January and February
        """)

    private static let weather = Table("""
        it              | now      | wear                          | activity
        it rains        | rainy    | an umbrella and a raincoat    | read a book, bake, or jump in puddles
        it snows        | snowy    | a warm coat and boots         | build a snowman or go sledging
        the sun shines  | sunny    | a sun hat and sun cream       | go to the park or have a picnic
        it is windy     | windy    | a jacket and a hat that fits  | fly a kite
        it is cold      | cold     | a thick coat, a scarf and gloves | stay in and drink hot tea
        it is hot       | hot      | light clothes and much water  | swim or rest in the shade
        there is fog    | foggy    | a lamp and bright clothes     | walk slowly, or stay at home and read
        it storms       | stormy   | nothing: it is better to stay inside | play a board game at home
        it is icy       | icy      | shoes that do not slip        | walk slowly, or stay in and draw
        it is cloudy    | cloudy   | a light jacket                | take a walk or ride a bicycle
        it is warm      | warm     | a T-shirt                     | work in the garden or eat outside
        """)

    private static let sky = Exchange.list("""
        ? (what|how) (is the weather|will the weather be)( like|) (today|tomorrow|now|outside|here|this week)?
        ? (does it|will it) (rain|snow) (today|tomorrow|now|this week)?
        ? (is it|will it be) (warm|cold|sunny|rainy) (today|tomorrow|outside|now)?
        I cannot look outside, so I do not know. How does it look from your window?

        ? (where does rain come from|where does the rain come from|why does it rain|how does rain (form|begin)|what makes it rain)?
        ? (tell me|explain|do you know) why it rains.
        Rain comes from clouds, when the drops in them grow too heavy.

        ? (why does it snow|where does snow come from|how does snow form|when does it snow|what makes snow)?
        ? (tell me|explain|do you know) why it snows.
        It snows when it is so cold that the water in clouds freezes.

        ? (how does a rainbow form|when do (we|you|I) see a rainbow|why is there a rainbow|what makes a rainbow|where does a rainbow \
        come from)?
        ? (tell me|explain) how a rainbow (forms|comes|is made).
        A rainbow forms when the sun shines on drops of rain.

        ? (what|which) colours (are in|has|does) a rainbow( have|)?
        ? (name|list|tell me) the colours of (a|the) rainbow.
        Red, orange, yellow, green, blue, indigo and violet.

        ? (what is|what's|how does|what makes) (the |)wind( come about|)?
        ? (why is it windy|why does the wind blow|where does (the |)wind come from)?
        Wind is air that moves from one place to another.

        ? (what is|what makes|why is there|where does) (thunder|the thunder)( come from|)?
        ? why does it thunder?
        Thunder is the sound of lightning. Light is faster, so we see it first.

        ? (what is|what's|explain) (a cloud|clouds)?
        ? (what are clouds|of what are clouds|what is a cloud) made of?
        Clouds are made of very small drops of water or ice.

        ? why is (the sky|our sky) blue( in the day| by day|)?
        ? (tell me|explain|do you know) why the sky is blue.
        Air scatters the blue light of the sun more than the red.

        ? (what is|which is|what's) the (coldest|cold) season( of the year| of all|)?
        ? (in which|what|which) season is it coldest?
        Winter is the coldest season.

        ? (what is|which is|what's) the (warmest|hottest|warm) season( of the year| of all|)?
        ? (in which|what|which) season is it (warmest|hottest)?
        Summer is the warmest season.

        ? (what comes|which season comes|what season is|which season is) (next |)after (spring)( in the year| in a year|)?
        ? it is spring( now|). (what|which season) (comes|is) next?
        After spring comes summer.

        ? (what comes|which season comes|what season is|which season is) (next |)after (summer)( in the year| in a year|)?
        ? it is summer( now|). (what|which season) (comes|is) next?
        After summer comes autumn.

        ? (what comes|which season comes|what season is|which season is) (next |)after (autumn)( in the year| in a year|)?
        ? it is autumn( now|). (what|which season) (comes|is) next?
        After autumn comes winter.

        ? (what comes|which season comes|what season is|which season is) (next |)after (winter)( in the year| in a year|)?
        ? it is winter( now|). (what|which season) (comes|is) next?
        After winter comes spring.
        """)
}
