/// Feelings, with a kind reply.
enum Feelings {
    static let topics = [
        Topic(name: "feeling", share: 6) { chat in
            chat.fillSlots(from: feelings)
            chat.ask("""
                I (am|feel) (so |very |a bit |a little |really |){feeling}( today| now| at the moment|).
                I'm (so |very |a bit |a little |really |){feeling}( today| now|).
                I (am|feel) {feeling} because {reason}.
                (Today|Now|This morning|This evening) I (am|feel) (very |a little |){feeling}.
                {reason}. (Now |)I (am|feel) {feeling}( now|).
                """, "{answer} {advice}.")
            guard chat.chance(50) else { return }
            if chat.chance(50) {
                chat.ask("""
                    (What|And what|So what) (can|shall|should|could) I do( now| then| about it|)?
                    (Do you have|Have you) (an idea|some advice|a tip|any idea)( for me| what to do|)?
                    (And what|What) (helps|would help|could help)( me|)( now| then|)?
                    """, "{advice}.")
            } else {
                chat.ask("""
                    (Do you remember|Can you say|Do you know) how I feel( now| today|)?
                    Tell me how I feel( now| today|).
                    (How|And how) (do|did) I (say that I |)feel( today|)?
                    (What|And what) did I say about (how I feel|my feelings)?
                    """, "You said that you are {feeling}.")
            }
        },
        Topic(name: "when people feel", share: 3) { chat in
            chat.fillSlots(from: feelings)
            chat.ask("""
                What (helps|can help|is good) (when|if) (I am|I feel|one is|somebody is|you are|people are) {feeling}?
                What (can|should|shall|could) I do (when|if) I (am|feel) {feeling}?
                My (friend|brother|sister|mother|father|child) is {feeling}. What (can|should|shall) I (do|say)?
                (Give|Tell) me a tip for (people who are|somebody who is|when I am) {feeling}.
                How (can|do) I help (a friend|somebody) who is {feeling}?
                """, "When somebody is {feeling}, {tip} can help.")
        },
        Topic(name: "about feelings", share: 1) { chat in chat.ask(chat.pick(about)) },
    ]

    private static let feelings = Table("""
        feeling      | reason                    | answer                        | advice                                | tip
        sad          | my friend moved away      | I am sorry to hear that.      | Talk to somebody you trust            | a hug
        happy        | my exam went well         | That is wonderful!            | Share the good news with a friend \
            | sharing the joy with a friend
        tired        | I slept badly             | That sounds hard.             | Lie down early tonight                | a short nap
        angry        | my brother broke my cup   | I understand that.            | Breathe slowly and count to ten \
            | breathing slowly and counting to ten
        nervous      | I have a test tomorrow    | That happens to many people.  | Breathe slowly and prepare a little \
            | breathing slowly and preparing well
        afraid       | it is so dark             | I understand that.            | Turn on a light and call somebody \
            | a light or a friend nearby
        lonely       | nobody called me          | I am sorry to hear that.      | Call a friend, or take a walk where people are \
            | calling a friend
        proud        | I won a game              | Well done!                    | Enjoy it and tell somebody \
            | telling somebody about it
        bored        | there is nothing to do    | That can be a chance.         | Try something new, such as drawing    | a book or a game
        sick         | I ate something bad       | I hope you get well soon.     | Rest, drink water, and ask a doctor \
            | rest and water, and advice from a doctor,
        excited      | we travel tomorrow        | How nice!                     | Make a list of what you need          | making a plan
        stressed     | I have too much work      | That sounds hard.             | Do one thing at a time and take breaks \
            | doing one thing at a time
        surprised    | a friend came to visit    | What a surprise!              | Enjoy it                              | taking a moment
        jealous      | my sister has a new bike  | That is a common feeling.     | Think of what you like about your own things \
            | thinking of what one has
        disappointed | the picnic did not happen | I am sorry to hear that.      | Plan something nice for another day \
            | planning something nice
        thankful     | a friend helped me        | That is lovely.               | Say thank you, or write a card        | saying thank you
        worried      | my cat did not come home  | I understand that.            | Tell somebody what is on your mind    | talking about it
        shy          | I know nobody here        | Many people know that feeling. | Begin with a smile and a hello       | a smile
        relaxed      | I have a free day         | That is nice to hear.         | Enjoy the quiet                       | a quiet hour
        curious      | I found a strange stone   | That is a good feeling.       | Ask questions and look closely        | asking questions
        cold         | the heating is off        | Oh, that is not nice.         | Put on a warm sweater and drink tea   | a warm sweater
        """)

    private static let about = Exchange.list("""
        ? what are feelings( good for| for|)?
        ? (why|for what) do (we|people) have feelings?
        Feelings tell us what is good for us and what is not.

        ? (why|when) do (people|we|children) (cry|weep)?
        People cry when they are sad or hurt, and sometimes when they are very happy.

        ? (why|when) do (people|we|children) (laugh|smile)?
        People laugh when something is funny or when they are happy.

        ? (what is|what's|explain|what makes) (a good friend|friendship|a friend)?
        ? (how|what) do I know (a good friend|who is a friend)( by|)?
        A good friend listens, helps, and is honest.

        ? how (can|do|could) I (make|find|get) (friends|a friend|new friends)?
        Say hello, ask questions, and be kind. Friends come with time.

        ? how (can|do|could) I (say sorry|apologise|make up with a friend)?
        Say what you did, that you are sorry, and listen to the other one.

        ? (what is|what's|explain) (love|happiness|joy)?
        It is a warm feeling that makes life good.

        ? (how|what) can I (become|be|do to be|do to become) (happy|happier|more happy)?
        Do what you like, meet friends, sleep well, and go outside.
        """)
}
