import Checkpoint
import Files
import Formats
import Report
import Train

/// The data that a model was trained on: for replay, and to compare its successors on.
enum KnownTrainingData {
    /// In a run's folder: the chats that the base has generated for it.
    static let generatedFile = "replay.jsonl"

    /// The older chats of a fine-tuned model, or of its base; the data of a trained one, which its log names. Empty if they are not known
    /// or not all there.
    static func paths(of path: String, _ checkpoint: Checkpoint) -> [String] {
        var path = path, checkpoint = checkpoint
        // A chain of fine-tunes: one more than a person would make.
        for _ in 0..<32 {
            let folder = RelativePath.folder(ofFileAt: path)
            guard checkpoint.isFinetuned else { return logged(in: folder) }
            let replay = (try? checkpoint.finetuningPaths("replay", from: folder)) ?? []
            let known = replay.filter { $0 != RelativePath.resolve(generatedFile, from: folder) }
            if !known.isEmpty { return existing(known) }
            guard case .text(let base)? = checkpoint.training["finetune/base"] else { return [] }
            path = RelativePath.resolve(base, from: folder)
            guard let next = try? ModelFile(path).checkpoint else { return [] }
            checkpoint = next
        }
        return []
    }

    /// A relative path of the log belongs to the directory in which the training was started: this one, or one above the run.
    private static func logged(in folder: String) -> [String] {
        guard let log = try? TrainingLog(of: folder), case .text(let source)? = log.setting("data", "source") else { return [] }
        var directories = [""], directory = folder
        for _ in 0..<16 where Folder.contains("", in: directory) {
            directories.append(directory + "/")
            directory += "/.."
        }
        for directory in directories {
            for paths in [[source], source.split(separator: " ").map(String.init)] {
                let found = existing(paths.map { $0.hasPrefix("/") ? $0 : directory + $0 })
                if !found.isEmpty { return found }
            }
        }
        return []
    }

    private static func existing(_ paths: [String]) -> [String] {
        paths.allSatisfy { (try? InputFile.check($0)) != nil } ? paths : []
    }
}
