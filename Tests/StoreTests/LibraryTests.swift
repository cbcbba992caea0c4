import Store
import Testing

/// Files of accounts, and the libraries that have them.
@Suite struct LibraryTests {
    private func state(_ store: Store, _ library: LibraryID) throws -> LibraryRevision? {
        try store.libraryRevisions().first { $0.id == library }
    }

    @Test(arguments: Backend.allCases) func `a file has the bytes that were uploaded`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada")
        for size in [1, 786_431, 786_432, 786_433, 2_000_000] {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
            let upload = try store.addUpload("notes/ü.bin", bytes, of: ada)
            #expect(try store.contents(of: upload.id) == bytes && store.upload(upload.id, of: ada) == upload, "\(size) bytes")
            #expect(upload.size == size && upload.name == "notes/ü.bin")
            try store.deleteUpload(upload.id, of: ada)
            #expect(try store.contents(of: upload.id) == [])
        }
        #expect(throws: StoreError.notFound(.user)) { try store.addUpload("a", [1], of: UserID()) }
    }

    @Test(arguments: Backend.allCases) func `a library counts its files, and each change of them is a revision`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada")
        let library = try store.createLibrary("Garden", for: ada).id, other = try store.createLibrary("Other", for: ada).id
        #expect(try state(store, library)?.revision == 0 && state(store, library)?.rereadRevision == 0)
        let pump = try store.addUpload("pump.md", [1, 2, 3], of: ada, to: library), valve = try store.addUpload("valve.md", [4], of: ada)
        try store.addFiles([valve.id], to: library, of: ada)
        try store.addFiles([valve.id], to: library, of: ada)                  // no change
        try store.addFiles([valve.id], to: other, of: ada)
        #expect(try state(store, library)?.revision == 2 && state(store, other)?.revision == 1)
        var found = try store.library(library, readableBy: ada)
        #expect(found.fileCount == 2 && found.waiting == 2 && found.bytes == 4 && found.passages == 0 && found.skipped == 0)
        try store.set([pump.id: .ready(passages: 7), valve.id: .skipped(reason: "no text"), UploadID(): .waiting], in: library)
        found = try store.library(library, readableBy: ada)
        #expect(found.waiting == 0 && found.passages == 7 && found.skipped == 1)
        #expect(try store.files(of: library).map(\.state) == [.ready(passages: 7), .skipped(reason: "no text")])
        #expect(try store.fileNames(of: [valve.id, UploadID(), pump.id], in: library) == [pump.id: "pump.md", valve.id: "valve.md"])
        #expect(try store.fileNames(of: [pump.id], in: other).isEmpty && store.fileNames(of: [], in: library).isEmpty)
        #expect(try store.file(valve.id, of: other).state == .waiting)
        // A file of the same name replaces the old one, unless it has the same bytes.
        #expect(try store.addUpload("pump.md", [1, 2, 3], of: ada, to: library) == pump && state(store, library)?.revision == 2)
        #expect(try store.files(of: library).map(\.state) == [.ready(passages: 7), .skipped(reason: "no text")])
        #expect(pump.sha256 == "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81")
        let new = try store.addUpload("pump.md", [9], of: ada, to: library)
        #expect(try store.files(of: library).map(\.upload.id) == [new.id, valve.id])
        #expect(throws: StoreError.notFound(.file)) { try store.upload(pump.id, of: ada) }
        let before = try #require(try state(store, library))
        _ = try store.rereadLibrary(library, of: ada)
        let after = try #require(try state(store, library))
        #expect(after.revision == before.revision + 1 && after.rereadRevision == after.revision)
        #expect(try store.files(of: library).map(\.state) == [.waiting, .waiting])
        // One file alone.
        try store.set([new.id: .skipped(reason: "crashed"), valve.id: .ready(passages: 1)], in: library)
        try store.rereadFile(new.id, of: library, of: ada)
        #expect(try store.files(of: library).map(\.state) == [.waiting, .ready(passages: 1)])
        let last = try #require(try state(store, library))
        #expect(last.revision == after.revision + 1 && last.rereadRevision == after.rereadRevision)
        #expect(throws: StoreError.notFound(.file)) { try store.rereadFile(pump.id, of: library, of: ada) }
        // One that another library has stays.
        try store.removeFile(valve.id, from: library, of: ada, deletes: true)
        #expect(try state(store, library)?.revision == last.revision + 1)
        #expect(try store.upload(valve.id, of: ada) == valve && store.files(of: library).map(\.upload.id) == [new.id])
        #expect(throws: StoreError.notFound(.file)) { try store.removeFile(valve.id, from: library, of: ada, deletes: true) }
        // Several at once: those that the library has.
        let more = try ["a", "b", "c"].map { try store.addUpload($0, [1], of: ada, to: library).id }
        #expect(try store.removeFiles([more[0], valve.id, more[2], more[0]], from: library, of: ada, deletes: true) == 2)
        #expect(try store.files(of: library).map(\.upload.id) == [more[1], new.id])
        #expect(throws: StoreError.notFound(.file)) { try store.upload(more[2], of: ada) }
        #expect(throws: StoreError.self) { try store.removeFiles([more[1]], from: library, of: UserID(), deletes: true) }
        try store.deleteLibrary(other, of: ada, deletesFiles: false)
        #expect(try store.uploads(of: ada).map(\.id).contains(valve.id))
        try store.deleteLibrary(library, of: ada)
        #expect(try store.uploads(of: ada) == [valve] && store.libraryRevisions().isEmpty)
    }

    @Test(arguments: Backend.allCases) func `a library is made with files, or not at all`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada"), eve = try store.addTestUser("eve")
        let own = try store.addUpload("a", [1, 2], of: ada).id, other = try store.addUpload("b", [1], of: eve).id
        let library = try store.createLibrary("Garden", for: ada, with: [own])
        #expect(library.fileCount == 1 && library.waiting == 1 && library.bytes == 2)
        let time = try #require(try store.files(of: library.id).first?.addedAt)
        #expect(try store.files(of: library.id, addedAt: time).map(\.upload.id) == [own])
        #expect(try store.files(of: library.id, addedAt: Timestamp(milliseconds: time.milliseconds + 1)).isEmpty)
        #expect(throws: StoreError.notFound(.file)) { try store.createLibrary("Roof", for: ada, with: [own, other]) }
        #expect(try store.libraries(readableBy: ada).map(\.id) == [library.id])
    }

    @Test(arguments: Backend.allCases) func `only those read a library who may, and only its owner changes it`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store()
        let ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob"), eve = try store.addTestUser("eve")
        let library = try store.createLibrary("b", for: ada).id
        _ = try store.createLibrary("a", for: ada)
        func readers() throws -> [String] {
            try [("ada", ada), ("bob", bob), ("eve", eve), ("guest", UserID?.none)].filter { account in
                let isListed = try store.libraries(readableBy: account.1).contains { $0.id == library }
                let isFound = (try? store.library(library, readableBy: account.1)) != nil
                #expect(isListed == isFound)
                return isFound
            }.map(\.0)
        }
        #expect(try readers() == ["ada"])
        #expect(try store.updateLibrary(library, of: ada, access: .chosen, readers: [bob, ada, bob]).access == .chosen)
        #expect(try readers() == ["ada", "bob"] && store.readers(of: library) == ["bob"])
        _ = try store.updateLibrary(library, of: ada, name: "c", access: .everyone)
        #expect(try readers() == ["ada", "bob", "eve", "guest"] && store.libraries(readableBy: ada).map(\.name) == ["a", "c"])
        _ = try store.updateLibrary(library, of: ada, access: .private)
        #expect(try readers() == ["ada"] && store.readers(of: library) == ["bob"])
        let file = try store.addUpload("a", [1], of: ada, to: library).id, own = try store.addUpload("b", [1], of: eve).id
        _ = try store.updateLibrary(library, of: ada, access: .everyone)
        let denied = StoreError.notFound(.library)
        #expect(throws: denied) { try store.updateLibrary(library, of: eve, name: "x") }
        #expect(throws: denied) { try store.deleteLibrary(library, of: eve) }
        #expect(throws: denied) { try store.rereadLibrary(library, of: eve) }
        #expect(throws: denied) { try store.rereadFile(file, of: library, of: eve) }
        #expect(throws: denied) { try store.removeFile(file, from: library, of: eve, deletes: true) }
        #expect(throws: denied) { try store.addFiles([own], to: library, of: eve) }
        #expect(throws: denied) { try store.addUpload("x", [1], of: eve, to: library) }
        #expect(throws: StoreError.notFound(.file)) { try store.upload(file, of: eve) }
        #expect(throws: StoreError.notFound(.file)) { try store.deleteUpload(file, of: eve) }
        #expect(throws: StoreError.notFound(.file)) { try store.addFiles([own], to: library, of: ada) }
        #expect(try store.uploads(of: eve).map(\.id) == [own] && store.files(of: library).map(\.upload.id) == [file])
    }

    @Test(arguments: Backend.allCases) func `an account that is deleted takes its files along`(_ backend: Backend) throws {
        let store = try TestDatabase(backend).store(), ada = try store.addTestUser("ada"), bob = try store.addTestUser("bob")
        let library = try store.createLibrary("a", for: ada).id
        let file = try store.addUpload("a", [1], of: ada, to: library).id
        _ = try store.updateLibrary(library, of: ada, access: .chosen, readers: [bob])
        try store.admin.deleteUser(ada, by: AdminRequest(actor: "admin", address: ""))
        #expect(try store.libraryRevisions().isEmpty && store.contents(of: file).isEmpty && store.libraries(readableBy: bob).isEmpty)
    }
}
