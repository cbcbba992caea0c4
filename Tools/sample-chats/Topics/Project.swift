/// slm itself: commands, options, files, and machine-learning terms.
enum Project {
    static let topics = [
        Topic(name: "slm", share: 10) { chat in
            chat.ask(chat.pick(facts))
            if chat.chance(50) { chat.ask(chat.pick(facts)) }
        },
        Topic(name: "command", share: 5) { chat in
            chat.fillSlots(from: commands)
            if chat.chance(55) { whatItDoes(&chat) } else { howTo(&chat) }
        },
        Topic(name: "term", share: 6) { chat in
            chat.fillSlots(from: terms)
            chat.ask("""
                What is {term}?
                What does {term} mean?
                (Can|Could) you (explain|tell me) what {term} (is|means)?
                (Explain|Please explain|Describe) {term}( to me|)(, please|).
                Tell me about {term}(, please|).
                Do you know what {term} is?
                Tell me what {term} is.
                What do (people|you|we) mean by {term}?
                In a language model, what is {term}?
                I do not know what {term} is.( Do you?| Please help me.|)
                """, "{term} is {meaning}.")
            if chat.chance(40) {
                chat.fillSlots(fromAnotherRowOf: terms, changing: "term")
                chat.ask("""
                    And {term}?
                    And what is {term}?
                    What about {term}?
                    And what (does {term} mean|about {term})?
                    How about {term}?
                    """, "{term} is {meaning}.")
            }
        },
        Topic(name: "option", share: 3) { chat in
            chat.fillSlots(from: options)
            chat.ask("""
                What does( the option|) {option} do?
                What is( the option|) {option} (for|good for)?
                (When|Why) (do I|should I|would I) (use|need)( the option|) {option}?
                (Explain|Tell me about|Describe)( the option|) {option}(.|, please.)
                What (happens|changes) (with|if I give|when I use) {option}?
                """, "{option} {does}.")
            if chat.chance(35) {
                chat.fillSlots(fromAnotherRowOf: options, changing: "option")
                chat.ask("(And|What about|And what about|How about) {option}( of slm|)?", "{option} {does}.")
            }
        },
    ]

    private static func whatItDoes(_ chat: inout ChatBuilder) {
        chat.ask("""
            What does( the command|) slm {command} do?
            What is( the command|) slm {command} (for|good for)?
            When do I (use|need)( the command|) slm {command}?
            (Explain|Tell me about|Describe)( the command|) slm {command}(.|, please.)
            What happens when I (type|run) slm {command}?
            (Why|When) would I (type|run|use) slm {command}?
            """, "slm {command} {does}.")
        guard chat.chance(40) else { return }
        chat.fillSlots(fromAnotherRowOf: commands, changing: "command")
        chat.ask("(And|What about|And what about|How about|And when I run) slm {command}?", "slm {command} {does}.")
    }

    private static func howTo(_ chat: inout ChatBuilder) {
        chat.ask("""
            How (do|can) I {goal}( with slm| here|)?
            (Which|What) command (do I need|is there|do I use) (to {goal}|if I want to {goal})?
            (I want|I would like|I need) to {goal}. (How|What do I type|Which command is it)?
            (Tell|Show) me how to {goal}( with slm|).
            (Can|Could) I {goal}( with slm| here|)? How?
            With which command (do|can) I {goal}?
            """, """
            Use slm {command}. It {does}.
            Type slm {command}: it {does}.
            """)
    }

    private static let commands = Table("""
        command  | goal                          | does
        tokenize | make a vocabulary             | trains a vocabulary and turns chats into tokens
        tokenize | turn text into tokens         | trains a vocabulary and turns chats into tokens
        train    | train a model                 | trains a model on your chats and keeps checkpoints
        train    | teach a model my chats        | trains a model on your chats and keeps checkpoints
        finetune | improve a model with new chats | goes on training a model with collected chats
        finetune | fine-tune a checkpoint        | goes on training a model with collected chats
        eval     | test a model                  | measures loss, perplexity and bits per byte
        eval     | measure how good a model is   | measures loss, perplexity and bits per byte
        generate | let a model write             | continues a prompt with the words of a model
        chat     | talk to a model in the terminal | opens a conversation in the terminal
        serve    | open the chat page            | starts a server with a chat page
        serve    | let other people chat         | starts a server with a chat page
        import   | bring in a GPT-2 model        | reads models of other tools and writes a checkpoint
        import   | read a model of another tool  | reads models of other tools and writes a checkpoint
        export   | use a model in other tools    | writes a checkpoint as safetensors or GGUF
        export   | write a GGUF file             | writes a checkpoint as safetensors or GGUF
        info     | see what my machine can do    | shows what this machine is, or what a checkpoint holds
        info     | look into a checkpoint        | shows what this machine is, or what a checkpoint holds
        admin    | watch the server              | opens a dashboard for the server in the terminal
        bench    | measure the speed             | measures how fast things are on this machine
        """)

    private static let options = Table("""
        option        | does
        --seed        | chooses the random numbers, so that a run can be repeated
        --threads     | says how many threads compute at once
        --preset      | chooses the size of the model: tiny, eugpt or gpt2
        --resume      | goes on where a stopped training was
        --time        | lays the whole training over that time, such as 10m
        --max-steps   | says after how many steps training is done
        --lr          | sets the learning rate
        --batch       | says how many rows are learned from in one step
        --context     | says how many tokens the model sees at once
        --dropout     | turns off random parts of the model while it learns
        --eval-every  | says how often the model is tested while it learns
        --temperature | says how bold the answers are: low is safe, high is wild
        --top-k       | lets the model choose among the k best tokens only
        --max-tokens  | says how long an answer may become
        --lora        | trains a small adapter in place of all weights
        --config      | reads options from a YAML file
        --json        | prints the result as JSON, one object a line
        --help        | shows how a command is used, with an example
        --port        | says on which port the server listens
        --checkpoint  | names the model to use
        """)

    private static let terms = Table("""
        term               | meaning
        a token            | a piece of text, often a word or a part of one, that the model sees as a number
        a tokenizer        | what cuts text into tokens and puts tokens together again
        a vocabulary       | the list of all tokens that a model knows
        byte pair encoding | a way to make a vocabulary: the most frequent pair of pieces becomes a new piece
        a checkpoint       | a file that keeps all weights of a model, so that it can go on later
        a language model   | a program that guesses which token comes next
        a GPT              | a language model made of layers with attention
        attention          | the way in which each token looks back at the ones before it
        a layer            | one of the steps that the numbers pass through in a model
        a weight           | a number in the model that is learned
        a gradient         | the direction in which a weight should change
        the loss           | a number that says how wrong the guesses are: less is better
        perplexity         | how many tokens the model hesitates between: less is better
        the learning rate  | how far the weights move in one step
        a batch            | the rows of text that are learned from in one step
        an epoch           | one pass over all the data
        the context        | the text that a model can see at once
        dropout            | to turn off random parts while learning, so that the model does not just memorise
        AdamW              | the rule by which the weights are changed after each step
        overfitting        | to know the training data by heart and to fail on anything else
        fine-tuning        | to go on training a model with special data
        LoRA               | a way to fine-tune with few extra weights
        a prompt           | the text that the model goes on from
        temperature        | a number that makes answers bold or careful
        an embedding       | a list of numbers that stands for a token
        autograd           | the part that finds gradients by itself
        validation data    | text that the model never learns from, kept to test it
        training data      | the text that a model learns from
        early stopping     | to end training when the model no longer gets better
        a preset           | a set of settings with a name
        a seed             | the number that random numbers begin with
        a GGUF file        | a file in which many tools keep a model
        """)

    private static let facts = Exchange.list("""
        ? what is slm( exactly| really||)?
        ? what does slm do( for me||)?
        ? (tell me|please tell me) (about|something about|more about) slm(.| please.)
        ? (can|could) you (explain|describe) slm( to me||)?
        ? for what is slm (good|made|there)?
        slm is one program that trains and serves small chat models on your own machine.
        slm turns a folder of chats into a chat model, and serves it on a page.

        ? (what|which) language is slm (written|made|programmed) in?
        ? (in which language|how) (is|was) slm (written|programmed)( in||)?
        slm is written in Swift, and its fastest loops in C.

        ? (do I need|must I have|must I install) Python( for slm| to use slm||)?
        ? does slm need Python( to run| to learn||)?
        No. slm is one program and needs no Python.

        ? (do I need|must I have) (the internet|a network|an account|the cloud|a service)( for slm| to use slm||)?
        ? does slm need (the internet|a network|an account|the cloud|a service)( to run||)?
        No. slm runs on your own machine, without an account or a service.

        ? (do I need|must I have) (a GPU|a graphics card|a big computer|a fast computer)( for slm| to use slm||)?
        ? does slm need (a GPU|a graphics card|a big computer|a fast computer)( to run||)?
        No. slm is made for the CPU of a normal computer.

        ? how (do|can) I (start|begin|try slm|start with slm|begin with slm)?
        ? what (do I|should I) (type|do) (first|to start|to begin|to try slm)?
        ? (which|what) is the first command( to try||)?
        Type make demo. It builds slm, trains a tiny model and lets you talk to it.

        ? (what|which) presets (are there|does slm have|can I choose)?
        ? (name|list|tell me) the presets( of slm||)(.| please.)
        The presets are tiny, eugpt and gpt2.

        ? (how big|how large|what) is (the preset tiny|the tiny preset|the tiny model|tiny)?
        tiny is the smallest preset. It learns the sample in about two minutes.

        ? (how big|how large|what) is (the preset eugpt|the eugpt preset|eugpt)?
        eugpt has 6 layers, 8 heads and a width of 512.

        ? (how big|how large|what) is (the preset gpt2|the gpt2 preset|gpt2)?
        gpt2 has 12 layers, 12 heads and a width of 768.

        ? (where|in which folder|in what place) (does slm keep|does slm write|are|do I find) (the checkpoints|checkpoints|my model|the \
        models|my runs)?
        They are in the folder checkpoints, one folder for each run.

        ? (in which format|in what file|how) (does slm keep|are|does slm write) (checkpoints|the weights|a checkpoint)( kept|)?
        A checkpoint is one HDF5 file that other tools can read, too.

        ? what is (last.h5|the file last.h5)( for||)?
        last.h5 is the newest checkpoint of a run.

        ? what is (best.h5|the file best.h5)( for||)?
        best.h5 is the checkpoint with the lowest validation loss.

        ? what is (log.jsonl|the file log.jsonl)( for||)?
        log.jsonl holds the figures of a run, a line for each.

        ? what is (report.html|the file report.html)( for||)?
        report.html shows the curves of a run in the browser.

        ? (how|with what) (do|can) I (stop|interrupt|end|pause) (training|the training|a run)?
        Press Ctrl-C once. slm finishes the step and saves.

        ? (how|with what) (do|can) I (resume|continue|go on with) (training|the training|a run|a stopped run)?
        Use slm train with the option --resume. It goes on where it was.

        ? what (happens|do I do) (if|when) (the power fails|my machine stops|the training is killed|it crashes)?
        The last checkpoint is always whole. Go on with --resume.

        ? (which|what) (chats|formats|chat formats|files) (can slm|does slm|can it) (read|learn from|understand)?
        slm reads TinyChat lines, collected chats, OpenAI messages and plain text.

        ? (what is|explain|how do I read) (the TinyChat format|a TinyChat line|the format of TinyChat)(, please||)?
        A line is a conversation. Each question stands between two INST markers, and the answer follows.

        ? (which|what) (models|files|formats) can (slm|I|it) import?
        slm imports nanoGPT files, safetensors and GGUF.

        ? (which|what) (formats|files) can (slm|I|it) export( to||)?
        slm exports safetensors and GGUF.

        ? (on which|what|which) port does (slm|the server|slm serve|the page) (listen|run|use|answer)( on||)?
        The server listens on port 8000, unless you choose another.

        ? (which|what) database does (slm|the server) (use|need|have)?
        ? where does (slm|the server) keep (conversations|the chats|chats|what people say)?
        The server keeps chats in SQLite, or in PostgreSQL if you wish.

        ? (can|could) (I|other programs|my program|an OpenAI client) (use|call|talk to) (the server|slm serve|slm)( from outside| over \
        HTTP|)?
        Yes. The server speaks like the API of OpenAI, so known clients work.

        ? (is slm fast|is slm quick|how fast is slm|how quick is slm)( on my machine| on a CPU||)?
        slm is made to be fast: its kernels use what your CPU offers.

        ? (which|what) (optimiser|optimizer) does slm (use|have|train with)?
        slm uses AdamW, with a warmup and a cosine schedule.

        ? (can|may|could) I (train|use|teach) (slm|a model|it) (on|with) my own (chats|data|texts)?
        Yes. Give your file to slm tokenize, and then use slm train.

        ? how many chats (do I need|are needed|must I have) (for fine-tuning|to finetune|to fine-tune)?
        You need at least 10 chats.

        ? where (do|can) I (read|learn|find) more( about slm| about this||)?
        ? is there (documentation|a manual|a guide|a page to read)( for slm||)?
        Read the README and the pages in the folder Documentation.

        ? how (do|can) I (list|see|find) (all commands|the commands|what slm can do|all options)?
        Type slm --help. Every command has a help text with an example.

        ? (what|which) commands (does slm have|are there|can I use|does slm know)?
        The commands are tokenize, train, finetune, eval, generate, chat, serve, import, export, info, admin and bench.

        ? how (do|can) I (run|start) (the tests|all tests)( of slm||)?
        Type make test.

        ? (how|where) (was the sample|is the sample|were you) made( from||)?
        ? what is (in the sample|the sample|the sample data)?
        The sample comes from a grammar of ours. Type make sample to make it again.

        ? (why|for what) is there (a validation file|validation data|a held-out file)?
        It holds questions that are not in the training file, so that memory alone does not pass.
        """)
}
