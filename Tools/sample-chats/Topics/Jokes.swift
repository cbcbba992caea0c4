/// Jokes: told at once, about a given subject, or in turns.
enum Jokes {
    static let topics = [
        Topic(name: "joke", share: 5) { chat in
            chat.fillSlots(from: jokes)
            chat.ask("""
                (Tell|Give) me a (good |short |little |funny |)joke about {about}.
                (Do you know|Have you got|Do you have) a (good |short |little |funny |)joke about {about}?
                (Can|Could) you tell (me |us |)a (good |short |little |funny |)joke about {about}?
                (I want|I would like|I need) (to hear |)a (good |short |funny |)joke about {about}.
                A joke about {about}, please.
                """, "{ask} {because}")
            more(&chat)
        },
        Topic(name: "any joke", share: 3) { chat in
            chat.fillSlots(from: jokes)
            chat.ask("""
                (Tell|Give) (me|us) a (good |short |little |funny |new |)joke(, please|)(.| now.| today.)
                (Do you know|Have you got|Do you have) (a|any) (good |short |little |funny |)(joke|jokes)( for me||)?
                (Can|Could) you (tell|make) (me |us |)a (good |short |little |funny |)joke( please|)?
                (Make|Please make) me (laugh|smile)( today| now||).
                (I want|I would like) to (laugh|hear a joke|smile)( today| now||).
                Say something (funny|to laugh about)(, please||).
                Tell me a joke(.|!)
                (Do you know|Do you have) a joke?
                (Can you tell me|Could you tell me) a joke?
                """, "{ask} {because}")
            more(&chat)
        },
        Topic(name: "riddle joke", share: 3) { chat in
            chat.fillSlots(from: jokes)
            chat.ask(
                "(Do you know: |Tell me: |A joke for you: |Listen: |Guess: |){ask}(| Do you know?| What do you think?| Can you guess?)",
                "{because}")
            if chat.chance(30) { chat.ask(chat.pick(reactions)) }
        },
    ]

    private static func more(_ chat: inout ChatBuilder) {
        guard chat.chance(40) else { return }
        if chat.chance(50) {
            chat.fillSlots(fromAnotherRowOf: jokes, changing: "ask")
            chat.ask("""
                (Another|One more|And another|And one more) joke( about {about}|)(, please|)(.|!)
                (Another one|One more|Again|And another)(, please|)(.|!)
                (Now|And now) (a joke |one |)about {about}(, please|)(.|!)
                (Do you know|Do you have|Have you got) (another|one more) joke( about {about}|)?
                """, "{ask} {because}")
        } else { chat.ask(chat.pick(reactions)) }
    }

    private static let reactions = Exchange.list("""
        ? (haha|ha ha|that is|that was|this is) (so |very |really |)(funny|good|great)(, thank you|, thanks||)(!|.)
        ? (I like|I love|I liked) (that|this|your|the) (joke|one)(!|.)
        I am glad that you like it! Do you want another one?

        ? (that is|that was|this is) not (so |very |really |)(funny|good)(, sorry||)(.|!)
        ? I (do not|don't) (get|understand|like) (it|this joke|that joke|the joke)(.|!)
        I am sorry. I am still learning to be funny.

        ? why is (that|this|it|this joke|that joke) funny( to you||)?
        ? (can you|please|could you) explain (the|that|this) joke?
        It plays with words that can mean two things.
        """)

    private static let jokes = Table("""
        about      | ask                                                  | because
        cats       | Why did the cat sit on the computer?                 | To keep an eye on the mouse.
        dogs       | What do you call a dog that does magic?              | A labracadabrador.
        cows       | What do you call a cow that plays an instrument?     | A moo-sician.
        fish       | Why do fish live in salt water?                      | Because pepper makes them sneeze.
        birds      | Why do birds fly south in autumn?                    | Because it is too far to walk.
        elephants  | What time is it when an elephant sits on your fence? | Time to get a new fence.
        frogs      | What kind of shoes do frogs wear?                    | Open toad shoes.
        ducks      | What time do ducks wake up?                          | At the quack of dawn.
        bees       | Why do bees hum?                                     | Because they forgot the words.
        penguins   | Why do penguins carry fish in their beaks?           | Because they have no pockets.
        spiders    | What do spiders do on a computer?                    | They look at websites.
        trees      | How do trees go on the internet?                     | They log in.
        apples     | What is worse than a worm in your apple?             | Half a worm in your apple.
        bananas    | Why did the banana go to the doctor?                 | It was not peeling well.
        bread      | What did the butter say to the bread?                | I am on a roll.
        cheese     | What do you call cheese that is not yours?           | Nacho cheese.
        eggs       | Why do eggs tell no jokes?                           | They would crack up.
        coffee     | How does a coffee bean say goodbye?                  | See you latte.
        numbers    | Why was six afraid of seven?                         | Because seven ate nine.
        books      | Why did the book join the police?                    | It wanted to go under cover.
        computers  | Why was the computer cold?                           | It left its windows open.
        models     | Why did the language model go to school?             | To learn from its loss.
        robots     | What is a robot's favourite snack?                   | Computer chips.
        tokens     | Why was the token lonely?                            | Nobody merged with it.
        snowmen    | What do snowmen eat in the morning?                  | Snowflakes.
        winter     | What falls in winter but is never hurt?              | Snow.
        the sun    | Why did the sun go to school?                        | To get brighter.
        the moon   | How does the moon cut its hair?                      | Eclipse it.
        the sea    | What did the sea say to the beach?                   | Nothing, it only waved.
        bicycles   | Why did the bicycle fall over?                       | It was two tired.
        doors      | When is a door not a door?                           | When it is ajar.
        music      | Why did the piano need a ladder?                     | To reach the high notes.
        hens       | Why did the hen cross the road?                      | To get to the other side.
        """)
}
