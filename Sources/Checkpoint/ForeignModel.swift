import Files
package import Kernels

/// Models of other programs.
///
///     let checkpoint = try ForeignModel.read("gpt2", on: processor)
package enum ForeignModel {
    /// Told by what it is: a folder with a config.json is Hugging Face's. Here other formats are added.
    package static func read(_ path: String, on processor: Processor) throws(CheckpointError) -> Checkpoint {
        if Folder.contains(HuggingFace.configuration, in: path) { return try HuggingFace.read(path, on: processor) }
        switch try kind(of: path) {
        case "a safetensors file", "JSON": throw notRead(path, "a file of a folder: give the folder, with its \(HuggingFace.configuration)")
        case let kind: throw notRead(path, kind)
        }
    }

    private static func kind(of path: String) throws(CheckpointError) -> String {
        if Folder.contains(".", in: path) { return "a folder without a \(HuggingFace.configuration)" }
        let file: MappedFile
        do { file = try MappedFile(path) } catch { throw CheckpointError(error) }
        return file.read(as: UInt8.self) { FileKind.name(of: $0) }
    }

    private static func notRead(_ path: String, _ found: String) -> CheckpointError {
        .mismatch(path: path, name: "the model", expected: "a Hugging Face folder of a GPT-2 (config.json, model.safetensors, tokenizer.json)", found: found)
    }
}
