import Autograd
import Kernels
import Model
import Testing
import TestSupport
import Train

@Suite(.serialized) struct MuonTests {
    @Test(arguments: KernelVariant.standard.filter { $0.precision == .float32 } + KernelVariant.devices.filter { $0.precision == .float32 })
    func `twenty steps match those of torch.optim.Muon in f64`(_ kernels: KernelVariant) throws {
        let gpt = try GoldenGPT(.untied, kernels), tape = gpt.tape
        let optimizer = Optimizer(for: gpt.parameters, on: tape.processor)
        optimizer.muon = Muon(rateRatio: 20)
        var losses: [Float] = []
        for rate in gpt.golden.floats("batch/rates") {
            tape.reset()
            let loss = gpt.loss()
            losses.append(loss.scalar)
            tape.backward(from: loss)
            optimizer.update(rate: rate, clippingTo: 1)
        }
        expectClose(losses, gpt.golden.floats("muon/losses"), within: kernels.gradient, "losses")
        for parameter in gpt.parameters.list where parameter.name.hasSuffix(".weight") {
            let found = gpt.parameters.value(of: parameter).floats
            expectClose(found, gpt.golden.floats("muon/trained/\(parameter.name)"), within: kernels.gradient, parameter.name)
        }
    }

    /// Also of one row and of one column, where the result is the direction of the vector.
    @Test(arguments: [(1, 7), (7, 1), (16, 16), (33, 12), (12, 33), (64, 200)])
    func `a direction has orthogonal rows or columns`(rows: Int, columns: Int) throws {
        let processor = try Processor(threads: 2), x = processor.zeros(rows * columns)
        processor.normal(into: x, seed: 7)
        let u = Muon(rateRatio: 1).orthogonalized(x, rows: rows, columns: columns, on: processor).array
        let vectors = rows <= columns
            ? (0..<rows).map { i in Array(u[i * columns..<(i + 1) * columns]) }
            : (0..<columns).map { j in stride(from: j, to: u.count, by: columns).map { u[$0] } }
        // The singular values are between about 0.7 and 1.2, so the vectors are orthogonal only to that extent.
        for (i, a) in vectors.enumerated() {
            for (j, b) in vectors.enumerated() {
                let product = zip(a, b).reduce(Float(0)) { $0 + $1.0 * $1.1 }
                #expect(i == j ? 0.3...1.6 ~= product : abs(product) < 0.5, "\(rows) × \(columns): \(i), \(j): \(product)")
            }
        }
    }

    @Test func `a matrix without a gradient stays as it is`() throws {
        let processor = try Processor(threads: 1)
        let u = Muon(rateRatio: 1).orthogonalized(processor.zeros(12), rows: 3, columns: 4, on: processor).array
        #expect(u == Array(repeating: 0, count: 12))
    }

    /// Queries, keys and values have nothing to do with each other: a large gradient of one must not shrink the step of another.
    @Test func `matrices that a weight stacks are orthogonalized one by one`() throws {
        let configuration = GPTConfiguration(layers: 1, heads: 2, width: 16, context: 12, vocabulary: 29)
        let list = ParameterList(of: configuration)
        let processor = try Processor(threads: 1)
        let qkv = try #require(list.parameters.first { $0.name == "layer0.qkv.weight" })
        func moved(keysTimes factor: Float) -> [Float] {
            let parameters = Parameters(list, on: processor, seed: 1), before = parameters.value(of: qkv).floats
            let optimizer = Optimizer(for: parameters, on: processor)
            optimizer.muon = Muon(rateRatio: 1)
            optimizer.decay = 0
            _ = parameters.allGradients()
            processor.normal(into: parameters.gradients, seed: 3)
            let keys = qkv.start + 16 * 16
            parameters.gradients[keys..<keys + 16 * 16].write { span in for i in span.indices { span[i] *= factor } }
            optimizer.update(rate: 0.1)
            return zip(parameters.value(of: qkv).floats, before).map { $0 - $1 }
        }
        expectClose(moved(keysTimes: 100), moved(keysTimes: 1), within: .gradient, "steps")
    }

    @Test func `other weights are AdamW's, and have the second moments`() throws {
        let list = ParameterList(of: GPTConfiguration(layers: 1, heads: 2, width: 16, context: 12, vocabulary: 29))
        let processor = try Processor(threads: 1), optimizer = Optimizer(for: Parameters(list, on: processor, seed: 1), on: processor)
        #expect(optimizer.withSecondMoment.count == list.parameters.count)
        optimizer.muon = Muon(rateRatio: 1)
        let linear = Set(list.parameters.map(\.name)).subtracting(optimizer.withSecondMoment.map(\.name))
        #expect(linear == ["layer0.qkv.weight", "layer0.output.weight", "layer0.up.weight", "layer0.down.weight"])
    }
}
