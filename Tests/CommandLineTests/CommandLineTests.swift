import Checkpoint
import Foundation
import Testing
import TestSupport

/// What the binary prints, where, and its exit status.
@Suite struct CommandLineTests {
    @Test func `help goes to standard output and names every command`() throws {
        for arguments in [["--help"], []] as [[String]] {
            let outcome = try slm(arguments)
            #expect(outcome.status == 0 && outcome.errors.isEmpty)
            for command in ["info", "bench gemm", "tokenize train", "demo"] { #expect(outcome.output.contains("\n  \(command) ")) }
        }
        #expect(try slm("bench", "--help").output.contains("\n  bench train "))
        #expect(try slm("bench", "train", "--help").output.contains("Example\n  slm bench train --synthetic"))
    }

    @Test(arguments: [
        (["tokenize", "train", "--device", "cuda"], "slm tokenize train: this command computes on the CPU: remove --device.\n"),
        (["train", "--device", "cuda"], "slm: --device: expected cpu, vulkan or vulkan:N, found 'cuda'.\n"),
        (["trian"], "slm: unknown command 'trian'; did you mean 'train'? All commands: slm --help\n"),
        (["fly"], "slm: unknown command 'fly'. All commands: slm --help\n"),
        (["inf"], "slm: unknown command 'inf'; did you mean 'info'? All commands: slm --help\n"),
        (["bench"], "slm bench: expected one of gemm, train, tokenize, generate, grammar, serve.\n"),
        (
            ["bench", "train", "--synthetic", "--preest", "tiny"],
            "slm bench train: unknown option --preest; did you mean --preset? All options: slm bench train --help\n"
        ),
        (
            ["bench", "train", "--synthetic", "--preset", "huge"],
            "slm bench train: unknown preset 'huge'. Presets: bigram, characters, tiny, tiny-moe, small, eugpt, gpt2, "
                + "smollm2-135m, gemma-3-270m, qwen2.5-0.5b, llama-3.2-1b.\n"
        ),
        (["bench", "train", "--synthetic", "--batch"], "slm bench train: --batch needs a value. All options: slm bench train --help\n"),
        (["bench", "train", "--synthetic", "--batch", "many"], "slm: --batch: expected a whole number, found 'many'.\n"),
        (["bench", "train", "--synthetic", "--batch", "0"], "slm: --batch: expected a whole number from 1 to 65536, found '0'.\n"),
        (["bench", "train", "--synthetic", "--batch=9223372036854775807"],
         "slm: --batch: expected a whole number from 1 to 65536, found '9223372036854775807'.\n"),
        (["bench", "gemm", "--runs", "-1"], "slm: --runs: expected a whole number from 1 to 10000, found '-1'.\n"),
        (["train", "--max-steps", "1,2"], "slm: --max-steps: expected a whole number, found '1,2'.\n"),
        (["info", "--threads", "0"], "slm: --threads: expected a whole number from 1 to 1024, found '0'.\n"),
        (["demo", "more"], "slm demo: unexpected 'more'. All options: slm demo --help\n"),
        (["info", "a.h5", "more"], "slm info: unexpected 'more'. All options: slm info --help\n"),
        (["info", "--CHECKPOINT", "a.h5"],
         "slm info: unknown option --CHECKPOINT; did you mean --checkpoint? All options: slm info --help\n"),
        (["bench", "trian"], "slm bench: unknown command 'trian'; did you mean 'train'? All commands: slm bench --help\n"),
        (["tokeniser"], "slm: unknown command 'tokeniser'; did you mean 'tokenize'? All commands: slm --help\n"),
        (["--verson"], "slm: unknown option --verson; did you mean --version? All commands: slm --help\n"),
        (["help", "trian"], "slm: unknown command 'trian'; did you mean 'train'? All commands: slm --help\n"),
        (["train", "-x"], "slm train: unknown option -x. All options: slm train --help\n"),
    ])
    func `invalid arguments exit with status 2 and an error that says what was expected`(arguments: [String], sentence: String) throws {
        let process = try slm(arguments)
        #expect(process.status == 2)
        #expect(process.errors == sentence)
        #expect(process.output.isEmpty)
    }

    @Test func `info describes a checkpoint, or reports why it cannot`() throws {
        let folder = TemporaryFolder(), path = folder("a.h5")
        try SampleCheckpoint().checkpoint.write(to: path)
        let told = try slm("info", path)
        #expect(told.status == 0 && told.errors.isEmpty)
        for line in [
            "version 1", "1 layers, 2 heads, width 8, context 6, vocabulary 262", "260 tokens", "markers", "step  ", "validation_loss",
        ] {
            #expect(told.output.contains(line), "\(line) is not in \(told.output)")
        }
        let object = try JSONSerialization.jsonObject(with: Data(slm("info", "--json", path).output.utf8)) as? [String: Any]
        #expect(
            (object?["configuration"] as? [String: Any])?["width"] as? Int == 8
                && (object?["training"] as? [String: Any])?["step"] as? Int == 1)
        #expect((object?["weights"] as? [[String: Any]])?.count == 17)
        #expect(try slm("info", folder("b.h5")).errors == "slm: \(folder("b.h5")): cannot be read: No such file or directory.\n")
        #expect(try slm("info", folder("b.h5")).status == 1)
    }

    @Test func `an unsupported instruction set is rejected with a list of supported ones`() throws {
        let outcome = try slm("info", "--cpu", "z80")
        #expect(
            outcome.status == 2 && outcome.errors.hasPrefix("slm: this CPU has no kernels 'z80'. It supports: ")
                && outcome.errors.contains("plain"))
    }

    @Test func `a model that exceeds the memory is rejected before it is allocated`() throws {
        let outcome = try slm("bench", "train", "--synthetic", "--preset=gpt2", "--context=1048576", "--tokens-at-once=1000000000")
        #expect(outcome.status == 1 && outcome.errors.hasPrefix("slm: training needs about "), "\(outcome.errors)")
    }

    @Test func `environment variables set options, and the command line overrides them`() throws {
        #expect(try slm("info", "--json", environment: ["SLM_CPU": "plain", "SLM_THREADS": "1"]).output.contains("\"kernels\":\"plain\""))
        #expect(try slm("info", "--json", "--cpu", "plain", environment: ["SLM_CPU": "nonsense"]).output.contains("\"kernels\":\"plain\""))
        #expect(try slm("info", "--json", "--threads", "1", environment: ["SLM_THREADS": ""]).output.contains("\"threads\":1"))
        #expect(
            try slm("info", environment: ["SLM_THREADS": "some"]).errors == "slm: SLM_THREADS: expected a whole number, found 'some'.\n")
    }

    @Test func `bf16 is stored and f32 multiplied, with one note, if the kernels have no bf16`() throws {
        let outcome = try slm(
            "bench", "train", "--synthetic", "--preset=tiny", "--batch=1", "--context=8", "--steps=1", "--warmup=0", "--dtype=bf16",
            "--cpu=plain", "--json")
        #expect(outcome.status == 0 && outcome.output.contains("\"case\":\"tiny bf16\""))
        #expect(
            outcome.errors == "slm: plain kernels have no bf16 instructions: activations are stored in bf16 and multiplied in f32.\n")
    }

    @Test func `a benchmark prints one JSON object with the documented keys`() throws {
        let outcome = try slm(
            "bench", "train", "--synthetic", "--preset=tiny", "--batch=2", "--context=8", "--steps=2", "--warmup=1", "--json")
        let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        #expect(object?["bench"] as? String == "train")
        #expect((object?["tokens_per_s"] as? Double ?? 0) > 0 && (object?["peak_rss_mb"] as? Double ?? 0) > 0)
        #expect(object?["growths_after_warmup"] as? Int == 0)
    }

    @Test func `the demo trains a model that answers its training questions`() throws {
        let folder = TemporaryFolder()
        let chats = (0..<400).map { "[INST] What comes after \($0 % 9)? [/INST] After \($0 % 9) comes \($0 % 9 + 1).\n" }.joined()
        folder.write(chats, to: "chats.txt")
        folder.write(String(chats.prefix(2_000)), to: "val.txt")
        let outcome = try slm(
            "demo", "--max-steps", "60", "--data", folder("chats.txt"), "--val", folder("val.txt"), "--out", folder("run"), "--no-serve")
        #expect(outcome.status == 0, "\(outcome.errors)")
        // All questions are in the training data.
        #expect(outcome.output.contains("10 of these 10 answers, and "), "\(outcome.output.suffix(600))")
    }

    @Test func `the demo overwrites its own folder, and no other`() throws {
        let folder = TemporaryFolder()
        folder.write("[INST] a [/INST] b\n", to: "chats.txt")
        try FileManager.default.createDirectory(atPath: folder("run"), withIntermediateDirectories: true)
        folder.write("weights", to: "run/best.h5")
        func demo(_ name: String) throws -> Outcome {
            try slm(
                "demo", "--max-steps", "1", "--data", folder("chats.txt"), "--val", folder("chats.txt"), "--out", folder(name),
                "--no-serve")
        }
        let refused = try demo("run")
        #expect(
            refused.status == 1 && refused.errors.contains("run is not the folder of a demo, which would overwrite it."),
            "\(refused.errors)")
        #expect(TemporaryFolder.names(in: folder("run")) == ["best.h5"])
        // The chat is too small for a run, so the demo stops after the token files.
        _ = try demo("own")
        #expect(TemporaryFolder.names(in: folder("own")).contains(".slm-demo"))
        #expect(try !demo("own").errors.contains("is not the folder of a demo"))
    }
}
