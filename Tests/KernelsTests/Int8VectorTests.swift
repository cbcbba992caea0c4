import Kernels
import Testing
import TestSupport

@Suite struct Int8VectorTests {
    private func vector(_ width: Int, _ random: inout TestRandom) -> [Float] { (0..<width).map { _ in Float(random.below(2_001)) - 1_000 } }

    private func append(_ vector: [Float], to table: inout Int8Vectors) {
        let code = Int8Vectors.Code(directionOf: vector), bytes = code.codes.map { UInt8(bitPattern: $0) }
        table.append(bytes.span, scale: code.scale)
    }

    @Test(arguments: [1, 7, 32, 384, 1_025]) func `products are the cosines, within the rounding of eight bits`(width: Int) {
        var random = TestRandom(UInt64(width)), table = Int8Vectors(width: width)
        let vectors = (0..<20).map { _ in vector(width, &random) }, query = vector(width, &random)
        for vector in vectors { append(vector, to: &table) }
        let found = table.products(with: Int8Vectors.Code(directionOf: query))
        func product(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
        for (vector, found) in zip(vectors, found) {
            let cosine = product(vector, query) / (product(vector, vector) * product(query, query)).squareRoot()
            #expect(abs(Double(found) - cosine) < 0.01, "width \(width)")
        }
        #expect(found.count == 20)
    }

    @Test func `what has no direction is similar to nothing`() {
        for vector in [[0, 0], [.nan, 1], [.infinity, 1], [.leastNonzeroMagnitude, 0]] as [[Float]] {
            var table = Int8Vectors(width: 2)
            append(vector, to: &table)
            #expect(table.products(with: Int8Vectors.Code(directionOf: [1, 1])).allSatisfy { $0.isFinite && abs($0) <= 1 })
        }
    }
}
