import Autograd
import Kernels
import Testing
import Train

/// The examples of Documentation/Learn/Autograd.md.
@Suite struct DocumentationTests {
    @Test func `the sum of squares of a tensor`() throws {
        let processor = try Processor()
        let tape = Tape(processor)
        let x = tape.constant([1, 2, 3, 4, 5, 6], [2, 3])
        let total = tape.sum(tape.multiply(x, x))
        #expect(total.scalar == 91)
    }

    @Test func `the gradient of a sum of squares is twice the numbers`() throws {
        let tape = Tape(try Processor())
        let x = tape.variable([1, 2, 3], [3])
        let y = tape.sum(tape.multiply(x, x))
        tape.backward(from: y)
        #expect(tape.gradient(of: x)?.floats == [2, 4, 6])
    }

    @Test func `a small network learns XOR`() throws {
        let processor = try Processor()
        var list = ParameterList()
        let first = Linear(from: 2, to: 16, named: "first", in: &list)
        let last = Linear(from: 16, to: 1, named: "last", in: &list)
        let parameters = Parameters(list, on: processor, seed: 1)
        let tape = Tape(processor, parameters: parameters)

        let optimizer = Optimizer(for: parameters, on: processor)
        var guesses: [Float] = []
        for _ in 0..<500 {
            tape.reset()
            let x = tape.constant([0, 0, 0, 1, 1, 0, 1, 1], [4, 2])
            let y = tape.constant([0, 1, 1, 0], [4, 1])
            let guess = tape.sigmoid(last(first(x, on: tape, then: .tanh), on: tape))
            let error = tape.subtract(guess, y)
            let loss = tape.mean(tape.multiply(error, error))
            tape.backward(from: loss)
            optimizer.update(rate: 0.05)
            guesses = guess.floats
        }
        #expect(zip(guesses, [0, 1, 1, 0] as [Float]).allSatisfy { abs($0 - $1) < 0.2 }, "\(guesses)")
    }
}
