import Autograd
import Glibc
import Kernels
import Train

struct DemoOptions: MachineOptions {
    var threads: Int?
    var cpu: String?
    var blas: BLAS?
    var steps = 2_000
    var seed = 1
}

extension Command {
    static var demo: Command {
        Command("demo", "Learns two spirals with a small network and draws what it sees.", DemoOptions(),
                DemoOptions.rows + [.option("steps", \.steps, in: 1...1_000_000, "How long to learn."), .option("seed", \.seed, in: 0...Int.max, "Where the weights begin.")],
                example: "slm demo --steps 500") { options in
            try SpiralDemo(options).run(steps: options.steps)
        }
    }
}

/// Two arms of points wound into each other: no straight line tells them apart, a network of two hidden layers does.
private struct SpiralDemo {
    private let tape: Tape
    private let parameters: Parameters
    private let processor: Processor
    private let layers: (Linear, Linear, Linear)
    private let points: [Float]                               // [N, 2]
    private let arms: [Int32]                                 // [N]

    init(_ options: DemoOptions) throws {
        processor = try options.processor()
        var list = ParameterList()
        layers = (Linear(from: 2, to: 32, named: "first", in: &list, weight: .uniform(limit: 1)), Linear(from: 32, to: 32, named: "second", in: &list),
                  Linear(from: 32, to: 2, named: "last", in: &list))
        parameters = try Parameters(list, on: processor, seed: UInt64(options.seed))
        tape = Tape(processor, parameters: parameters)
        let places = (0..<400).map { i -> (x: Float, y: Float, arm: Int32) in
            let arm = i % 2, t = 0.25 + 0.75 * Float(i / 2) / 200, angle = 3 * Float.pi * t + Float(arm) * .pi
            return (t * cos(angle), t * sin(angle), Int32(arm))
        }
        points = places.flatMap { [$0.x, $0.y] }
        arms = places.map(\.arm)
    }

    func run(steps: Int) throws {
        let optimizer = AdamW(for: parameters, on: processor)
        var loss: Float = 0
        let seconds = secondsSpent {
            for step in 1...steps {
                tape.reset()
                let value = tape.crossEntropy(scores(of: points), targets: tape.ids(arms, [arms.count]))
                tape.backward(from: value)
                optimizer.update(rate: 0.01 * (1 - 0.9 * Float(step) / Float(steps)))
                loss = value.scalar
                if step == 1 || step % max(1, steps / 4) == 0 { note("step \(String(step).leftPadded(to: 5))   loss \(Double(loss).fixed(4))") }
            }
        }
        draw()
        print("\n\(parameters.count) parameters, \(steps) steps in \(seconds.fixed(2)) s on \(processor.threads) threads (\(processor.path)). o and x are the points,")
        print("the shades what the network takes the places between them for.")
    }

    private func scores(of places: [Float]) -> Tensor {
        let x = tape.constant(places, [places.count / 2, 2])                 // [N, 2]
        let h = layers.1(layers.0(x, on: tape, then: .tanh), on: tape, then: .tanh)  // [N, 32]
        return layers.2(h, on: tape)                                         // [N, 2]
    }

    private func draw() {
        let (width, height) = (72, 34)
        let (right, down) = (Float(width - 1) / 2.2, Float(height - 1) / 2.2)      // characters a unit of length
        let grid = (0..<width * height).flatMap { i -> [Float] in [Float(i % width) / right - 1.1, 1.1 - Float(i / width) / down] }
        let chances = tape.withoutRecording { tape.softmax(scores(of: grid)).floats }
        var picture = (0..<width * height).map { i -> Character in
            switch chances[2 * i] {
            case ..<0.25: " "
            case ..<0.5: "."
            case ..<0.75: ":"
            default: "#"
            }
        }
        for (i, arm) in arms.enumerated() {
            let column = Int(((points[2 * i] + 1.1) * right).rounded()), row = Int(((1.1 - points[2 * i + 1]) * down).rounded())
            picture[row * width + column] = arm == 0 ? "o" : "x"
        }
        print()
        for row in 0..<height { print(String(picture[row * width..<(row + 1) * width])) }
    }
}
