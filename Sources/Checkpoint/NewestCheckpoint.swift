import Files
import Glibc

extension Checkpoint {
    /// The model that answers where nobody has named one: of the runs in a folder, the newest that was fine-tuned (`finetuned_…`), else the newest; nil if there is none.
    /// A run is a folder with its `best.h5`, or with a `last.h5` as long as nothing was measured; a file `….h5` beside the runs, such as one that was imported, counts as one.
    ///
    ///     let path = Checkpoint.newest(under: "checkpoints")       // checkpoints/finetuned_20261120_204135/best.h5
    ///
    /// It is the file that was written last, and of two at the same time the one with the later name. Nothing is opened.
    package static func newest(under folder: String) -> String? {
        let all = (Folder.names(in: folder) ?? []).filter { !$0.hasPrefix(".") }.compactMap { Candidate($0, in: folder) }
        return all.max { $0.place < $1.place }?.path
    }

    private struct Candidate {
        let path: String
        /// What is greater is newer.
        let place: (isFinetuned: Int, second: Int, nanosecond: Int, name: String)

        init?(_ name: String, in folder: String) {
            let run = folder + "/" + name
            let files = name.hasSuffix(".h5") ? [run] : [run + "/best.h5", run + "/last.h5"]
            for path in files {
                var status = stat()
                guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
                (self.path, place) = (path, (name.hasPrefix("finetuned_") ? 1 : 0, status.st_mtim.tv_sec, status.st_mtim.tv_nsec, name))
                return
            }
            return nil
        }
    }
}
