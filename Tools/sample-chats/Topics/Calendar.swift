/// Days, months, seasons and the clock.
enum Calendar {
    static let topics = [
        Topic(name: "day", share: 5) { chat in
            let i = chat.pick(0...6)
            set(&chat, day: i)
            day(&chat)
            if chat.chance(45) {
                set(&chat, day: (i + chat.pick(1...6)) % 7)
                chat.ask("(And|What is|What day is|And what is|And which day is|And what comes) after {day}?", "After {day} comes {after}.")
            }
        },
        Topic(name: "month", share: 6) { chat in
            chat.fillSlots(from: months)
            let about = chat.pick(aspects)
            chat.ask(about.0, about.1)
            if chat.chance(45) {
                chat.fillSlots(fromAnotherRowOf: months, changing: "month")
                chat.ask("""
                    And {month}?
                    What about {month}?
                    And what about {month}?
                    How about {month}?
                    And (how is it|how is that) (with|for) {month}?
                    """, about.1)
            }
        },
        Topic(name: "time", share: 4) { chat in
            chat.fillSlots(from: measures)
            chat.ask("""
                How many {small} (are in|are there in|has|make|does it take for) {large}?
                (Do you know|Can you tell me) how many {small} {large} has?
                Tell me how many {small} {large} has.
                {large} has how many {small}?
                """, "{large} has {count} {small}.")
            if chat.chance(35) {
                chat.fillSlots(fromAnotherRowOf: measures, changing: "large")
                chat.ask(
                    "(And how many|How many|And then how many) {small} (does {large} have|are in {large}|has {large})?",
                    "{large} has {count} {small}.")
            }
        },
        Topic(name: "lists", share: 2) { chat in
            chat.ask(chat.pick(lists))
            if chat.chance(40) { chat.ask(chat.pick(lists)) }
        },
    ]

    private static let days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

    private static func set(_ chat: inout ChatBuilder, day i: Int) {
        chat["day"] = days[i]
        chat["after"] = days[(i + 1) % 7]
        chat["before"] = days[(i + 6) % 7]
        chat["second"] = days[(i + 2) % 7]
        chat["kind"] = i < 5 ? "a working day for many people" : "part of the weekend"
    }

    private static func day(_ chat: inout ChatBuilder) {
        switch chat.pick(0...5) {
        case 0, 1: chat.ask("""
            (What|Which) day (comes|is|follows) after {day}?
            (What|Which day) comes (next |)after {day}?
            Today is {day}. (What|Which) day is (tomorrow|it tomorrow)?
            If today is {day}, what is tomorrow?
            It is {day}( today|). What (is|comes) tomorrow?
            """, "After {day} comes {after}.")
        case 2, 3: chat.ask("""
            (What|Which) day (comes|is) before {day}?
            (What|Which day) comes (right |just |)before {day}?
            Today is {day}. (What|Which) day was (yesterday|it yesterday)?
            If today is {day}, what was yesterday?
            It is {day}( today|). What was yesterday?
            """, "Before {day} comes {before}.")
        case 4: chat.ask("""
            (What|Which) day is two days after {day}?
            Today is {day}. (What|Which) day is it in two days?
            (What|Which) day comes two days (after|later than) {day}?
            It is {day}( today|). What is the day after tomorrow?
            """, "Two days after {day} is {second}.")
        default: chat.ask("""
            Is {day} (part of the weekend|a weekend day|a working day|on the weekend)?
            (What kind of day|What|What sort of day) is {day}?
            Do (people|many people|we) work on {day}?
            """, "{day} is {kind}.")
        }
    }

    /// Questions about a month.
    private static let aspects = [
        ("""
            (What|Which) month (comes|is|follows) after {month}?
            (What|Which month) comes (next |)after {month}?
            It is {month}( now|). (What|Which) month is next?
            """, "After {month} comes {after}."),
        ("""
            (What|Which) month (comes|is) before {month}?
            (What|Which month) comes (right |just |)before {month}?
            It is {month}( now|). (What|Which) month was last?
            """, "Before {month} comes {before}."),
        ("""
            How many days (does {month} have|has {month}|are in {month}|are there in {month})?
            (How long is|What is the length of) {month}?
            Do you know how many days {month} has?
            Tell me how many days {month} has.
            """, "{month} has {days} days."),
        ("""
            (What|Which) number (is {month}|does {month} have)( in the year|)?
            {month} is (which|what) month of the year?
            (What|Which) month of the year is {month}?
            """, "{month} is month {number} of the year."),
        ("""
            (In which|What) season is {month}( in Europe|)?
            Is {month} in spring, summer, autumn or winter?
            To (which|what) season does {month} belong?
            (What|Which) season do we have in {month}?
            """, "In Europe, {month} is in {season}."),
    ]

    private static let months = Table("""
        month     | number | days                        | season | after     | before
        January   | 1      | 31                          | winter | February  | December
        February  | 2      | 28, and in leap years 29,   | winter | March     | January
        March     | 3      | 31                          | spring | April     | February
        April     | 4      | 30                          | spring | May       | March
        May       | 5      | 31                          | spring | June      | April
        June      | 6      | 30                          | summer | July      | May
        July      | 7      | 31                          | summer | August    | June
        August    | 8      | 31                          | summer | September | July
        September | 9      | 30                          | autumn | October   | August
        October   | 10     | 31                          | autumn | November  | September
        November  | 11     | 30                          | autumn | December  | October
        December  | 12     | 31                          | winter | January   | November
        """)

    private static let measures = Table("""
        large        | small       | count
        a minute     | seconds     | 60
        an hour      | minutes     | 60
        half an hour | minutes     | 30
        a day        | hours       | 24
        a week       | days        | 7
        a year       | months      | 12
        a year       | weeks       | about 52
        a year       | seasons     | four
        a year       | days        | 365, or in a leap year 366,
        a metre      | centimetres | 100
        a kilometre  | metres      | 1,000
        a kilogram   | grams       | 1,000
        a litre      | millilitres | 1,000
        a dozen      | pieces      | 12
        a pair       | pieces      | two
        a century    | years       | 100
        a decade     | years       | ten
        a hand       | fingers     | five
        a triangle   | corners     | three
        a square     | sides       | four
        a cube       | faces       | six
        a car        | wheels      | mostly four
        a bicycle    | wheels      | two
        a chessboard | squares     | 64
        the alphabet | letters     | 26
        """)

    private static let lists = Exchange.list("""
        ? (what|which) are the (seven |)days of the week?
        ? (name|list|tell me|say|give me) (all |)the (seven |)days( of the week| of a week|)(.| please.| in order.)
        The days are Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday.

        ? (what|which) are the (twelve |)months( of the year| of a year|)?
        ? (name|list|tell me|say|give me) (all |)the (twelve |)months( of the year| of a year|)(.| please.| in order.)
        January, February, March, April, May, June, July, August, September, October, November and December.

        ? (what|which) are the (four |)seasons( of the year| of a year|)?
        ? (name|list|tell me|say|give me) (all |)the (four |)seasons( of the year| of a year|)(.| please.| in order.)
        The seasons are spring, summer, autumn and winter.

        ? (what|which) (is|are) the (first|opening) (month|month of the year|month of a year)?
        ? (with which|in which|with what) month does (the|a) year (begin|start)?
        The year begins with January.

        ? (what|which) is the last (month|month of the year|month of a year)?
        ? (with which|in which|with what) month does (the|a) year (end|stop|close)?
        The year ends with December.

        ? (what|which) is the shortest month( of the year| of all| we have|)?
        ? (what|which) month (is the shortest|has the fewest days)( of the year| of all|)?
        February is the shortest month.

        ? (what|which) days (are|make|belong to) the weekend?
        ? when is the weekend?
        The weekend is Saturday and Sunday.

        ? (what|which) (day|time|date) is (it|today)( now| today|)?
        ? (can you tell me|do you know|tell me) (what time it is|the time|the date|today's date|what day it is)?
        I have no clock and no calendar, so I cannot know. Please look at your own.

        ? when (is noon|is midday|does the morning end)?
        ? (at what|what) time is (noon|midday)?
        Noon is at twelve o'clock in the day.

        ? when is midnight?
        ? (at what|what) time is midnight?
        ? when does a new day (begin|start)?
        Midnight is at twelve o'clock at night. Then a new day begins.
        """)
}
