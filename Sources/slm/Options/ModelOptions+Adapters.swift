import Files
import Infer

extension ModelOptions {
    /// The LoRA adapters of `--adapter`. One without a name is called after its run, or its file.
    func adapterFiles(for command: String) throws -> [AdapterFile] {
        if !adapters.isEmpty, backend != nil {
            throw UsageError("slm \(command): --adapter: expected with a checkpoint, found with --backend.")
        }
        var files: [AdapterFile] = []
        for text in adapters {
            let (name, path) = try NamedFile.parse(text, of: "slm \(command): --adapter") { Self.modelName(of: $0) }
            if files.contains(where: { $0.name == name }) {
                throw UsageError("slm \(command): --adapter: expected a name for each adapter, found '\(name)' twice.")
            }
            files.append(AdapterFile(name: name, path: path))
        }
        return files
    }

    /// `first` for checkpoints/first/best.h5, `Qwen2.5-0.5B` for the folder models/Qwen2.5-0.5B.
    static func modelName(of path: String) -> String {
        let parts = path.split(separator: "/")
        let file = String(parts.last ?? "model")
        if Folder.names(in: path) != nil { return file }
        let stem = file.split(separator: ".").dropLast().joined(separator: ".")
        return ["best", "last"].contains(stem) && parts.count > 1 ? String(parts[parts.count - 2]) : stem.isEmpty ? file : stem
    }
}
