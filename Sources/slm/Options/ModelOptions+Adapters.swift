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
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let path = parts[parts.count - 1], name = parts.count == 2 ? parts[0] : Self.modelName(of: path)
            guard !path.isEmpty, Self.isName(name) else {
                throw UsageError("slm \(command): --adapter: expected NAME=FILE with a name of up to 64 letters, digits, '-', '_' and '.', "
                    + "found '\(text)'.")
            }
            if files.contains(where: { $0.name == name }) {
                throw UsageError("slm \(command): --adapter: expected a name for each adapter, found '\(name)' twice.")
            }
            files.append(AdapterFile(name: name, path: path))
        }
        return files
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 64 && text.allSatisfy { $0.isLetter || $0.isNumber || "-_.".contains($0) }
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
