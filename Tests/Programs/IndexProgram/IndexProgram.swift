import Documents
import Files
import Glibc

/// `slm index build FOLDER --out INDEX …` and `slm index update INDEX …` for tests of servers. A file with "crash me" crashes
/// it, and one with "fill memory" takes 1 GB.
///
/// `slm` itself does the same in Tests/Peers/check_libraries.py.
@main
struct IndexProgram {
    static func main() throws {
        let arguments = CommandLine.arguments, isUpdate = arguments[2] == "update", root = arguments[3]
        let index = isUpdate ? root : arguments[5], files = isUpdate ? RelativePath.folder(ofFileAt: root) + "/files" : root
        for file in try Folder.files(at: [files], withExtensions: [""]) {
            let contents = try InputFile.contents(of: file)
            if contents.range(of: "crash me".utf8) != nil { kill(getpid(), SIGKILL) }
            if contents.range(of: "fill memory".utf8) != nil { print([UInt8](repeating: UInt8(contents.count), count: 1 << 30).count) }
        }
        let builder = IndexBuilder(reader: DocumentReader(programs: ""), mayBeEmpty: true)
        if isUpdate { try builder.update(index) } else { try builder.build([files], at: index) }
    }
}
