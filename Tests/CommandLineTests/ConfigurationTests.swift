import Foundation
import Testing
import TestSupport

/// Options on the command line, in environment variables and in configuration files: Documentation/Reference/Configuration.md.
@Suite struct ConfigurationTests {
    private let folder = TemporaryFolder()

    private func threads(_ arguments: [String], _ environment: [String: String] = [:]) throws -> Int? {
        let outcome = try slm(["info", "--json"] + arguments, environment)
        return (try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])?["threads"] as? Int
    }

    @Test func `the command line wins, then the environment, then the file`() throws {
        let file = folder.write("threads: 3\n", to: "a.yaml"), own = folder.write("threads: 3\ninfo:\n  threads: 4\n", to: "b.yaml")
        #expect(try threads(["--config", file]) == 3 && threads(["--config", own]) == 4)
        #expect(try threads(["--config", file], ["SLM_THREADS": "2"]) == 2)
        #expect(try threads(["--config", file, "--threads", "1"], ["SLM_THREADS": "2"]) == 1)
        #expect(try threads([], ["SLM_CONFIG": file]) == 3 && threads(["--config", own], ["SLM_CONFIG": file]) == 4)
        let json = folder.write("json: On\nthreads: 2\n", to: "c.yaml")
        #expect(
            try slm("info", "--config", json).output.hasPrefix("{") && !slm("info", "--config", json, "--json=false").output.hasPrefix("{"))
    }

    @Test(arguments: [
        ("threads: many\n", "info", "1: threads: expected a whole number, found 'many'."),
        ("\ninfo: {threads: 0}\n", "info", "2: threads: expected a whole number from 1 to 1024, found '0'."),
        ("threads: [1, 2]\n", "info", "1: threads: expected one value, found a list."),
        ("train:\n  time: soon\n", "train", "2: time: expected a duration such as 90s, 10m or 2h, found 'soon'."),
        ("tied: perhaps\n", "train", "1: tied: expected true or false, found 'perhaps'."),
        ("train:\n  preest: tiny\n", "info", "2: slm train has no option 'preest'; did you mean 'preset'?"),
        ("config: other.yaml\n", "info", "1: no command has an option 'config'."),
        ("CHECKPOINT: a.h5\n", "info", "1: no command has an option 'CHECKPOINT'."),
    ])
    func `an error in a configuration file is reported with file and line`(text: String, command: String, sentence: String) throws {
        let file = folder.write(text, to: "a.yaml"), outcome = try slm(command, "--config", file)
        #expect(outcome.status == 2 && outcome.errors == "slm: \(file):\(sentence)\n" && outcome.output.isEmpty, "\(outcome.errors)")
    }

    @Test func `a missing configuration file is an error`() throws {
        let outcome = try slm("info", "--config", folder("none.yaml"))
        #expect(outcome.status == 1 && outcome.errors == "slm: \(folder("none.yaml")): cannot be read: No such file or directory.\n")
        #expect(try slm("info", "--config").errors == "slm info: --config needs a value. All options: slm info --help\n")
        #expect(try slm("info", "--confg", "x").errors.contains("did you mean --config?"))
    }

    @Test func `a misspelled environment variable is reported, and unrelated ones are not`() throws {
        let outcome = try slm(["info", "--json"], ["SLM_THREDS": "1", "SLM_FUZZ_ROUNDS": "1", "SLM_HOME": "/", "SLMX": "1"])
        #expect(
            outcome.status == 0 && outcome.errors == "slm: the environment variable SLM_THREDS sets no option; did you mean SLM_THREADS?\n")
    }

    /// Sets each option of `slm train` to a value that no option accepts.
    @Test func `every option can be set by the environment and by a file`() throws {
        let rows = try slm("train", "--help").output.matches(of: /\n  (?:-.,|   ) --([a-z0-9-]+) ?(\S*)/)
        // Options whose value is any text.
        let texts = ["FILE", "FILE...", "NAME|FILE", "DIR", "RUN...", "[RUN]", "TEXT..."]
        let typed = rows.filter { !texts.contains(String($0.output.2)) }.map { String($0.output.1) }
            .filter { !["help", "preset", "cpu"].contains($0) }
        #expect(typed.count > 35 && typed.contains("estimate") && typed.contains("min-gain") && typed.contains("positions"))
        for (i, name) in typed.enumerated() {
            let variable = "SLM_" + name.uppercased().replacing("-", with: "_")
            let file = folder.write("train:\n  \(name): '?'\n", to: "a.yaml")
            let source = i % 2 == 0 ? variable : "\(file):2: \(name)"
            let outcome = try i % 2 == 0 ? slm(["train"], [variable: "?"]) : slm("train", "--config", file)
            #expect(
                outcome.status == 2 && outcome.errors.hasPrefix("slm: \(source): expected ") && outcome.errors.hasSuffix(", found '?'.\n"),
                "\(outcome.errors)")
        }
    }

    @Test func `the example in the documentation trains, and the command line overrides it`() throws {
        let page = try String(contentsOfFile: repositoryPath("Documentation/Reference/Configuration.md"), encoding: .utf8)
        let blocks = page.components(separatedBy: "```")
        let example = try #require(blocks.first { $0.hasPrefix("yaml\n") }).dropFirst(5)
        let file = folder.write(String(example), to: "slm.yaml")
        folder.write(
            (0..<400).map { "[INST] What comes after \($0 % 9)? [/INST] After \($0 % 9) comes \($0 % 9 + 1).\n" }.joined(), to: "chats.txt")
        let outcome = try slm(
            ["train", "--config", file, "--data", folder("chats.txt"), "--max-steps", "3", "--out", folder("run"), "--context", "32"],
            ["XDG_CACHE_HOME": folder("cache")]).succeeded()
        #expect(outcome.errors.contains("of at most 512 tokens: in this text, no other pair"))
        for line in ["3 steps,", "2 threads", "you  What comes after 2?", "you  Say it: what comes after 3?"] {
            #expect(outcome.output.contains(line), "\(line) is not in \(outcome.output)")
        }
        let log = try String(contentsOfFile: folder("run/log.jsonl"), encoding: .utf8)
        #expect(log.contains("\"seed\":7") && log.contains("\"loss_scope\":\"assistant\""))
        // Sections of other commands are read, too.
        #expect(
            try slm("finetune", "--config", file, "--lora-targets", "none").errors.hasPrefix("slm finetune: expected a model to fine-tune"))
    }
}
