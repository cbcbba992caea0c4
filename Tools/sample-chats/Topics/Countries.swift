/// Countries: capital, continent, language. A follow-up question names another country, or none.
enum Countries {
    static let topics = [
        Topic(name: "capital", share: 5) { chat in
            chat.fillSlots(from: countries)
            capital(&chat)
            if chat.chance(45) {
                chat.fillSlots(fromAnotherRowOf: countries, changing: "country")
                chat.ask(sameAboutAnother, "The capital of {country} is {capital}.")
            }
            if chat.chance(35) { askWithoutName(&chat) }
        },
        Topic(name: "continent", share: 2) { chat in
            chat.fillSlots(from: countries)
            continent(&chat)
            if chat.chance(45) {
                chat.fillSlots(fromAnotherRowOf: countries, changing: "country")
                chat.ask(sameAboutAnother, "{country} is in {continent}.")
            }
        },
        Topic(name: "language", share: 2) { chat in
            chat.fillSlots(from: countries)
            language(&chat)
            if chat.chance(45) {
                chat.fillSlots(fromAnotherRowOf: countries, changing: "country")
                chat.ask(sameAboutAnother, "Many people in {country} speak {language}.")
            }
        },
        Topic(name: "city", share: 3) { chat in
            chat.fillSlots(from: countries)
            city(&chat)
            if chat.chance(40) { askWithoutName(&chat) }
        },
    ]

    private static let sameAboutAnother = """
        And {country}?
        And for {country}?
        And what about {country}?
        What about {country}?
        And how about {country}?
        How about {country}?
        The same for {country}(?|, please.)
        And (if I ask about|now) {country}?
        """

    private static func capital(_ chat: inout ChatBuilder) {
        chat.ask("""
            What is the capital( city|) of {country}?
            Which city is the capital of {country}?
            (Tell|Give) me the capital( city|) of {country}.
            (Do|Would) you know the capital of {country}?
            (Can|Could) you (tell me|name) the capital( city|) of {country}?
            Name the capital( city|) of {country}.
            What is {country}'s capital( city|)?
            The capital of {country} is which city?
            """, """
            The capital of {country} is {capital}.
            {capital} is the capital of {country}.
            """)
    }

    private static func continent(_ chat: inout ChatBuilder) {
        chat.ask("""
            (Where|In which part of the world) is {country}?
            On (which|what) continent is {country}?
            Which continent is {country} on?
            Tell me where {country} is.
            Do you know where {country} is?
            (Can|Could) you tell me where {country} is?
            Where (do I find|can I find|does one find) {country}?
            """, """
            {country} is in {continent}.
            {country} is a country in {continent}.
            """)
    }

    private static func language(_ chat: inout ChatBuilder) {
        chat.ask("""
            (Which|What) language do (many |)people speak in {country}?
            (Which|What) language do (many |)people in {country} speak?
            (Which|What) language is spoken in {country}?
            What do (many |)people speak in {country}?
            (Which|What) language (should|could) I learn for {country}?
            """, """
            Many people in {country} speak {language}.
            In {country}, many people speak {language}.
            """)
    }

    private static func city(_ chat: inout ChatBuilder) {
        chat.ask("""
            (Where|In which country) is {capital}?
            (Which|What) country is {capital} in?
            {capital} is the capital of (which|what) country?
            Of (which|what) country is {capital} the capital?
            (Can|Could) you tell me where {capital} is?
            What (do you know about|can you say about|is) {capital}?
            """, """
            {capital} is the capital of {country}.
            {capital} is in {country}. It is the capital.
            """)
    }

    /// Asks about the country of the previous turn without naming it.
    private static func askWithoutName(_ chat: inout ChatBuilder) {
        if chat.chance(50) {
            chat.ask("""
                (Which|What) language do (people|many people|they) speak (there|in that country|in this country)?
                (And |)(which|what) language is spoken (there|in that country)?
                And what do (people|they) speak there?
                """, "Many people in {country} speak {language}.")
        } else {
            chat.ask("""
                On (which|what) continent is (that|it|this country|that country)?
                (And |)(which|what) continent is (that|it) on?
                (And |)(where|in which part of the world) is (that|this|that country)?
                """, "{country} is in {continent}.")
        }
    }

    static let countries = Table("""
        country           | capital          | continent     | language
        France            | Paris            | Europe        | French
        Spain             | Madrid           | Europe        | Spanish
        Italy             | Rome             | Europe        | Italian
        Germany           | Berlin           | Europe        | German
        Austria           | Vienna           | Europe        | German
        Portugal          | Lisbon           | Europe        | Portuguese
        Greece            | Athens           | Europe        | Greek
        Poland            | Warsaw           | Europe        | Polish
        Hungary           | Budapest         | Europe        | Hungarian
        Sweden            | Stockholm        | Europe        | Swedish
        Norway            | Oslo             | Europe        | Norwegian
        Denmark           | Copenhagen       | Europe        | Danish
        Finland           | Helsinki         | Europe        | Finnish
        Ireland           | Dublin           | Europe        | English
        Japan             | Tokyo            | Asia          | Japanese
        China             | Beijing          | Asia          | Chinese
        Vietnam           | Hanoi            | Asia          | Vietnamese
        Thailand          | Bangkok          | Asia          | Thai
        South Korea       | Seoul            | Asia          | Korean
        India             | New Delhi        | Asia          | Hindi
        Egypt             | Cairo            | Africa        | Arabic
        Morocco           | Rabat            | Africa        | Arabic
        Kenya             | Nairobi          | Africa        | Swahili
        Canada            | Ottawa           | North America | English
        Mexico            | Mexico City      | North America | Spanish
        Cuba              | Havana           | North America | Spanish
        the United States | Washington       | North America | English
        Brazil            | Brasilia         | South America | Portuguese
        Argentina         | Buenos Aires     | South America | Spanish
        Chile             | Santiago         | South America | Spanish
        Peru              | Lima             | South America | Spanish
        Colombia          | Bogota           | South America | Spanish
        Australia         | Canberra         | Oceania       | English
        New Zealand       | Wellington       | Oceania       | English
        """)
}
