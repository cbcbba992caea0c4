package import Autograd

/// Follows which gradients a backward pass has completed: those that earlier passes of its kind have written as often.
package struct BackwardPasses {
    /// The number of writes of each gradient in a whole pass, by kind.
    private var expected: [Int: [Int: Int]] = [:]
    private var kind = 0
    private var writes: [Int: Int] = [:]

    package init() {}

    package mutating func begin(_ kind: Int) {
        self.kind = kind
        writes = [:]
    }

    package mutating func willWrite(_ index: Int) {
        writes[index, default: 0] += 1
        if let expected = expected[kind] {
            guard writes[index, default: 0] <= expected[index, default: 0] else {
                fatalError("the gradient of parameter \(index) was written after its sum over the ranks had begun")
            }
        }
        current = index
    }

    /// The gradient that is being written.
    private var current: Int?

    package mutating func end() {
        current = nil
        expected[kind] = writes
    }

    /// The start of the parameters at the end of the list whose gradients are all complete.
    package func frontier(in list: [Parameter]) -> Int {
        guard let expected = expected[kind] else { return .max }
        var start = Int.max
        for parameter in list.reversed() {
            let index = parameter.index
            if index == current || writes[index, default: 0] < expected[index, default: 0] { break }
            start = parameter.start
        }
        return start
    }
}
