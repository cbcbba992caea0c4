import Foundation
import Testing
import TestSupport

/// `slm config show` and `slm config example`.
@Suite struct ConfigCommandTests {
    private let folder = TemporaryFolder()

    /// The rows of `slm config show`: name, value, source.
    private func rows(_ arguments: [String], _ environment: [String: String] = [:]) throws -> [String: (value: String, source: String)] {
        let outcome = try slm(["config", "show"] + arguments, environment)
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        let rows = outcome.output.split(separator: "\n").map { $0.split(separator: /[ ]{2,}/).map(String.init) }
        return Dictionary(uniqueKeysWithValues: rows.map { ($0[0], (value: $0[1], source: $0[2])) })
    }

    @Test func `each value is shown with its source`() throws {
        let file = folder.write("threads: 3\nseed: 7\ntrain:\n  preset: eugpt\n  lr: 0.002\n", to: "slm.yaml")
        let rows = try rows(["train", "--config", file, "--threads", "1", "-d", "a.txt", "b.txt"], ["SLM_SEED": "8", "SLM_THREADS": "2"])
        #expect(rows["threads"]?.value == "1" && rows["threads"]?.source == "command line")
        #expect(rows["data"]?.value == "a.txt b.txt" && rows["data"]?.source == "command line")
        #expect(rows["seed"]?.value == "8" && rows["seed"]?.source == "environment SLM_SEED")
        #expect(rows["preset"]?.value == "eugpt" && rows["preset"]?.source == "file \(file):4")
        #expect(rows["lr"]?.value == "0.002" && rows["lr"]?.source == "file \(file):5")
        #expect(rows["patience"]?.value == "5" && rows["patience"]?.source == "default")
        #expect(rows["warmup"]?.source == "default" && rows["time"]?.source == "not set")
        #expect(rows["config"]?.value == file && rows["config"]?.source == "command line")
    }

    @Test func `an option of a general name has a variable of a longer one`() throws {
        let rows = try rows(["admin"], ["SLM_API_URL": "http://127.0.0.1:1", "SLM_URL": "http://127.0.0.1:2"])
        #expect(rows["url"]?.value == "http://127.0.0.1:1" && rows["url"]?.source == "environment SLM_API_URL")
    }

    @Test(arguments: [("1536MB", "1536MB"), ("2g", "2GB"), ("1.5GiB", "1536MB"), ("1000", "1000"), ("0.5k", "512")])
    func `a size is read in units of 1,024`(text: String, shown: String) throws {
        #expect(try rows(["serve"], ["SLM_KV_MEMORY": text])["kv-memory"]?.value == shown)
        #expect(try rows(["serve"])["kv-memory"]?.source == "default")
    }

    @Test(arguments: ["x", "0", "-1GB", "GB", "1PB", "1e99", "nan"]) func `a wrong size is an error`(text: String) throws {
        let outcome = try slm("config", "show", "serve", "--kv-memory=\(text)")
        #expect(outcome.status == 2)
        #expect(outcome.errors == "slm: --kv-memory: expected a size such as 512MB or 2GB, found '\(text)'.\n")
    }

    @Test func `an option on the command line overrides the options that exclude it`() throws {
        let rows = try rows(["train", "--time", "10m"], ["SLM_MAX_STEPS": "3"])
        #expect(rows["time"]?.value == "10m" && rows["max-steps"]?.source == "not set")
    }

    @Test func `wrong options are errors`() throws {
        let general = try slm("config", "show", "--threads", "2"), ofServe = try slm("config", "show", "serve", "--threads", "2")
        #expect(general.output == ofServe.output && ofServe.output.contains("command line"))
        #expect(general.errors.contains("slm config show COMMAND shows those of demo, "))
        #expect(try slm("config", "show", "train", "--preest", "x").errors.contains("did you mean --preset?"))
        #expect(try slm("config", "show", "train", "--threads", "0").status == 2)
        #expect(try slm("config", "show", "trian").errors.contains("did you mean 'train'?"))
    }

    @Test func `the example file is valid, also with every option uncommented`() throws {
        let example = try slm("config", "example").output
        let file = folder.write(example, to: "all.yaml")
        #expect(try slm("config", "show", "train", "--config", file).status == 0)
        #expect(example.contains("\nbench gemm:\n") && example.contains("  # preset: tiny\n") && example.contains("\n# threads: 2\n"))
        let set = example.replacing(/\n  # ([a-z0-9-]+: )/) { "\n  \($0.output.1)" }
        let command = try slm("config", "show", "info", "--config", folder.write(set, to: "set.yaml"))
        // The options of slm info have defaults that depend on the machine, so their values in the example are placeholders.
        #expect(command.errors.hasPrefix("slm: \(folder("set.yaml")):") && command.errors.contains("expected"), "\(command.errors)")
        let one = try slm("config", "example", "train").output
        #expect(one.contains("\ntrain:\n") && !one.contains("\nserve:\n"))
    }
}
