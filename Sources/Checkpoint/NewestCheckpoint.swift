import Files

extension Checkpoint {
    /// Returns the default model of a folder of runs: the newest fine-tuned one (`finetuned_…`), otherwise the newest, or nil.
    ///
    ///     let path = Checkpoint.newest(under: "checkpoints")       // checkpoints/finetuned_20261120_204135/best.h5
    ///
    /// A run counts with its `best.h5`, or with its `last.h5` before the first evaluation. A `.h5` file directly in the folder, such as
    /// an imported model, counts as a run. The modification time decides, then the name. No file is opened.
    package static func newest(under folder: String, where isAccepted: (_ path: String) -> Bool = { _ in true }) -> String? {
        let names = (Folder.names(in: folder) ?? []).filter { !$0.hasPrefix(".") }
        return names.compactMap { Candidate($0, in: folder) }.filter { isAccepted($0.path) }.max { $0.rank < $1.rank }?.path
    }

    private struct Candidate {
        let path: String
        /// Greater is newer.
        let rank: (isFinetuned: Int, modified: Int, name: String)

        init?(_ name: String, in folder: String) {
            let run = folder + "/" + name
            let files = name.hasSuffix(".h5") ? [run] : [run + "/best.h5", run + "/last.h5"]
            for path in files {
                guard let status = FileStatus(path), status.kind == .file else { continue }
                self.path = path
                rank = (name.hasPrefix("finetuned_") ? 1 : 0, status.modified, name)
                return
            }
            return nil
        }
    }
}
