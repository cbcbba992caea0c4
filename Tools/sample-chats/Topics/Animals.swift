/// Animals: sounds, food, kind, habitat, names of their young.
enum Animals {
    static let topics = [
        Topic(name: "animal", share: 11) { chat in
            chat.fillSlots(from: animals)
            let first = aspect(of: &chat)
            first.ask(&chat)
            if chat.chance(35) {                                                       // the same about another animal
                repeat { chat.fillSlots(fromAnotherRowOf: animals, changing: "animal") } while chat[first.column] == nil
                chat.ask("""
                    And {animal}?
                    What about {animal}?
                    And what about {animal}?
                    How about {animal}?
                    And how is it with {animal}?
                    """, first.answer)
            }
            if chat.chance(35) {                                                       // something else about this animal
                let next = aspect(of: &chat)
                if next.column != first.column { chat.ask(next.followUp, next.answer) }
            }
        },
        Topic(name: "which animal", share: 3) { chat in
            chat.fillSlots(from: riddles)
            chat.ask("""
                (Which|What) animal {does}?
                (Do you know|Can you tell me) (which|what) animal {does}?
                Tell me (which|what) animal {does}.
                I am thinking of an animal that {does}.( What is it?| Which one?|)
                (Name|Find) an animal that {does}.
                """, """
                {answer} {does}.
                That is {answer}.
                """)
        },
    ]

    /// A fact about animals, in a column of the table.
    private struct Aspect {
        let column: String
        let questions, followUp, answer: String
        func ask(_ chat: inout ChatBuilder) { chat.ask(questions, answer) }
    }

    private static func aspect(of chat: inout ChatBuilder) -> Aspect {
        while true {
            let aspect = chat.pick(aspects)
            if chat[aspect.column] != nil { return aspect }
        }
    }

    private static let aspects = [
        Aspect(column: "sound", questions: """
            What does {animal} say?
            (What|Which) sound does {animal} make?
            What (noise|sound) (comes from|do we hear from) {animal}?
            How does {animal} (sound|talk)?
            """, followUp: """
            (And |)(what|which) (sound|noise) does it make?
            (And |)(what|how) does it (say|sound|talk)?
            """, answer: "{animal} says {sound}."),
        Aspect(column: "food", questions: """
            What does {animal} (eat|like to eat|live on)?
            What (can|should|do) (I|we|people) (feed|give) {animal}( to eat|)?
            What is the food of {animal}?
            What food does {animal} (eat|like|need)?
            """, followUp: """
            (And |)what does it (eat|like to eat|live on)?
            (And |)what (food|kind of food) does it (like|eat|need)?
            """, answer: "{animal} eats {food}."),
        Aspect(column: "home", questions: """
            Where does {animal} (live|sleep and live|have its home)?
            Where (do|can) (I|we|people) (find|see) {animal}?
            Where is the home of {animal}?
            In what (place|places) does {animal} live?
            """, followUp: """
            (And |)where (does it live|is its home|does it have its home)?
            (And |)where (can|do) (I|we|people) (find|see) (it|one)?
            """, answer: "{animal} lives {home}."),
        Aspect(column: "young", questions: """
            What (is|do we call|do you call) the (baby|child|young one) of {animal}( called|)?
            What do (we|you|people) call the (baby|young) of {animal}?
            What is the name for the (baby|young|child) of {animal}?
            The (baby|young) of {animal} is called what?
            """, followUp: """
            (And |)what is its (baby|young|child) called?
            (And |)what do (we|you|people) call its (baby|young|child)?
            """, answer: "The young of {animal} is called {young}."),
        Aspect(column: "kind", questions: """
            What (kind of |sort of |)animal is {animal}?
            What is {animal}?
            To (which|what) (group|kind) of animals does {animal} belong?
            (Is|What do you think, is) {animal} a mammal, a bird or something else?
            """, followUp: """
            (And |)what (kind|sort) of animal is (it|that)?
            (And |)is (it|that) a (mammal|bird|fish|reptile), or what is it?
            """, answer: "{animal} is {kind}."),
        Aspect(column: "legs", questions: """
            How many legs does {animal} have?
            How many legs has {animal}( got|)?
            (Count|Tell me) the legs of {animal}.
            On how many legs does {animal} (walk|stand|go)?
            """, followUp: """
            (And |)how many legs does it have?
            (And |)how many legs has it( got|)?
            (And |)on how many legs does it (walk|stand|go)?
            """, answer: "{animal} has {legs} legs."),
    ]

    private static let animals = Table("""
        animal      | sound        | young      | home                        | food                      | legs  | kind
        a cow       | moo          | a calf     | on a farm                   | grass and hay             | four  | a mammal
        a dog       | woof         | a puppy    | with people                 | meat and dog food         | four  | a mammal
        a cat       | meow         | a kitten   | with people                 | meat, fish and mice       | four  | a mammal
        a horse     | neigh        | a foal     | in a stable                 | grass, hay and oats       | four  | a mammal
        a sheep     | baa          | a lamb     | in a field                  | grass                     | four  | a mammal
        a goat      | meh          | a kid      | on a farm or in the hills   | grass and leaves          | four  | a mammal
        a pig       | oink         | a piglet   | on a farm                   | nearly everything         | four  | a mammal
        a hen       | cluck        | a chick    | on a farm                   | grain and worms           | two   | a bird
        a duck      | quack        | a duckling | at a pond                   | plants and small animals  | two   | a bird
        an owl      | hoo          | an owlet   | in the woods                | mice                      | two   | a bird
        a penguin   | -            | a chick    | at the cold sea in the south | fish                     | two   | a bird
        a frog      | ribbit       | a tadpole  | at a pond                   | insects                   | four  | an amphibian
        a snake     | hiss         | -          | in warm places              | mice and other animals    | no    | a reptile
        a turtle    | -            | a hatchling | in the sea                 | sea plants and jellyfish  | -     | a reptile
        a shark     | -            | a pup      | in the sea                  | fish and seals            | no    | a fish
        a whale     | -            | a calf     | in the sea                  | tiny sea animals or fish  | no    | a mammal
        a dolphin   | click        | a calf     | in the sea                  | fish                      | no    | a mammal
        a lion      | roar         | a cub      | in the grasslands of Africa | meat                      | four  | a mammal
        a tiger     | roar         | a cub      | in the forests of Asia      | meat                      | four  | a mammal
        a bear      | growl        | a cub      | in the woods                | berries, roots and fish   | four  | a mammal
        a polar bear | growl       | a cub      | in the cold north           | seals                     | four  | a mammal
        a fox       | -            | a cub      | in the woods and fields     | mice, berries and worms   | four  | a mammal
        a rabbit    | -            | a kit      | in a hole in the ground     | grass and leaves          | four  | a mammal
        a mouse     | squeak       | -          | in fields and houses        | seeds and grain           | four  | a mammal
        a squirrel  | -            | a kit      | in trees                    | nuts and seeds            | four  | a mammal
        an elephant | a loud toot  | a calf     | in Africa and Asia          | grass, leaves and fruit   | four  | a mammal
        a giraffe   | -            | a calf     | in the grasslands of Africa | leaves of trees           | four  | a mammal
        a zebra     | -            | a foal     | in the grasslands of Africa | grass                     | four  | a mammal
        a camel     | -            | a calf     | in the desert               | dry plants                | four  | a mammal
        a kangaroo  | -            | a joey     | in Australia                | grass                     | -     | a mammal
        a panda     | -            | a cub      | in the mountains of China   | bamboo                    | four  | a mammal
        a monkey    | -            | -          | in warm forests             | fruit, leaves and insects | -     | a mammal
        a bat       | -            | a pup      | in caves and old houses     | insects or fruit          | -     | a mammal
        a bee       | buzz         | -          | in a hive                   | nectar and pollen         | six   | an insect
        an ant      | -            | -          | in a nest in the ground     | seeds, sweets and insects | six   | an insect
        a butterfly | -            | a caterpillar | in gardens and fields    | nectar                    | six   | an insect
        a spider    | -            | -          | in a web                    | insects                   | eight \
            | not an insect but an arachnid
        an octopus  | -            | -          | in the sea                  | crabs and fish            | - \
            | a mollusc with eight arms
        """)

    private static let riddles = Table("""
        answer      | does
        a cow       | gives us milk
        a hen       | lays the eggs that we eat
        a bee       | makes honey
        a sheep     | gives us wool
        a giraffe   | has a very long neck
        an elephant | has a trunk
        a kangaroo  | jumps and has a pouch
        a camel     | has humps and lives in the desert
        a zebra     | has black and white stripes
        a lion      | has a mane
        a penguin   | is a bird but cannot fly
        a blue whale | is the largest of all animals
        a cheetah   | runs fastest on land
        a spider    | builds a web
        a bat       | is a mammal that flies
        a dog       | barks and guards the house
        a cat       | purrs and catches mice
        a parrot    | can repeat words
        an octopus  | has eight arms
        a squirrel  | hides nuts for the winter
        a panda     | eats bamboo
        """)
}
