import Autograd
import Checkpoint
import Files
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// Writing and reading back, bit for bit.
@Suite struct CheckpointTests {
    private let folder = TemporaryFolder()

    @Test func `all content reads back bit for bit and in order`() throws {
        let sample = try SampleCheckpoint().checkpoint, path = folder("a.h5")
        try sample.write(to: path)
        let read = try Checkpoint(reading: path)
        #expect(
            read.path == path && read.configuration == sample.configuration && read.chatTemplate == .specialTokens
                && read.tokenizer == sample.tokenizer)
        #expect(read.training == sample.training && read.metrics == sample.metrics)
        #expect(read.weights.names == sample.weights.names && read.optimizer.names == sample.optimizer.names)
        for (a, b) in zip(read.everything, sample.everything) {
            #expect(a.path == b.path && a.shape == b.shape && a.bits == b.bits, "\(a.path)")
        }
        #expect(read.everything.count == sample.everything.count)
        #expect(try read.vocabulary() == SampleCheckpoint.vocabulary)
        #expect(folder.names == ["a.h5"])
    }

    @Test func `equal checkpoints give identical files, also after reading one`() throws {
        try SampleCheckpoint().checkpoint.write(to: folder("a.h5"))
        try SampleCheckpoint().checkpoint.write(to: folder("b.h5"))
        try Checkpoint(reading: folder("a.h5")).write(to: folder("c.h5"))
        let bytes = try InputFile.contents(of: folder("a.h5"))
        #expect(try bytes == InputFile.contents(of: folder("b.h5")) && bytes == InputFile.contents(of: folder("c.h5")))
    }

    static let fileOfHDF5 = String(#filePath.dropLast("CheckpointTests.swift".count)) + "Files/libhdf5.h5"

    /// A file of HDF5 1.10, as other programs write it: longer headers, padding, and a root group in two pieces.
    @Test func `a checkpoint that HDF5's library wrote is read, bit for bit`() throws {
        let read = try Checkpoint(reading: Self.fileOfHDF5), sample = try SampleCheckpoint().checkpoint
        #expect(read.everything.map(\.path) == sample.everything.map(\.path))
        #expect(read.everything.map(\.shape) == sample.everything.map(\.shape))
        // The random weights of another CPU have other last digits.
        #expect(read.weightsDigest == "7f8f3dd6da95c63b32936a96adee92da")
        #expect(read.training == sample.training && read.metrics == sample.metrics && read.configuration == sample.configuration)
        #expect(try read.vocabulary() == SampleCheckpoint.vocabulary)
        try read.write(to: folder("a.h5"))
        #expect(try Checkpoint(reading: folder("a.h5")).everything.map(\.bits) == read.everything.map(\.bits))
    }

    /// HDF5 leaves a gap at the end of a header if no message fits there. Headers may also store the creation orders of attributes.
    @Test func `a header with creation orders and a gap at its end is read`() throws {
        var bytes = try InputFile.contents(of: Self.fileOfHDF5)
        // The header of an array: 256 bytes of messages, the last of which is empty space.
        let start = try #require(bytes.firstRange(of: Array("OHDR".utf8) + [2, 1, 0, 1])).upperBound
        var messages: [UInt8] = [], place = start
        while bytes[place] != 0 {
            let end = place + 4 + Int(bytes[place + 1])
            messages += bytes[place..<place + 4]
            messages += [0, 0]                                         // the creation order
            messages += bytes[place + 4..<end]
            place = end
        }
        let gap = 4, space = 256 - messages.count - 6 - gap
        messages += [0, UInt8(space), 0, 0, 0, 0] + [UInt8](repeating: 0, count: space + gap)
        bytes.replaceSubrange(start..<start + 256, with: messages)
        bytes[start - 3] |= 4
        bytes.replaceSubrange(0..<CheckpointHeader.size, with: CheckpointHeader(for: bytes).bytes)
        let read = try Checkpoint(reading: folder.write(bytes, to: "a.h5")).everything
        let expected = try Checkpoint(reading: Self.fileOfHDF5).everything
        #expect(read.map(\.path) == expected.map(\.path) && read.map(\.bits) == expected.map(\.bits))
    }

    /// The values are from Bob Jenkins' lookup3.c; it takes twelve bytes at a time, as long as more follow.
    @Test func `headers have the checksum of HDF5, so that its library accepts them`() {
        #expect(H5Header.checksum(of: []) == 0xDEAD_BEEF)
        #expect(H5Header.checksum(of: Array("Four score and seven years ago".utf8)) == 0x1777_0551)
        for (count, checksum) in [(12, 0x5E4A_A593), (13, 0xBC9D_6816), (24, 0x9C0A_DD53), (25, 0x3A88_2244)] as [(UInt8, UInt32)] {
            #expect(H5Header.checksum(of: Array(0..<count)) == checksum)
        }
    }

    @Test func `arrays of up to four dimensions read back`() throws {
        var sample = try SampleCheckpoint().checkpoint
        let buffer = try Processor(threads: 1).zeros(12)
        buffer.write { span in for i in span.indices { span[i] = Float(i) } }
        let shapes: [Shape] = [[12], [3, 4], [2, 3, 2], [2, 1, 3, 2]]
        for shape in shapes { sample.optimizer["shaped/\(shape.rank)"] = FloatArray(buffer, shape: shape) }
        try sample.write(to: folder("a.h5"))
        let read = try Checkpoint(reading: folder("a.h5"))
        for shape in shapes { #expect(read.optimizer["shaped/\(shape.rank)"]?.shape == shape) }
        #expect(read.everything.map(\.bits) == sample.everything.map(\.bits))
    }

    @Test func `names may be long, up to what HDF5 can store`() throws {
        var sample = try SampleCheckpoint().checkpoint
        let path = folder("a.h5"), names = [255, 256, 65_000].map { String(repeating: "n", count: $0) }
        for (i, name) in names.enumerated() { sample.training[name] = .integer(i) }
        try sample.write(to: path)
        let read = try Checkpoint(reading: path)
        #expect(names.map { read.training[$0] } == [0, 1, 2])
        sample.training[String(repeating: "n", count: 65_001)] = 3
        #expect(throws: CheckpointError.notWritten(path: path, reason: "a name has 65001 bytes, and HDF5 allows 65000")) {
            try sample.write(to: path)
        }
        #expect(try Checkpoint(reading: path).training[names[2]] == 2)
    }

    @Test func `the file contains no times`() throws {
        try SampleCheckpoint().checkpoint.write(to: folder("a.h5"))
        let bytes = try InputFile.contents(of: folder("a.h5")), headers = bytes.ranges(of: Array("OHDR\u{2}".utf8))
        #expect(headers.count > 20 && headers.allSatisfy { bytes[$0.upperBound] & 0x20 == 0 })
    }

    @Test func `a removed entry is gone, and one that is set again comes last`() {
        var entries: OrderedDictionary<Int> = ["a": 1, "b": 2, "c": 3]
        entries["a"] = nil
        entries["d"] = nil
        #expect(entries.names == ["b", "c"] && entries.count == 2 && entries["a"] == nil)
        entries["b"] = 4
        entries["a"] = 5
        #expect(entries.names == ["b", "c", "a"] && entries.map(\.element) == [4, 3, 5])
    }

    @Test func `a file can be replaced while its weights are in use`() throws {
        let path = folder("a.h5")
        try SampleCheckpoint().checkpoint.write(to: path)
        var read = try Checkpoint(reading: path)
        let before = read.everything.map(\.bits)
        read.training["step"] = 2
        try read.write(to: path)
        try SampleCheckpoint(generation: 9).checkpoint.write(to: path)
        read.training["step"] = 1
        #expect(read.everything.map(\.bits) == before)
    }

    @Test func `weights are mapped as one buffer, and writing to them does not change the file`() throws {
        let sample = try SampleCheckpoint().checkpoint, path = folder("a.h5"), processor = try Processor(threads: 1)
        try sample.write(to: path)
        let bytes = try InputFile.contents(of: path), read = try Checkpoint(reading: path)
        let used = processor.arena.used, parameters = try read.model(on: processor).parameters
        #expect(processor.arena.used == used, "memory was allocated for mapped weights")
        for parameter in parameters.list {
            let name = parameter.name
            #expect(parameters.value(of: parameter).floats == sample.weights[name]?.values.array, "\(name)")
        }
        parameters.values.write { span in for i in span.indices { span[i] += 1 } }
        #expect(try InputFile.contents(of: path) == bytes)
    }

    @Test func `weights are copied if the padding between them is not zero`() throws {
        let path = folder("a.h5"), processor = try Processor(threads: 1)
        try SampleCheckpoint().checkpoint.write(to: path)
        var bytes = try InputFile.contents(of: path)
        let checkpoint = try Checkpoint(reading: path), list = ParameterList(of: checkpoint.configuration)
        // The norms of a model of width 8 end in the middle of a cache line.
        let norm = try #require(checkpoint.weights["layer0.norm1.weight"]).values.read { span in
            span.indices.flatMap { [UInt8](withUnsafeBytes(of: span[$0]) { Array($0) }) }
        }
        let offset = try #require(bytes.indices.first { $0 % 64 == 0 && Array(bytes[$0..<$0 + 32]) == norm })
        bytes[offset + 40] = 1
        bytes.replaceSubrange(0..<CheckpointHeader.size, with: CheckpointHeader(for: bytes).bytes)
        folder.write(bytes, to: "b.h5")
        let read = try Checkpoint(reading: folder("b.h5"))
        let used = processor.arena.used, mapped = try checkpoint.values(of: list.trainable, on: processor)
        #expect(processor.arena.used == used)
        let copied = try read.values(of: list.trainable, on: processor)
        #expect(processor.arena.used > used && copied.count == mapped.count)
        #expect(copied.read { span in span.indices.allSatisfy { span[$0].isFinite } })
    }

    @Test func `weights and optimizer moments are copied into the buffers of a training run`() throws {
        let sample = try SampleCheckpoint().checkpoint, path = folder("a.h5"), processor = try Processor(threads: 1)
        try sample.write(to: path)
        let read = try Checkpoint(reading: path), list = ParameterList(of: read.configuration)
        let parameters = Parameters(list, on: processor, seed: 77), moments = processor.zeros(list.count)
        try read.copyWeights(into: parameters)
        try read.copyOptimizer("second", into: moments, like: parameters.list)
        let again = Checkpoint(read.configuration, weights: OrderedDictionary(parameters.values, of: parameters.list))
        var moment: OrderedDictionary<FloatArray> = [:]
        moment.add(moments, of: parameters.list, in: "second")
        #expect(again.everything.map(\.bits) == sample.everything.filter { $0.path.hasPrefix("weights/") }.map(\.bits))
        for (name, array) in moment {
            #expect(array.values.array == sample.optimizer[name]?.values.array)
        }
    }

    @Test(arguments: [0, 1, 300, 5_000]) func `any number of arrays can be stored`(_ count: Int) throws {
        let processor = try Processor(threads: 1), buffer = processor.zeros(count)
        buffer.write { span in for i in span.indices { span[i] = Float(i) } }
        var checkpoint = Checkpoint(GPTConfiguration(layers: 0, heads: 1, width: 1, context: 1, vocabulary: 1), weights: [:])
        for i in 0..<count {
            checkpoint.weights["a rather long name, so that lists of them are long as well \(i)"] = FloatArray(
                buffer[i..<i + 1], shape: [1])
        }
        try checkpoint.write(to: folder("a.h5"))
        let read = try Checkpoint(reading: folder("a.h5"))
        #expect(read.everything.map(\.bits) == checkpoint.everything.map(\.bits) && read.weights.names == checkpoint.weights.names)
        #expect(
            read.tokenizer == nil && read.chatTemplate == nil && read.training == [:] && read.metrics == [:] && read.optimizer.count == 0)
    }

    @Test func `a Jinja template is stored with its tokens`() throws {
        var template = JinjaChatTemplate("{% for m in messages %}{{ m.content }} ü{% endfor %}")
        template.tokens = ["eos_token": "<|eos|>"]
        template.stopTokens = [2, 5]
        var sample = try SampleCheckpoint().checkpoint
        sample.chatTemplate = .jinja(template)
        try sample.write(to: folder("jinja.h5"))
        #expect(try Checkpoint(reading: folder("jinja.h5")).chatTemplate == .jinja(template))
    }

    @Test func `the defaults of a server are stored`() throws {
        var sample = try SampleCheckpoint().checkpoint
        #expect(sample.servingDefaults == ServingDefaults())
        let strict = SamplingDefaults(temperature: 0.5, topK: 0, topP: 0.5, minP: nil, repetitionPenalty: 1.5)
        for sampling in [SamplingDefaults.smallModels, .remoteModels, strict] {
            let defaults = ServingDefaults(starterQuestions: ["Why?", "Wo ist Köln?"], sampling: sampling, endTokens: [3, 257])
            sample.servingDefaults = defaults
            try sample.write(to: folder("a.h5"))
            #expect(try Checkpoint(reading: folder("a.h5")).servingDefaults == defaults)
        }
        sample.servingDefaults = ServingDefaults()
        #expect(try sample.training == SampleCheckpoint().checkpoint.training)
        // Numbers out of range are those of transformers.
        let author = SamplingDefaults(temperature: 0, topK: -1, topP: 1.5, minP: -0.1, repetitionPenalty: 0)
        #expect(author == SamplingDefaults(temperature: 0, topK: 50, topP: 1, minP: 0, repetitionPenalty: 1))
        #expect(SamplingDefaults(temperature: 2.5, topK: nil, topP: nil, minP: nil, repetitionPenalty: nil) == nil)
    }

    @Test func `checkpoints can be written on several threads at once`() async throws {
        let folder = folder
        try await withThrowingTaskGroup(of: Void.self) { group in
            for i in 0..<8 {
                let path = folder("\(i).h5")
                group.addTask {
                    for generation in 0..<5 { try SampleCheckpoint(generation: generation).checkpoint.write(to: path) }
                    #expect(try Checkpoint(reading: path).integer("step") == 4)
                }
            }
            try await group.waitForAll()
        }
    }

    enum Mistake: String, CaseIterable, Codable {
        case empty, dot, doubled, zero, folder

        var names: [String] {
            switch self {
            case .empty: [""]
            case .dot: ["a/./b"]
            case .doubled: ["a//b"]
            case .zero: ["a\u{0}b"]
            case .folder: ["a", "a/b"]
            }
        }
    }

    @Test(arguments: Mistake.allCases) func `an invalid array name traps with a message`(mistake: Mistake) async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [mistake] in
            var checkpoint = try SampleCheckpoint().checkpoint
            for name in mistake.names { checkpoint.training[name] = 1 }
            try checkpoint.write(to: "/dev/null")
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(
            said.contains(
                mistake == .folder ? "'training/a' is the name of both an array and a group" : "invalid array name 'training/"),
            "\(said.prefix(200))")
    }
}
