import Files
import Synchronization

/// An index that any thread may search, while `slm index` updates or replaces it.
///
///     let index = try SharedIndex("notes.index", named: "notes") { index in … }
///     let passages = try index.passages(for: "how do I reset the pump", limit: 5)
///
/// It is only read. Searches take turns, but for the reranker's part. If the file has changed since the last one, it is opened again.
package final class SharedIndex: SearchedIndex, Sendable {
    /// Opens the model of the vectors of an index; nil to search by words.
    package typealias OpenEmbedder = @Sendable (DocumentIndex) throws -> TextEmbedder?

    package let name: String
    package let path: String
    private let openEmbedder: OpenEmbedder
    private let reranker: (@Sendable () -> TextReranker)?
    private let state: Mutex<Opened>

    private struct Opened {
        let stamp: FileStamp
        let index: DocumentIndex
        let embedder: TextEmbedder?

        init(_ path: String, _ openEmbedder: OpenEmbedder) throws(DocumentError) {
            stamp = try Self.stamp(path)
            index = try DocumentIndex(path, isReadOnly: true)
            do { embedder = try openEmbedder(index) } catch {
                throw error as? DocumentError ?? .unusable(path: path, reason: "\(error)")
            }
        }

        static func stamp(_ path: String) throws(DocumentError) -> FileStamp {
            do throws(FileError) { return try FileStamp(path) } catch { throw .file(error) }
        }
    }

    /// - Parameters:
    ///   - name: The name of the documents, for users.
    ///   - reranker: Makes a reranker for a search.
    package init(
        _ path: String, named name: String, openEmbedder: @escaping OpenEmbedder = { _ in nil },
        reranker: (@Sendable () -> TextReranker)? = nil
    ) throws(DocumentError) {
        self.name = name
        self.path = path
        self.openEmbedder = openEmbedder
        self.reranker = reranker
        state = Mutex(try Opened(path, openEmbedder))
    }

    /// The passages that fit a question, best first, with the name of these documents, and without folders of this machine.
    package func passages(for question: String, after earlier: [String] = [], limit: Int) throws(DocumentError) -> [Passage] {
        let reranker = reranker?(), candidates = reranker?.candidates(for: limit) ?? limit
        var passages = try withIndex { opened throws(DocumentError) in
            let found = try opened.index.search(question, after: earlier, limit: candidates, opened.embedder).passages
            return try opened.index.withoutFolders(found)
        }
        // Other searches need not wait while the reranker reads.
        let whole = EarlierQuestions(earlier, before: question)?.whole(question) ?? question
        if let reranker { passages = reranker.best(limit, of: passages, for: whole) }
        for i in passages.indices { passages[i].documents = name }
        return passages
    }

    /// Whether passages are found by their vectors, too.
    package var usesVectors: Bool { state.withLock { $0.embedder != nil } }

    package func counts() throws(DocumentError) -> DocumentIndex.Counts {
        try withIndex { opened throws(DocumentError) in try opened.index.counts() }
    }

    /// See ``DocumentIndex/passages(ofFileEndingWith:from:limit:)``.
    package func passages(ofFileEndingWith file: String, from start: Int, limit: Int) throws(DocumentError) -> (total: Int, [Passage]) {
        try withIndex { opened throws(DocumentError) in
            try opened.index.passages(ofFileEndingWith: file, from: start, limit: limit)
        }
    }

    /// Some passages of a file in the order of the text, and what has become of the file since it was indexed.
    ///
    /// - Parameter file: Its name in ``passages(for:limit:)``.
    package func passages(of file: String, from start: Int, limit: Int) throws(DocumentError) -> FilePassages {
        let (source, total, found) = try withIndex { opened throws(DocumentError) in
            let index = opened.index, source = try index.source(named: file)
            let (total, found) = try index.passages(of: source.name, from: start, limit: limit)
            return (source, total, try index.withoutFolders(found))
        }
        var passages = found
        for i in passages.indices { passages[i].documents = name }
        // Other searches need not wait while the file is looked at.
        return FilePassages(total: total, passages: passages, state: source.state)
    }

    private func withIndex<Result: Sendable>(
        _ body: @Sendable (Opened) throws(DocumentError) -> Result
    ) throws(DocumentError) -> Result {
        try state.withLock { opened throws(DocumentError) in
            if try Opened.stamp(path) != opened.stamp { opened = try Opened(path, openEmbedder) }
            return try body(opened)
        }
    }
}
