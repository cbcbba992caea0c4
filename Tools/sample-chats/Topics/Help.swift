/// Everyday help: how to do something, and what to do after a mishap.
enum Help {
    static let topics = [
        Topic(name: "how to", share: 8) { chat in
            chat.fillSlots(from: tasks)
            chat.ask("""
                How (do|can|should|could) I {task}?
                (Can|Could) you (help me|tell me how) to {task}?
                (Tell|Show) me how to {task}(.|, please.)
                (I want|I would like|I need|I have) to {task}.( How?| Can you help me?| What do I do?|)
                What is (the best|a good|an easy) way to {task}?
                How does one {task}?
                (Do you have|Have you got) (a tip|some advice) (on how|if I want) to {task}?
                Give me (a tip|some advice) (on how|if I want) to {task}.
                """, """
                {how}.
                {how}.
                That is not hard. {how}.
                """)
            if chat.chance(40) {
                if chat.chance(50) {
                    chat.ask("""
                        (Do you have|Is there|What is) (another|one more|a second) (tip|idea)( for that| for this|)?
                        Give me (another|one more|a second) (tip|idea)( for that| for this|).
                        (And |)what else (can I do|could I do|helps|should I know)( for that| to {task}|)?
                        (And |)(anything else|something else)( for that| about this| I should know|)?
                        """, "{more}.")
                } else {
                    chat.fillSlots(fromAnotherRowOf: tasks, changing: "task")
                    chat.ask("(And how|How|And now, how) (do|can|should) I {task}?", "{how}.")
                }
            }
        },
    ]

    private static let tasks = Table("""
        task                   | how                                                       | more
        boil an egg            | Put it in boiling water for about eight minutes, then in cold water \
            | Use a small spoon to put it into the pot
        cook rice              | Take two cups of water for one cup of rice and cook it slowly with a lid | Do not stir it too much
        make tea               | Pour hot water on the leaves and wait three minutes       | Warm the cup first
        cut an onion           | Cut it in half, lay it flat, and slice it with a sharp knife | A cold onion makes fewer tears
        clean a window         | Use warm water with a little soap and dry it with a soft cloth \
            | Do it on a cloudy day, so that it does not dry too fast
        clean my room          | Put things away first, then dust, and sweep the floor last | Put on music that you like
        wash the dishes        | Use hot water and soap, and begin with the glasses        | Let dirty pans stand in water first
        remove a stain         | Dab it with cold water and soap as soon as you can        | Do not rub too hard
        tie my shoes           | Make a knot, make a loop, wrap the other lace around it and pull it through \
            | Pull both loops at the same time
        change a light bulb    | Turn off the light, let the bulb cool, and screw in the new one | Stand on something that does not shake
        water plants           | Feel the soil, and give water when it is dry              | Most plants do not like to stand in water
        grow tomatoes          | Put seeds in soil, keep them warm and sunny, and water them often | Tie the plants to a stick
        write a letter         | Say hello, say what you want to say, and end with a kind word | Read it aloud before you send it
        write a story          | Think of somebody, a place, and a problem to solve        | Write a little every day
        learn words            | Write them on cards and repeat a few every day            | Use them in small sentences
        learn a language       | Practise a little every day, listen much, and speak early | Do not be afraid of mistakes
        learn to swim          | Take lessons, begin in low water, and practise breathing  | Never swim alone
        remember names         | Say the name aloud and connect it with a picture          | Repeat it when you say goodbye
        sleep better           | Go to bed at the same time and put your phone away        | Keep the room dark and cool
        save money             | Write down what you spend and put a little aside each month | Make a list before you go shopping
        save water             | Close the tap while you brush your teeth, and take short showers | Use rain water for the garden
        find my keys           | Think of where you had them last, and look there first    | Give them a fixed place
        wrap a present         | Lay it on paper, fold the sides over it, and use tape     | Add a ribbon and a card
        brush my teeth         | Brush all sides gently for two minutes, twice a day       | Use a soft brush
        wash my hands          | Use soap and rub for twenty seconds, also between the fingers | Dry them well
        take care of a cat     | Give it food, fresh water, a clean box, and time to play  | Show it to a vet once a year
        take care of a dog     | Give it food and water and walk with it several times a day | Be patient and always kind
        feed birds in winter   | Put seeds in a dry place where cats cannot reach          | Clean the place often
        ride a bicycle         | Look ahead, push the pedals, and keep moving              | Wear a helmet
        build a snowman        | Roll three balls of snow and put them on each other       | Use a carrot for the nose
        make a paper boat      | Fold a sheet in half, fold the corners in, and pull it open | Thick paper lasts longer
        make friends           | Say hello, ask questions, and listen                      | Go where people do what you like
        plan a party           | Choose a day, invite people, and think of food and music  | Ask friends to bring something
        cool a small burn      | Hold it under cool water for ten minutes                  | See a doctor if it is large
        relax                  | Sit down, breathe slowly, and think of a calm place       | Take a walk without your phone
        stay healthy           | Sleep well, move every day, and eat fruit and vegetables  | Drink enough water
        """)
}
