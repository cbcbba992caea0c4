/// What things are and what they are for: nature, the body, the house, jobs.
enum Things {
    static let topics = [
        Topic(name: "what is it", share: 9) { chat in
            chat.fillSlots(from: things)
            chat.ask("""
                What is {thing}?
                What's {thing}?
                (Can|Could) you (explain|tell me) what {thing} is?
                (Explain|Please explain|Describe) {thing}( to me|)(, please|).
                Tell me about {thing}(, please|).
                Do you know what {thing} is?
                Tell me what {thing} is.
                What do you know about {thing}?
                I do not know what {thing} is.( Do you?| Please help me.|)
                What can you (say|tell me) about {thing}?
                """, "{thing} is {meaning}.")
            if chat.chance(40) {
                chat.fillSlots(fromAnotherRowOf: things, changing: "thing")
                chat.ask("""
                    And {thing}?
                    And what is {thing}?
                    What about {thing}?
                    And what about {thing}?
                    How about {thing}?
                    """, "{thing} is {meaning}.")
            }
        },
        Topic(name: "what for", share: 5) { chat in
            chat.fillSlots(from: tools)
            if chat.chance(60) {
                chat.ask("""
                    What (do we|do people|do you|can I|do I) (use|need) {tool} for?
                    What is {tool} (for|good for|used for|made for)?
                    (Why|When) (do we|do people|would I) (use|need|have) {tool}?
                    What can (I|we|you|people) do with {tool}?
                    (For what|Why) is {tool} (useful|good)?
                    """, """
                    With {tool} we {do}.
                    We {do} with {tool}.
                    """)
            } else {
                chat.ask("""
                    With what do (we|people) {do}?
                    What do (we|people|I) need to {do}?
                    (Which|What) thing do (we|people) {do} with?
                    (I want|I need|I would like) to {do}. What (do I need|helps me|should I take)?
                    """, "We {do} with {tool}.")
            }
        },
        Topic(name: "who works", share: 3) { chat in
            chat.fillSlots(from: jobs)
            if chat.chance(60) {
                chat.ask("""
                    What does {job} do?
                    What is the (job|work) of {job}?
                    (Do you know|Can you tell me) what {job} does?
                    Tell me what {job} does.
                    (For what|Why|When) do we need {job}?
                    """, "{job} {does}.")
            } else {
                chat.ask("""
                    Who {does}?
                    What do (we|you) call (somebody|a person) who {does}?
                    (Do you know|Can you tell me) who {does}?
                    Tell me who {does}.
                    Which (person|job|profession) is it (that|who) {does}?
                    """, "{job} {does}.")
            }
        },
    ]

    private static let things = Table("""
        thing        | meaning
        the sun      | a star. It gives us light and warmth
        the moon     | a ball of rock that goes around the earth
        the earth    | the planet on which we live
        a star       | a hot ball of gas that shines, very far away
        a planet     | a large ball that goes around a star
        the sky      | the air above us, where clouds and birds are
        the sea      | a very large body of salt water
        a lake       | water with land all around it
        a river      | water that flows through the land to a lake or the sea
        an island    | land with water all around it
        a mountain   | land that rises high above the land around it
        a volcano    | a mountain from which hot melted rock can come
        a desert     | a very dry place where few plants grow
        a forest     | a large place full of trees
        a storm      | weather with strong wind and often rain
        a shadow     | a dark place where light is blocked
        ice          | frozen water
        air          | the mix of gases that we breathe
        water        | what we drink, and what rivers and seas are made of
        glass        | a hard material that one can see through, made from sand
        paper        | a thin material made mostly from wood
        a tree       | a tall plant with a trunk of wood
        a flower     | the part of a plant that makes seeds, often with bright colours
        a leaf       | the green part of a plant that catches light
        an insect    | a small animal with six legs
        a mammal     | an animal that feeds its young with milk
        a bird       | an animal with feathers, two legs and wings
        a fish       | an animal that lives in water and breathes with gills
        a dinosaur   | a reptile of a time long ago
        the heart    | the part of the body that pumps blood
        the brain    | the part of the body with which we think
        a bone       | a hard part inside the body
        blood        | the red liquid that flows through the body
        a number     | what we count with
        a circle     | a round shape: all of its points are equally far from the middle
        a triangle   | a shape with three sides and three corners
        a word       | a group of letters that means something
        a letter     | a sign of the alphabet, or a message on paper
        a library    | a place where one can read and borrow books
        a school     | a place where people learn
        a capital    | the city from which a country is governed
        a map        | a drawing that shows where places are
        a computer   | a machine that follows a program
        a program    | a list of steps that a computer follows
        the internet | a network that connects computers all over the world
        a robot      | a machine that can move and do work by itself
        music        | sounds in an order that people enjoy
        a song       | music with words
        a dream      | a story that the mind makes while we sleep
        a rainbow    | a band of colours in the sky, made by sun and rain
        """)

    private static let tools = Table("""
        tool          | do
        a knife       | cut bread
        a spoon       | eat soup
        a hammer      | hit nails
        a pen         | write letters
        a brush       | paint pictures
        an umbrella   | stay dry in the rain
        a broom       | sweep the floor
        a key         | open doors
        a lamp        | make light
        a clock       | tell the time
        a bed         | sleep well
        a phone       | call friends
        a needle      | sew clothes
        scissors      | cut paper
        a pan         | fry eggs
        an oven       | bake cakes
        soap          | wash our hands
        a towel       | dry ourselves
        a toothbrush  | clean our teeth
        a bicycle     | ride to work
        a boat        | cross a lake
        a thermometer | measure how warm it is
        a ruler       | measure how long things are
        a map         | find the way
        a bucket      | carry water
        a bag         | carry things
        a blanket     | keep warm at night
        a mirror      | see ourselves
        glue          | stick things together
        """)

    private static let jobs = Table("""
        job             | does
        a baker         | bakes bread and cakes
        a teacher       | helps people to learn
        a doctor        | helps people who are sick
        a nurse         | takes care of people in a hospital
        a farmer        | grows food and keeps animals
        a cook          | makes meals in a kitchen
        a gardener      | takes care of plants
        a painter       | paints walls or pictures
        a firefighter   | puts out fires
        a pilot         | flies planes
        a sailor        | works on a ship
        a vet           | helps animals that are sick
        a dentist       | takes care of teeth
        a musician      | makes music
        a writer        | writes books
        a hairdresser   | cuts hair
        a bus driver    | drives a bus
        a programmer    | writes programs for computers
        a beekeeper     | keeps bees and collects honey
        a builder       | builds houses
        """)
}
